"""Report: the same in words and for machines, and never too large."""

import json
from dataclasses import replace

import pytest
from tests.unit.core.situations import LATER, NOON, broken, row, seen, status, wish

from kubefwd_operator.core import report
from kubefwd_operator.core.conflicts import Conflict
from kubefwd_operator.core.memory import Answer
from kubefwd_operator.core.model import AuthoritySeen, AuthorityState, NamespaceSeen, ServiceState
from kubefwd_operator.core.problem import ClashKind
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.report import JSON_KEY, document, encode, services_table, table
from kubefwd_operator.core.status import ServiceStatus

WAITING = AuthoritySeen(AuthorityState.WAITING)

STATUS = status(
    wish("a", "b"),
    seen(
        row("web.a"), row("db.a", Reason.PORT_TAKEN, ports=(5432, 80)), b=broken(Reason.FORBIDDEN)
    ),
)


def test_keys_for_people() -> None:
    data = encode(STATUS)
    assert set(data) == {
        "state",
        "message",
        "generation",
        "engine",
        "cluster",
        "authorization",
        "conditions",
        "namespaces",
        "services",
        "lastClick",
        JSON_KEY,
    }
    assert all(isinstance(value, str) for value in data.values())
    assert data["state"] == "Degraded"
    assert data["engine"] == "native"
    assert data["cluster"] == "kind-dev"
    assert data["generation"] == "1"
    assert data["authorization"] == "Authorized sudo -A"


def test_the_engine_says_why_it_is_the_one() -> None:
    chosen = replace(STATUS, engine="native", engine_why="no kubefwd on PATH")
    assert encode(chosen)["engine"] == "native (no kubefwd on PATH)"
    assert document(chosen)["engine"] == "native"
    assert document(chosen)["engineWhy"] == "no kubefwd on PATH"


def test_authorization_without_a_way_is_one_word() -> None:
    assert encode(status(wish(), seen(authority=WAITING)))["authorization"] == WAITING.state.value


@pytest.mark.parametrize(
    "key, line",
    [
        pytest.param("services", "SERVICE       ADDRESS     PORTS    STATE  MESSAGE", id="header"),
        pytest.param("services", "http://web.a  127.18.0.3  80       Ready", id="a service"),
        pytest.param(
            "services",
            "http://db.a   127.18.0.3  80,5432  Ready  What to do about PortTaken.",
            id="a service with its problem",
        ),
        pytest.param(
            "namespaces", "a          tilt    yes    Ready      2 services", id="a namespace"
        ),
        pytest.param(
            "namespaces",
            "b          tilt    no     Forbidden  What to do about Forbidden.",
            id="a namespace with its problem",
        ),
        pytest.param(
            "conditions",
            "HelperReady       True    Ready      Authorized (sudo -A).",
            id="a condition",
        ),
    ],
)
def test_tables_are_aligned(key: str, line: str) -> None:
    assert line in encode(STATUS)[key].splitlines()


def test_the_document_for_machines() -> None:
    found = json.loads(encode(STATUS)[JSON_KEY])
    assert found == document(STATUS)
    assert list(found) == [
        "state",
        "message",
        "generation",
        "engine",
        "engineWhy",
        "cluster",
        "authorization",
        "conditions",
        "namespaces",
        "services",
        "conflicts",
        "policies",
        "lastClick",
        "stopped",
        "pid",
        "instance",
        "version",
    ]
    assert found["authorization"] == {"state": "Authorized", "way": "sudo -A"}
    assert found["namespaces"][1] == {
        "name": "b",
        "source": "tilt",
        "ready": False,
        "reason": "Forbidden",
        "message": "What to do about Forbidden.",
    }
    assert found["services"][0] == {
        "namespace": "a",
        "service": "db",
        "names": ["db.a", "db.a.svc", "db.a.svc.cluster.local"],
        "address": "127.18.0.3",
        "ports": [80, 5432],
        "state": "Ready",
        "reason": "PortTaken",
        "message": "What to do about PortTaken.",
        "url": "http://db.a",
        "refused": 0,
    }
    assert (found["pid"], found["instance"], found["version"]) == (4711, "tilt-10350", "1.2.3")


def test_what_was_stopped_is_told_while_there_is_any() -> None:
    assert ("stopped" in encode(STATUS), document(STATUS)["stopped"]) == (False, [])
    stopped = replace(STATUS, stopped=("a", "b"))
    assert (encode(stopped)["stopped"], document(stopped)["stopped"]) == ("a, b", ["a", "b"])


def test_the_last_click_is_answered_until_the_next() -> None:
    assert (encode(STATUS)["lastClick"], document(STATUS)["lastClick"]) == ("", None)
    answered = replace(STATUS, answer=Answer("Pause", "it is paused already.", refused=True))
    assert encode(answered)["lastClick"] == "Pause: it is paused already."
    assert document(answered)["lastClick"] == {
        "button": "Pause",
        "sentence": "it is paused already.",
        "refused": True,
    }


def test_conditions_for_machines_follow_kubernetes() -> None:
    conditions = {item["type"]: item for item in document(STATUS)["conditions"]}
    assert set(conditions) == {
        "Ready",
        "HelperReady",
        "ClusterReachable",
        "NamespacesSynced",
        "Degraded",
    }
    assert conditions["HelperReady"] == {
        "type": "HelperReady",
        "status": "True",
        "reason": "Ready",
        "message": "Authorized (sudo -A).",
        "lastTransitionTime": NOON,
    }
    assert conditions["Ready"]["reason"] == "Degraded"


def test_the_same_situation_is_written_alike_later() -> None:
    again = status(
        wish("a", "b"),
        seen(
            row("web.a"),
            row("db.a", Reason.PORT_TAKEN, ports=(80, 5432)),
            b=broken(Reason.FORBIDDEN),
        ),
        STATUS,
        LATER,
    )
    assert encode(again) == encode(STATUS)


def test_a_change_is_written() -> None:
    changed = status(wish("a", "b"), seen(row("web.a"), b=NamespaceSeen()), STATUS, LATER)
    assert encode(changed) != encode(STATUS)


ROW = Conflict(
    ClashKind.HOSTS_FILE, ("web", "web.a"), "your own line", "web.a", "Take that line out."
)


def test_conflicts_are_shown_only_while_there_are_any() -> None:
    assert "conflicts" not in encode(STATUS)
    assert document(STATUS)["conflicts"] == []
    clashing = replace(STATUS, conflicts=(ROW,))
    assert encode(clashing)["conflicts"].splitlines() == [
        "OVER        KIND       HAS IT         GOES WITHOUT  WHAT TO DO",
        "web, web.a  HostsFile  your own line  web.a         Take that line out.",
    ]
    assert document(clashing)["conflicts"] == [
        {
            "kind": "HostsFile",
            "over": ["web", "web.a"],
            "has": "your own line",
            "without": "web.a",
            "remedy": "Take that line out.",
        }
    ]


def test_many_conflicts_are_cut_and_counted() -> None:
    many = replace(STATUS, conflicts=(ROW,) * (report.MAX_ROWS + 7))
    assert encode(many)["conflicts"].endswith(f"... and 7 more: see {JSON_KEY}\n")
    names = tuple(f"web-{number}" for number in range(report.MAX_NAMES + 1))
    (row, *rest) = document(replace(many, conflicts=(replace(ROW, over=names), *many.conflicts)))[
        "conflicts"
    ]
    assert len(row["over"]) == report.MAX_NAMES
    assert len(rest) == report.MAX_ROWS - 1


@pytest.mark.parametrize(
    "names, told",
    [
        pytest.param((), "", id="none"),
        pytest.param(("a", "b"), "a, b", id="all"),
        pytest.param(("a", "b", "c", "d"), "a, b, c, d", id="just all"),
        pytest.param(("a", "b", "c", "d", "e", "f"), "a, b, c, d and 2 more", id="the first"),
    ],
)
def test_few(names: tuple[str, ...], told: str) -> None:
    assert report.few(names) == told


def service(number: int, names: tuple[str, ...] = ()) -> ServiceStatus:
    names = names or tuple(f"{'x' * 60}{form}" for form in range(4))
    return ServiceStatus(
        "n" * 63, f"s{number}", names, "127.18.0.3", (80,), ServiceState.READY, "NoPods", "m" * 300
    )


def test_a_huge_status_stays_far_below_tilts_limit() -> None:
    many = tuple(service(number) for number in range(10_000))
    huge = replace(STATUS, services=(service(0, names=("y" * 200,) * 5000), *many))
    data = encode(huge)
    assert sum(len(value) for value in data.values()) < 6_000_000
    found = json.loads(data[JSON_KEY])
    assert len(found["services"]) == report.MAX_SERVICES
    assert len(found["services"][0]["names"]) == report.MAX_NAMES


def test_a_long_table_says_what_it_leaves_out() -> None:
    text = services_table([service(number) for number in range(report.MAX_ROWS + 7)])
    assert len(text.splitlines()) == report.MAX_ROWS + 2
    assert text.endswith(f"... and 7 more: see {JSON_KEY}\n")


@pytest.mark.parametrize(
    "rows, expected",
    [
        pytest.param([], "A  B\n", id="header only"),
        pytest.param([("long", "x")], "A     B\nlong  x\n", id="columns as wide as needed"),
        pytest.param([("x", "")], "A  B\nx\n", id="no trailing space"),
        pytest.param([("x", "one\ntwo")], "A  B\nx  one two\n", id="one line per row"),
    ],
)
def test_table(rows: list[tuple[str, str]], expected: str) -> None:
    assert table(("A", "B"), rows, len(rows)) == expected


@pytest.mark.parametrize(
    "message, refused, remark",
    [
        pytest.param("", 0, "", id="nothing to say"),
        pytest.param("Look.", 0, "Look.", id="a message"),
        pytest.param("", 1, "Refused 1 connection of other users.", id="one"),
        pytest.param("Look.", 20, "Look. Refused 20 connections of other users.", id="both"),
    ],
)
def test_refused_connections_are_remarked_on(message: str, refused: int, remark: str) -> None:
    assert report.remark(message, refused) == remark


def test_refused_connections_are_in_the_table_and_the_document() -> None:
    stranger = status(wish("a"), seen(replace(row("web.a"), refused=3)))
    data = encode(stranger)
    assert data["services"].splitlines()[1].endswith("Ready  Refused 3 connections of other users.")
    assert document(stranger)["services"][0]["refused"] == 3
    assert stranger.state == "Ready"
