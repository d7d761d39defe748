"""Dead links, quiet links, and clients that have let go."""

import asyncio
import socket
import sys
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.unit.native.kit import PodServer, echo, eventually

from kubefwd_operator.core.errors import DialError
from kubefwd_operator.engines.native.orphan import abandoned
from kubefwd_operator.engines.native.transport import link
from kubefwd_operator.engines.native.transport.link import unacknowledged, watch_link
from kubefwd_operator.engines.native.transport.websocket import WebSocketTransport

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's sock_diag and TCP_INFO")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pulse of 50 ms."""
    monkeypatch.setattr(link, "INTERVAL", 0.05)


async def test_a_link_that_answers_no_ping_is_dead(server: PodServer, quick: None) -> None:
    server.silent = True
    server.pods["web-1"] = echo
    stream = await WebSocketTransport(lambda: server).dial("shop-a", "web-1", 8080)
    with pytest.raises(DialError, match="does not answer pings"):
        await stream.read()
    await stream.close()


async def test_a_quiet_link_that_answers_lives(server: PodServer, quick: None) -> None:
    server.pods["web-1"] = echo
    stream = await WebSocketTransport(lambda: server).dial("shop-a", "web-1", 8080)
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0.6)
    assert not reading.done()
    await stream.write(b"still here")
    assert bytes(await reading) == b"still here"
    await stream.close()


async def test_nobody_is_judged_while_nobody_reads(server: PodServer, quick: None) -> None:
    server.silent = True
    server.pods["web-1"] = echo
    stream = await WebSocketTransport(lambda: server).dial("shop-a", "web-1", 8080)
    await stream.write(b"hello")
    await asyncio.sleep(0.6)
    assert bytes(await stream.read()) == b"hello"
    await stream.close()


async def test_after_an_upload_silence_is_given_longer(
    server: PodServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link, "UPLOAD_LIMIT", 0.4)
    server.silent = True
    server.pods["web-1"] = echo
    stream = await WebSocketTransport(lambda: server).dial("shop-a", "web-1", 8080)
    await stream.write(b"hello")
    await stream.read()
    began = asyncio.get_running_loop().time()
    with pytest.raises(DialError):
        await stream.read()
    assert asyncio.get_running_loop().time() - began >= 0.4
    await stream.close()


@linux
def test_keepalive_is_on_and_user_timeout_off() -> None:
    with socket.socket() as sock:
        watch_link(sock)
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 0
    watch_link(None)


@linux
def test_a_peer_that_keeps_its_window_closed_is_alive() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        client.setblocking(False)
        with suppress(BlockingIOError):
            while True:
                client.send(b"z" * 65536)
        assert not unacknowledged(client, limit=0)
        client.close()
        peer.close()
        assert not unacknowledged(client)
    assert not unacknowledged(None)


@linux
async def test_data_that_nobody_acknowledges_is_seen() -> None:
    """A listener whose queue is full drops the handshake, which is retransmitted."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        crowd = [socket.socket() for _ in range(4)]
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        await eventually(lambda: any(unacknowledged(each, limit=0) for each in crowd))
        for each in crowd:
            each.close()


@linux
@pytest.mark.parametrize(
    "what, expected",
    [
        (lambda client: None, False),
        (lambda client: client.shutdown(socket.SHUT_WR), False),
        (lambda client: client.close(), True),
    ],
    ids=["open", "finished sending", "closed"],
)
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6], ids=["v4", "v4 in v6"])
async def test_abandoned(
    what: Callable[[socket.socket], None], expected: bool, family: socket.AddressFamily
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        client = socket.socket(family)
        prefix = "::ffff:" if family is socket.AF_INET6 else ""
        client.connect((prefix + "127.0.0.1", server.getsockname()[1]))
        accepted, _ = server.accept()
        what(client)
        await eventually(lambda: abandoned(accepted) is expected)
        await asyncio.sleep(0.1)
        assert abandoned(accepted) is expected
        client.close()
        accepted.close()
