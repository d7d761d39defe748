"""What kubefwd's answers mean. The bodies are those of kubefwd 1.25.16, shortened."""

import json
from typing import Any

import pytest

from kubefwd_operator.core.errors import KubefwdForeign, KubefwdRefused
from kubefwd_operator.engines.kubefwd import answers
from kubefwd_operator.engines.kubefwd.answers import Health, Info, Listed, LogLine, Watched
from kubefwd_operator.engines.kubefwd.rows import Forward

NO_KEY = {"error": {"code": "UNAUTHORIZED", "message": "API key required."}, "success": False}
HEALTH = {"status": "healthy", "version": "1.25.16", "uptime": "0s", "timestamp": "2026-11-26"}
STARTED = "2026-11-26T13:03:29.688957953Z"
SECONDS = 1795698209.688957


def body(value: object) -> bytes:
    return json.dumps(value).encode()


def row(**other: object) -> dict[str, Any]:
    """A row of an ordinary service; kubefwd's has more fields, which do not matter here."""
    return {
        "key": "web.shop.kubefwd-operator.web-1.80",
        "serviceKey": "web.shop.kubefwd-operator",
        "serviceName": "web",
        "namespace": "shop",
        "podName": "web-1",
        "headless": False,
        "localIP": "127.1.27.1",
        "localPort": "80",
        "podPort": "8080",
        "hostnames": None,
        "status": "Active",
        "startedAt": STARTED,
        **other,
    }


def forward(**other: object) -> Forward:
    fields: dict[str, Any] = {
        "service": "web", "namespace": "shop", "pod": "web-1", "ip": "127.1.27.1", "port": 80,
        "pod_port": 8080, "status": "Active", "started": SECONDS,
    }  # fmt: skip
    return Forward(**{**fields, **other})


class TestEnvelope:
    @pytest.mark.parametrize("status", [200, 201])
    def test_holds_data(self, status: int) -> None:
        assert answers.opened(status, body({"success": True, "data": {"a": 1}})) == {"a": 1}

    @pytest.mark.parametrize(
        ("status", "code", "message"),
        [
            pytest.param(409, "add_namespace_failed", "already watching", id="conflict"),
            pytest.param(404, "NOT_FOUND", "service not found: a.b.c", id="not-found"),
            pytest.param(400, "invalid_request", "Key: ...", id="bad-request"),
            pytest.param(503, "NOT_READY", "State store not available", id="not-ready"),
        ],
    )
    def test_holds_an_error(self, status: int, code: str, message: str) -> None:
        envelope = {"success": False, "error": {"code": code, "message": message}}
        with pytest.raises(KubefwdRefused) as caught:
            answers.opened(status, body(envelope))
        assert (caught.value.code, str(caught.value)) == (code, message)

    @pytest.mark.parametrize(
        ("status", "found", "says"),
        [
            pytest.param(401, body(NO_KEY), "does not take the key", id="another-kubefwd"),
            pytest.param(200, b"<html>", "no JSON", id="a-page"),
            pytest.param(404, b"404 page not found", "no JSON", id="an-unknown-route"),
            pytest.param(200, b"\xff\xfe\xfd", "no JSON", id="no-text"),
            pytest.param(200, b"[" * 100_000, "no JSON", id="too-deep"),
            pytest.param(200, b"[1]", "no JSON object", id="a-list"),
            pytest.param(200, body({}), "status 200", id="no-envelope"),
            pytest.param(500, body({"success": True, "data": {}}), "status 500", id="wrong-status"),
            pytest.param(404, body({"success": False, "error": "x"}), "status 404", id="no-code"),
            pytest.param(
                404,
                body({"success": False, "error": {"code": 1, "message": "x"}}),
                "status 404",
                id="code-is-a-number",
            ),
            pytest.param(200, body({"success": True, "data": 3}), "no data", id="data-is-a-number"),
        ],
    )
    def test_that_is_not_kubefwds(self, status: int, found: bytes, says: str) -> None:
        with pytest.raises(KubefwdForeign, match=says) as caught:
            answers.opened(status, found)
        assert "127.2.27.1:80" in str(caught.value)


class TestGuard:
    def test_turns_away(self) -> None:
        assert answers.is_guarded(401, body(NO_KEY))

    def test_is_not_there(self) -> None:
        assert not answers.is_guarded(200, body({"success": True, "data": {}}))

    @pytest.mark.parametrize(
        ("status", "found"),
        [
            pytest.param(401, b"Unauthorized", id="another-server"),
            pytest.param(401, body({"detail": "log in"}), id="another-api"),
            pytest.param(403, body(NO_KEY), id="another-status"),
            pytest.param(200, body({"ok": True}), id="answers-everybody"),
        ],
    )
    def test_of_somebody_else(self, status: int, found: bytes) -> None:
        with pytest.raises(KubefwdForeign):
            answers.is_guarded(status, found)


def test_health() -> None:
    assert answers.health(HEALTH) == Health("1.25.16")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({"status": "healthy"}, id="only-a-status"),
        pytest.param({**HEALTH, "status": "UP"}, id="another-word"),
        pytest.param({**HEALTH, "version": 2}, id="version-is-a-number"),
        pytest.param({**HEALTH, "uptime": ""}, id="no-uptime"),
        pytest.param({}, id="nothing"),
    ],
)
def test_the_health_of_something_else(found: dict[str, Any]) -> None:
    with pytest.raises(KubefwdForeign):
        answers.health(found)


def test_info() -> None:
    data = {"version": "0.0.0", "startTime": STARTED, "tuiEnabled": False}
    assert answers.info(data) == Info("0.0.0", STARTED)


def test_namespaces_are_in_order() -> None:
    listed = [
        {"namespace": name, "context": "c", "serviceCount": count, "running": True}
        for name, count in (("shop", 3), ("billing", 0))
    ]
    found = answers.namespaces({"namespaces": listed})
    assert found == (Watched("billing", "c", 0), Watched("shop", "c", 3))


def test_services() -> None:
    listed = {"key": "k", "serviceName": "web", "namespace": "shop", "status": "partial"}
    page = answers.services({"services": [listed], "summary": {"totalServices": 7}})
    assert (dict(page.rows), page.total) == ({"k": Listed("web", "shop", "partial")}, 7)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        pytest.param(row(), forward(), id="ordinary"),
        pytest.param(
            row(serviceName="web-1.web"), forward(pod_name_in_host=True), id="pod-of-headless"
        ),
        pytest.param(
            row(serviceName="a.b.web", podName="a.b"),
            forward(pod="a.b", pod_name_in_host=True),
            id="pod-with-a-dot",
        ),
        pytest.param(
            row(serviceName="web-1", podName="web-1"),
            forward(service="web-1"),
            id="service-named-like-its-pod",
        ),
        pytest.param(row(podPort="http"), forward(pod_port=80), id="port-that-the-pod-has-not"),
        pytest.param(row(localIP="<nil>"), forward(ip="<nil>"), id="no-address-left"),
        pytest.param(
            row(status="Connecting", hostnames=[]), forward(status="Connecting"), id="connecting"
        ),
        pytest.param(
            row(startedAt="2026-11-26T14:03:29.688957+01:00"), forward(), id="another-time-zone"
        ),
    ],
)
def test_a_row(given: dict[str, Any], expected: Forward) -> None:
    page = answers.forwards({"forwards": [given], "summary": {"totalForwards": 1}})
    assert page.rows == {given["key"]: expected}
    assert page.total == 1


def test_no_rows() -> None:
    assert answers.forwards({"forwards": None, "summary": {"totalForwards": 0}}).rows == {}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(row(localPort="eighty"), id="port-is-a-word"),
        pytest.param(row(localPort=None), id="no-port"),
        pytest.param(row(startedAt="yesterday"), id="no-time"),
        pytest.param(row(serviceName=5), id="name-is-a-number"),
        pytest.param({}, id="empty"),
    ],
)
def test_a_row_of_something_else(given: dict[str, Any]) -> None:
    with pytest.raises(KubefwdForeign, match="lacks"):
        answers.forwards({"forwards": [given], "summary": {"totalForwards": 1}})


def test_a_log() -> None:
    line = {"timestamp": STARTED, "level": "error", "message": "Lost connection\n"}
    assert answers.log({"logs": [line], "totalCount": 30}) == (
        LogLine(SECONDS, "error", "Lost connection"),
    )
    assert answers.log({"logs": None, "totalCount": 30}) == ()
