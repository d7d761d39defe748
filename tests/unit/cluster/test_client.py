"""The client against real HTTP servers: credentials, failures, watches, proxies, WebSockets."""

import asyncio
import json
import logging
import socket
import ssl
import sys
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from tests.unit.cluster import pem
from tests.unit.cluster.server import (
    Handler,
    answering,
    client,
    echo,
    echo_all,
    nobody,
    server_tls,
    serving,
    until,
)

from kubefwd_operator.cluster import tls
from kubefwd_operator.cluster.entry import Pem
from kubefwd_operator.cluster.execspec import ExecSpec
from kubefwd_operator.cluster.failures import Gone
from kubefwd_operator.cluster.kubeconfig import Impersonation, UserEntry
from kubefwd_operator.core import errors

PATH = "/api/v1/namespaces/shop/services"
LIST = {"kind": "ServiceList", "metadata": {"resourceVersion": "7"}, "items": []}


# --- what is sent --------------------------------------------------------------------------------


async def test_a_request_carries_token_query_and_prefix() -> None:
    async with (
        serving(echo, server_tls()) as port,
        client(f"https://127.0.0.1:{port}/k8s/c-1") as subject,
    ):
        seen = await subject.get(PATH, labelSelector="app=web,tier in (a)")
    assert seen["path"] == f"/k8s/c-1{PATH}?labelSelector=app%3Dweb,tier+in+(a)"
    headers = dict(seen["headers"])
    assert headers["Authorization"] == "Bearer t"
    assert headers["User-Agent"].startswith("kubefwd-operator/")
    assert seen["subject"] is None


async def test_a_client_certificate_is_shown() -> None:
    user = UserEntry(certificate=Pem(data=pem.CLIENT), key=Pem(data=pem.CLIENT_KEY))
    async with (
        serving(echo, server_tls()) as port,
        client(f"https://127.0.0.1:{port}", user=user) as subject,
    ):
        assert (await subject.get(PATH))["subject"] == "jane"


async def test_certificate_files_are_read_again_when_they_change(tmp_path: Path) -> None:
    certificate, key = tmp_path / "c", tmp_path / "k"
    certificate.write_bytes(pem.CLIENT)
    key.write_bytes(pem.CLIENT_KEY)
    user = UserEntry(certificate=Pem(path=str(certificate)), key=Pem(path=str(key)))
    async with (
        serving(echo, server_tls()) as port,
        client(f"https://127.0.0.1:{port}", user=user) as subject,
    ):
        assert (await subject.get(PATH))["subject"] == "jane"
        certificate.write_bytes(pem.SERVER)
        key.write_bytes(pem.SERVER_KEY)
        assert (await subject.get(PATH))["subject"] == "server"


async def test_impersonation_and_basic_headers() -> None:
    extra = (("Scopes/x%", ("a", "b")),)
    user = UserEntry(
        username="me", password="pw", impersonation=Impersonation("jane", "7", ("g1", "g2"), extra)
    )
    async with serving(echo) as port, client(f"http://127.0.0.1:{port}", user=user) as subject:
        seen = await subject.get(PATH)
    sent = [tuple(pair) for pair in seen["headers"] if pair[0].startswith(("Auth", "Imp"))]
    assert sent == [
        ("Authorization", "Basic bWU6cHc="),
        ("Impersonate-User", "jane"),
        ("Impersonate-Uid", "7"),
        ("Impersonate-Group", "g1"),
        ("Impersonate-Group", "g2"),
        ("Impersonate-Extra-scopes%2Fx%25", "a"),
        ("Impersonate-Extra-scopes%2Fx%25", "b"),
    ]


async def test_nothing_is_taken_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not ~/.netrc, which aiohttp would send, nor a proxy that kubectl would not use."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login x password hush\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    user = UserEntry()
    async with serving(echo) as port, client(f"http://127.0.0.1:{port}", user=user) as subject:
        assert "Authorization" not in dict((await subject.get(PATH))["headers"])


# --- 401 -----------------------------------------------------------------------------------------


class Doorkeeper:
    """Lets only one token pass; counts."""

    def __init__(self, token: str) -> None:
        self.token, self.refused = token, 0

    async def __call__(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {self.token}":
            self.refused += 1
            return web.Response(status=401)
        return web.json_response(LIST)


def plugin(tmp_path: Path, *tokens: str) -> tuple[UserEntry, Path]:
    """A plugin that gives these tokens one after the other, the last for ever."""
    calls = tmp_path / "calls"
    calls.touch()
    script = tmp_path / "plugin"
    script.write_text(
        f"#!/bin/sh\necho x >> {calls}\nset -- {' '.join(tokens)}\n"
        f"n=$(wc -l < {calls}); [ $n -gt $# ] && n=$#; shift $((n-1))\n"
        'echo "{\\"apiVersion\\": \\"v1\\", \\"status\\": {\\"token\\": \\"$1\\"}}"\n'
    )
    script.chmod(0o755)
    return UserEntry(exec=ExecSpec(str(script), "v1")), calls


async def test_a_401_leads_to_one_new_run_and_success(tmp_path: Path) -> None:
    user, calls = plugin(tmp_path, "old", "new")
    door = Doorkeeper("old")
    async with serving(door) as port, client(f"http://127.0.0.1:{port}", user=user) as subject:
        assert await subject.get(PATH) == LIST
        door.token = "new"
        one, two = await asyncio.gather(subject.get(PATH), subject.get(PATH))
        assert (one, two) == (LIST, LIST)
        assert calls.read_text() == "x\n" * 2


async def test_a_credential_that_stays_refused_is_not_asked_for_again(tmp_path: Path) -> None:
    user, calls = plugin(tmp_path, "old", "wrong")
    door = Doorkeeper("old")
    async with serving(door) as port, client(f"http://127.0.0.1:{port}", user=user) as subject:
        await subject.get(PATH)
        door.token = "new"
        with pytest.raises(errors.CredentialsExpired, match=r"refused even fresh credentials"):
            await subject.get(PATH)
        for _ in range(5):
            with pytest.raises(errors.CredentialsError, match="tried again within 1 min"):
                await subject.get(PATH)
        assert calls.read_text() == "x\n" * 2
        assert door.refused == 2


async def test_a_static_token_that_is_refused_has_expired() -> None:
    door = Doorkeeper("other")
    async with serving(door) as port, client(f"http://127.0.0.1:{port}") as subject:
        with pytest.raises(errors.CredentialsExpired, match=r"context 'dev' \(401\): log in"):
            await subject.get(PATH)
        assert door.refused == 1, "the same token is not sent twice"


async def test_a_websocket_renews_credentials_too(tmp_path: Path) -> None:
    user, calls = plugin(tmp_path, "old", "new")

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") != "Bearer new":
            return web.Response(status=401)
        made = web.WebSocketResponse()
        await made.prepare(request)
        await made.close()
        return made

    door = Doorkeeper("old")

    async def either(request: web.Request) -> web.StreamResponse:
        return await (handler(request) if "Upgrade" in request.headers else door(request))

    async with serving(either) as port, client(f"http://127.0.0.1:{port}", user=user) as subject:
        await subject.get(PATH)
        opened = await subject.websocket("/api/v1/x", protocols=())
        await opened.close()
        assert calls.read_text() == "x\n" * 2


# --- failures ------------------------------------------------------------------------------------

BODIES = {
    "login page": (200, "<html>", "text/html"),
    "no object": (200, "[]", "application/json"),
    "half an object": (200, '{"a"', "application/json"),
}


@pytest.mark.parametrize("status, body, kind", BODIES.values(), ids=BODIES)
async def test_what_is_no_kubernetes_answer(status: int, body: str, kind: str) -> None:
    async with (
        serving(answering(status, body, kind)) as port,
        client(f"http://127.0.0.1:{port}") as subject,
    ):
        with pytest.raises(errors.ClusterError, match="does not answer as a Kubernetes API"):
            await subject.get(PATH)


@pytest.mark.parametrize(
    "status, kind",
    [(403, errors.Forbidden), (404, errors.NotFound), (503, errors.ClusterUnreachable)],
)
async def test_a_status_is_mapped(status: int, kind: type[errors.ClusterError]) -> None:
    async with (
        serving(answering(status)) as port,
        client(f"http://127.0.0.1:{port}") as subject,
    ):
        with pytest.raises(kind):
            await subject.get(PATH)
        with pytest.raises(kind):
            async with subject.watch(PATH, "7"):
                pass


async def test_nobody_listens() -> None:
    async with client(f"https://127.0.0.1:{nobody()}") as subject:
        with pytest.raises(errors.ClusterUnreachable, match=r"reached: connection refused\. Check"):
            await subject.get(PATH)


async def test_a_name_that_nobody_knows() -> None:
    async with client("https://no-such-host.invalid:6443") as subject:
        with pytest.raises(errors.ClusterUnreachable, match="its name is not known here"):
            await subject.get(PATH)


async def test_a_server_that_hangs_up() -> None:
    async def handler(request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async with serving(handler) as port, client(f"http://127.0.0.1:{port}") as subject:
        with pytest.raises(errors.ClusterUnreachable, match="the connection broke"):
            await subject.get(PATH)


async def test_http_where_tls_was_expected() -> None:
    async with serving(echo) as port, client(f"https://127.0.0.1:{port}") as subject:
        with pytest.raises(errors.ClusterUnreachable, match="TLS failed"):
            await subject.get(PATH)


# --- TLS -----------------------------------------------------------------------------------------


async def test_a_ca_that_only_strict_python_refuses_is_trusted() -> None:
    """The test CA has no authority key identifier, like that of many clusters."""
    strict = ssl.create_default_context(cadata=pem.CA.decode())
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    async with (
        serving(echo, server_tls()) as port,
        client(f"https://127.0.0.1:{port}") as subject,
    ):
        with pytest.raises(ssl.SSLCertVerificationError):
            await asyncio.open_connection("127.0.0.1", port, ssl=strict)
        await subject.get(PATH)
    assert not tls.build().verify_flags & ssl.VERIFY_X509_STRICT


@pytest.mark.parametrize(
    "certificate, key",
    [(pem.OWN, pem.OWN_KEY), (pem.SERVER, pem.SERVER_KEY)],
    ids=["self-signed", "signed by somebody unknown"],
)
async def test_the_servers_own_certificate_as_ca_is_trusted(certificate: bytes, key: bytes) -> None:
    async with (
        serving(echo, server_tls(certificate, key)) as port,
        client(f"https://127.0.0.1:{port}", ca=Pem(data=certificate)) as subject,
    ):
        await subject.get(PATH)


TLS_ROWS = {
    "another CA": ({"ca": Pem(data=pem.OWN)}, "certificate is not trusted"),
    "the system's roots": ({"ca": Pem()}, "certificate is not trusted"),
    "another name": ({"tls_server_name": "elsewhere.test"}, "tls-server-name"),
    "the right name": ({"tls_server_name": "kubernetes.test"}, ""),
    "insecure": ({"ca": Pem(), "insecure": True}, ""),
}


@pytest.mark.parametrize("cluster, words", TLS_ROWS.values(), ids=TLS_ROWS)
async def test_the_servers_certificate_is_judged(cluster: dict[str, Any], words: str) -> None:
    async with (
        serving(echo, server_tls()) as port,
        client(f"https://127.0.0.1:{port}", **cluster) as subject,
    ):
        if not words:
            await subject.get(PATH)
            return
        with pytest.raises(errors.ClusterUnreachable, match=words):
            await subject.get(PATH)
        with pytest.raises(errors.ClusterUnreachable, match=words):
            await subject.websocket(PATH, protocols=())


WRONG_PEMS = {
    "CA": ({"ca": Pem(data=b"no")}, UserEntry(), "is not a PEM certificate"),
    "key of another": (
        {},
        UserEntry(certificate=Pem(data=pem.CLIENT), key=Pem(data=pem.SERVER_KEY)),
        "do not belong together",
    ),
    "key with a password": (
        {},
        UserEntry(certificate=Pem(data=pem.CLIENT), key=Pem(data=pem.LOCKED_KEY)),
        "has a password, which is not supported",
    ),
    "file that is not there": (
        {},
        UserEntry(certificate=Pem(path="/no/such"), key=Pem(path="/no/such")),
        "/no/such that the kubeconfig names cannot be read",
    ),
    "token with a line break": ({}, UserEntry(token="a\r\nX-Y: z"), "characters that no token has"),
    "group with a line break": (
        {},
        UserEntry(impersonation=Impersonation("x", groups=("a\r\nX-Y: z",))),
        "contains a line break",
    ),
}


@pytest.mark.parametrize("cluster, user, words", WRONG_PEMS.values(), ids=WRONG_PEMS)
async def test_unusable_credentials_get_a_sentence(
    cluster: dict[str, Any], user: UserEntry, words: str
) -> None:
    async with client("https://127.0.0.1:1", user=user, **cluster) as subject:
        with pytest.raises(errors.CredentialsError, match=words):
            await subject.get(PATH)


# --- watches -------------------------------------------------------------------------------------


def streaming(*pieces: bytes, hold: float = 0.0) -> Handler:
    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for piece in pieces:
            await response.write(piece)
            await asyncio.sleep(0.01)
        await asyncio.sleep(hold)
        return response

    return handler


def event(kind: str, name: str) -> bytes:
    return json.dumps({"type": kind, "object": {"metadata": {"name": name}}}).encode() + b"\n"


async def watched(handler: Handler, watch_silence: float = 5.0) -> list[str]:
    async with (
        serving(handler) as port,
        client(f"http://127.0.0.1:{port}", watch_silence=watch_silence) as subject,
        subject.watch(PATH, "7") as events,
    ):
        return [f"{each['type']} {each['object']['metadata']['name']}" async for each in events]


async def test_events_are_split_wherever_the_pieces_end() -> None:
    one, two = event("ADDED", "a"), event("MODIFIED", "ü" + "x" * 300_000)
    whole = one + two + b"\n" + event("DELETED", "a")
    cuts = [whole[:10], whole[10 : len(one) + 5], whole[len(one) + 5 : -3], whole[-3:]]
    names = await watched(streaming(*cuts))
    assert [name[:10] for name in names] == ["ADDED a", "MODIFIED ü", "DELETED a"]


async def test_a_half_event_at_the_end_is_no_event() -> None:
    assert await watched(streaming(event("ADDED", "a"), b'{"type": "ADD')) == ["ADDED a"]


async def test_a_watch_that_falls_silent_ends() -> None:
    names = await watched(streaming(event("ADDED", "a"), hold=30), watch_silence=0.2)
    assert names == ["ADDED a"]


async def test_a_watch_asks_for_bookmarks_and_an_end() -> None:
    asked: dict[str, str] = {}

    async def handler(request: web.Request) -> web.Response:
        asked.update(request.query)
        return web.Response()

    assert await watched(handler) == []
    assert asked == {
        "watch": "true", "resourceVersion": "7", "allowWatchBookmarks": "true",
        "timeoutSeconds": "270",
    }  # fmt: skip


@pytest.mark.parametrize(
    "line, kind",
    [
        (b'{"type": "ERROR", "object": {"code": 410}}\n', Gone),
        (b'{"type": "ERROR", "object": {"code": 403}}\n', errors.Forbidden),
        (b'{"type": "ERROR", "object": null}\n', errors.ClusterUnreachable),
        (b"<html>\n", errors.ClusterError),
        (b"[]\n", errors.ClusterError),
    ],
)
async def test_an_error_in_the_stream_is_raised(
    line: bytes, kind: type[errors.ClusterError]
) -> None:
    with pytest.raises(kind):
        await watched(streaming(line))


# --- WebSockets ----------------------------------------------------------------------------------


async def test_a_websocket_is_plain_and_unlimited() -> None:
    seen: dict[str, str] = {}
    big = b"x" * 5_000_000

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.update(request.headers)
        made = web.WebSocketResponse(protocols=("v4.channel.k8s.io",), max_msg_size=0)
        await made.prepare(request)
        await made.send_bytes(big)
        await made.receive()
        return made

    async with serving(handler) as port, client(f"http://127.0.0.1:{port}") as subject:
        opened = await subject.websocket(
            "/api/v1/namespaces/shop/pods/web/portforward",
            protocols=("v4.channel.k8s.io",),
            query={"ports": "8080"},
        )
        assert await opened.receive_bytes() == big
        assert opened.protocol == "v4.channel.k8s.io"
        await opened.close()
    assert "Sec-WebSocket-Extensions" not in seen
    assert seen["Authorization"] == "Bearer t"


async def test_pings_and_pongs_are_left_to_the_reader() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        made = web.WebSocketResponse()
        await made.prepare(request)
        await made.ping(b"theirs")
        await made.receive()
        return made

    async with serving(handler) as port, client(f"http://127.0.0.1:{port}") as subject:
        opened = await subject.websocket("/ws", protocols=())
        await opened.ping(b"ours")
        heard = [await opened.receive() for _ in range(2)]
        assert [(each.type, bytes(each.data)) for each in heard] == [
            (aiohttp.WSMsgType.PING, b"theirs"),
            (aiohttp.WSMsgType.PONG, b"ours"),
        ]
        await opened.close()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no TCP_USER_TIMEOUT")
async def test_requests_fail_fast_on_a_dead_link_and_dials_may_stall() -> None:
    watch = streaming(event("ADDED", "a"), hold=30)

    async def either(request: web.Request) -> web.StreamResponse:
        return await (watch if "watch" in request.query else echo_all)(request)

    async with serving(either) as port, client(f"http://127.0.0.1:{port}") as subject:
        grant = await subject._access.grant()
        lane = await subject._lane_of(grant)
        await subject.get(PATH)  # leaves a connection that a dial must not take over
        opened = await lane.dial(subject._url("/ws", {}), grant, ("p",))
        watching = subject._url(PATH, {"watch": "true"})
        answer = await lane.send(watching, grant, aiohttp.ClientTimeout())
        assert answer.connection
        assert answer.connection.transport
        requested = answer.connection.transport.get_extra_info("socket")
        for sock, limit in [(requested, 15_000), (opened.get_extra_info("socket"), 0)]:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == limit
        answer.close()
        await opened.close()


async def test_a_refused_upgrade_is_mapped() -> None:
    path = "/api/v1/namespaces/shop/pods/web/portforward"
    for status, kind, words in [
        (403, errors.Forbidden, "--subresource=portforward"),
        (404, errors.NotFound, "no such pods/portforward"),
        (500, errors.DialError, "did not open the port-forward"),
    ]:
        async with (
            serving(answering(status)) as port,
            client(f"http://127.0.0.1:{port}") as subject,
        ):
            with pytest.raises(kind, match=words):
                await subject.websocket(path, protocols=())


async def test_a_hundred_websockets_do_not_starve_a_request() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        if "Upgrade" not in request.headers:
            return await echo(request)
        made = web.WebSocketResponse()
        await made.prepare(request)
        await made.receive()
        return made

    async with serving(handler) as port, client(f"http://127.0.0.1:{port}") as subject:
        opened = await asyncio.gather(*(subject.websocket("/ws", protocols=()) for _ in range(120)))
        async with asyncio.timeout(1.5):
            await subject.get(PATH)
        await asyncio.gather(*(each.close() for each in opened))


async def test_renewed_connections_leave_old_ones_alone() -> None:
    async with serving(echo_all) as port, client(f"http://127.0.0.1:{port}") as subject:
        opened = await subject.websocket("/ws", protocols=("p",))
        subject.renew()
        await subject.get(PATH)
        await opened.send_bytes(b"x")
        assert (await opened.receive_bytes()) == b"x"
        await subject.close()
        assert (await opened.receive()).type in (
            aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR,
        )  # fmt: skip


async def test_old_connections_end_when_nothing_runs_on_them_any_more() -> None:
    links: list[asyncio.BaseTransport] = []
    answer = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport
        links.append(request.transport)
        if request.path == "/slow":
            await answer.wait()
        return await echo_all(request)

    async with serving(handler) as port, client(f"http://127.0.0.1:{port}") as subject:
        await subject.get(PATH)
        opened = await subject.websocket("/ws", protocols=("p",))
        dialling = asyncio.create_task(subject.websocket("/slow", protocols=("p",)))
        await until(lambda: len(links) == 3)
        idle = links[0]

        subject.renew()
        await subject.get(PATH)
        answer.set()
        dialled = await dialling
        await opened.close()
        await subject.get(PATH)
        await dialled.send_bytes(b"x")
        assert (await dialled.receive_bytes()) == b"x"
        assert not idle.is_closing()

        await dialled.close()
        await subject.get(PATH)
        await until(idle.is_closing)


async def test_no_secret_is_in_a_repr_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with (
        serving(answering(500)) as port,
        client(f"http://127.0.0.1:{port}", user=UserEntry(token="hush")) as subject,
    ):
        with pytest.raises(errors.ClusterError) as caught:
            await subject.get(PATH)
        grant = await subject._access.grant()
    assert "hush" not in caplog.text + repr(caught.value) + repr(grant) + repr(subject._access)
