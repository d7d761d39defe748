"""One connection from accept to end, over real sockets and a real WebSocket server."""

import asyncio
import gc
import hashlib
import os
import socket
import struct
from contextlib import suppress

import pytest
from tests.unit.native.conftest import Front
from tests.unit.native.kit import echo, eventually, pod, says, service

from kubefwd_operator.core.errors import ClusterUnreachable, CredentialsExpired, Forbidden
from kubefwd_operator.engines.native import connection
from kubefwd_operator.engines.native.transport.websocket import WebSocketTransport


async def test_bytes_reach_a_pod_and_come_back(front: Front) -> None:
    front.server.pods["web-1"] = echo
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"one")
    assert await reader.readexactly(3) == b"one"
    writer.write(b"two")
    assert await reader.readexactly(3) == b"two"
    writer.close()
    assert front.server.dialled == ["web-1:8080"]


async def test_the_clean_end_of_a_pod_is_an_end_after_its_last_byte(front: Front) -> None:
    front.server.pods["web-1"] = says(b"x" * 3_000_000)
    front.catalog.put(service("web", pod("web-1")))
    assert len(await front.ask()) == 3_000_000


async def test_a_large_body_is_the_same_in_both_directions(front: Front) -> None:
    body = os.urandom(5_000_000)

    async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken = await reader.readexactly(len(body))
        writer.write(hashlib.sha256(taken).digest() + taken)
        await writer.drain()

    front.server.pods["web-1"] = digest
    front.catalog.put(service("web", pod("web-1")))
    answer = await front.ask(body)
    assert answer[:32] == hashlib.sha256(body).digest()
    assert answer[32:] == body


async def test_a_pod_may_speak_first(front: Front) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 welcome\r\n")
        await reader.read()

    front.server.pods["web-1"] = greet
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    assert await reader.readline() == b"220 welcome\r\n"
    writer.close()


@pytest.mark.parametrize("after", [0, 100_000], ids=["before any byte", "within the body"])
async def test_a_pod_that_resets_is_a_reset(front: Front, after: int) -> None:
    async def dies(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"y" * after)
        await writer.drain()
        raise ConnectionResetError

    front.server.pods["web-1"] = dies
    front.catalog.put(service("web", pod("web-1")))
    with pytest.raises(ConnectionResetError):
        await front.ask()
    assert front.server.dialled == ["web-1:8080"], "the pod may have acted on it: no second try"


@pytest.mark.parametrize("reset", [False, True], ids=["FIN", "RST"])
async def test_an_end_without_a_close_frame_is_a_reset(front: Front, reset: bool) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(b"half of it")
        await writer.drain()
        await reader.read()

    front.server.pods["web-1"] = cut
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"hello\n")
    assert await reader.readexactly(10) == b"half of it"
    front.server.cut(reset=reset)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    await eventually(lambda: not len(front.tunnels))
    gc.collect()  # what was not let go of would warn here


async def test_without_a_ready_pod_a_connection_waits_for_one(front: Front) -> None:
    front.server.pods["web-1"] = says(b"here\n")
    front.catalog.put(service("web", pod("web-1", ready=False)))
    asking = asyncio.create_task(front.ask())
    await front.held()
    assert not front.server.dialled
    front.catalog.put(service("web", pod("web-1")))
    assert await asking == b"here\n"


async def test_a_refused_dial_is_made_again_with_the_first_bytes(front: Front) -> None:
    front.server.pods["web-1"] = says(b"at last\n")
    front.server.refuse.add("web-1")
    front.catalog.put(service("web", pod("web-1")))
    asking = asyncio.create_task(front.ask(b"the very first line\n"))
    await eventually(lambda: len(front.server.dialled) >= 2)
    front.server.refuse.clear()
    assert await asking == b"at last\n"


async def test_a_large_upload_survives_a_refusal(front: Front) -> None:
    body = os.urandom(3_000_000)

    async def digest(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(hashlib.sha256(await reader.readexactly(len(body))).digest())

    front.server.pods["web-2"] = digest
    front.server.refuse.add("web-1")
    front.catalog.put(service("web", pod("web-1")))
    asking = asyncio.create_task(front.ask(body))
    await eventually(lambda: front.server.dialled)
    front.catalog.put(service("web", pod("web-1"), pod("web-2")))
    assert await asking == hashlib.sha256(body).digest()


@pytest.mark.parametrize("how", ["refuse", "missing"])
async def test_another_pod_is_tried_before_the_same_again(front: Front, how: str) -> None:
    front.server.pods["good"] = says(b"good\n")
    getattr(front.server, how).update({"bad-1", "bad-2"})
    front.catalog.put(service("web", pod("bad-1"), pod("bad-2"), pod("good")))
    for _ in range(5):
        assert await front.ask() == b"good\n"
    assert all(front.server.dialled.count(f"{each}:8080") <= 5 for each in ("bad-1", "bad-2"))


async def test_a_cluster_that_is_away_for_a_moment_is_tried_again(front: Front) -> None:
    front.server.pods["web-1"] = says(b"back\n")
    front.server.failing = [ClusterUnreachable("away"), ClusterUnreachable("away")]
    front.catalog.put(service("web", pod("web-1")))
    assert await front.ask() == b"back\n"


@pytest.mark.parametrize("error", [Forbidden("no"), CredentialsExpired("log in")])
async def test_what_waiting_does_not_mend_is_a_reset_and_reported(
    front: Front, error: Exception
) -> None:
    front.server.failing = [error]
    front.catalog.put(service("web", pod("web-1")))
    with pytest.raises(ConnectionResetError):
        await front.ask()
    assert front.troubles == [error]


async def test_failing_pods_are_a_reset_at_once(front: Front) -> None:
    front.catalog.failures["web"] = "CrashLoopBackOff"
    front.catalog.put(service("web", pod("web-1", ready=False)))
    with pytest.raises(ConnectionResetError):
        await front.ask()
    assert front.picker.failing == {("shop-a", "web"): "CrashLoopBackOff"}


async def test_the_hold_ends(front: Front, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "HOLD", 0.05)
    front.catalog.put(service("web", pod("web-1", ready=False)))
    with pytest.raises(ConnectionResetError):
        await front.ask()


async def test_a_client_that_resets_ends_the_dial(front: Front) -> None:
    front.server.pods["web-1"] = echo
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"hi")
    await reader.readexactly(2)
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    await eventually(lambda: not front.server.open and not len(front.tunnels))


async def test_a_client_that_has_only_finished_sending_gets_its_answer(front: Front) -> None:
    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        await asyncio.sleep(0.4)  # longer than the first looks at whether the client is there
        writer.write(b"the answer\n")

    front.server.pods["web-1"] = slow
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"hello\n")
    writer.write_eof()
    assert await reader.read() == b"the answer\n"
    writer.close()


async def test_a_client_that_has_closed_frees_the_pod(front: Front) -> None:
    front.server.pods["web-1"] = echo
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"hi")
    await reader.readexactly(2)
    writer.close()
    await eventually(lambda: not front.server.open and not len(front.tunnels))


async def test_bytes_sent_before_a_close_arrive(front: Front) -> None:
    got = bytearray()

    async def sink(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1 << 16):
            got.extend(data)

    front.server.pods["web-1"] = sink
    front.catalog.put(service("web", pod("web-1")))
    _, writer = await front.connect()
    writer.write(b"fire and forget" * 1000)
    writer.close()
    await eventually(lambda: len(got) == 15_000)


async def test_a_client_that_does_not_read_holds_the_pod_back(front: Front) -> None:
    sent = 0

    async def pours(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        while True:
            writer.write(b"z" * 65536)
            await writer.drain()
            sent += 65536

    front.server.pods["web-1"] = pours
    front.catalog.put(service("web", pod("web-1")))
    sock = socket.socket()
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
    await asyncio.get_running_loop().sock_connect(sock, front.address)
    before = -1
    while before != sent or not sent:
        before = sent
        await asyncio.sleep(0.2)
    assert sent < 64_000_000
    sock.close()


async def test_a_pod_that_does_not_read_holds_the_client_back(front: Front) -> None:
    async def stalls(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.Event().wait()

    front.server.pods["web-1"] = stalls
    front.catalog.put(service("web", pod("web-1")))
    _, writer = await front.connect()
    writer.transport.set_write_buffer_limits(high=0)
    sent = 0
    with suppress(TimeoutError):
        async with asyncio.timeout(1.0):
            while sent < 64_000_000:
                writer.write(b"z" * 65536)
                await writer.drain()
                sent += 65536
    assert 0 < sent < 64_000_000
    writer.transport.abort()


async def test_connections_of_a_pod_that_left_live_on(front: Front) -> None:
    front.server.pods["web-1"] = echo
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"one")
    await reader.readexactly(3)
    front.catalog.put(service("web", pod("web-2")))
    front.catalog.put()
    writer.write(b"two")
    assert await reader.readexactly(3) == b"two"
    writer.close()


async def test_dropping_resets_connections_and_closes_dials(front: Front) -> None:
    front.server.pods["web-1"] = echo
    front.catalog.put(service("web", pod("web-1")))
    reader, writer = await front.connect()
    writer.write(b"one")
    await reader.readexactly(3)
    await front.tunnels.drop()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    await eventually(lambda: not front.server.open)


async def test_being_dropped_while_it_ends_leaves_nothing_open(front: Front) -> None:
    front.server.pods["web-1"] = echo
    front.catalog.put(service("web", pod("web-1")))
    for turns in range(6):
        reader, writer = await front.connect()
        writer.write(b"one")
        await reader.readexactly(3)
        (task,) = front.tunnels._tasks
        task.cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        await front.tunnels.drop()
        await eventually(lambda: not front.server.open)
        gc.collect()  # what was not let go of would warn here
        writer.close()


async def test_without_a_cluster_a_connection_waits_for_it(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    front.server.pods["web-1"] = says(b"here\n")
    front.catalog.client = None
    front.catalog.put(service("web", pod("web-1")))
    asking = asyncio.create_task(front.ask())
    await front.held()
    front.catalog.client = front.server
    assert await asking == b"here\n"


async def test_the_transport_refuses_another_subprotocol(front: Front) -> None:
    front.server.protocols = ("v5.channel.k8s.io",)
    with pytest.raises(Exception, match="did not agree"):
        await WebSocketTransport(lambda: front.server).dial("shop-a", "web-1", 80)
