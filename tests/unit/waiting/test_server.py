"""The operator's socket: who may ask, what is answered, and that nobody can hold it up."""

import asyncio
import os
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from kubefwd_operator.core.errors import OperatorSilent
from kubefwd_operator.core.model import FOREIGN, Dialled
from kubefwd_operator.privileged import peer, rundir
from kubefwd_operator.privileged.listening import Listening
from kubefwd_operator.privileged.rundir import RunDirectory
from kubefwd_operator.waiting import client, server, wire
from kubefwd_operator.waiting.server import TOO_LONG, WaitServer

ME = os.geteuid()
INSTANCE = "tilt-1"
STANDS = "127.18.0.3"


async def dial(address: str, port: int) -> Dialled:
    """Stand for an engine that forwards one address."""
    if address != STANDS:
        return FOREIGN
    return Dialled() if port == 80 else Dialled(f"Nothing listens on {port}.")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RunDirectory:
    """Give a run directory of this test, where both sides find it."""
    directory = RunDirectory(tmp_path, ("kubefwd-operator", INSTANCE))
    monkeypatch.setattr(rundir, "locate", lambda *_: directory)
    return directory


Start = Callable[..., Awaitable[WaitServer]]


@pytest.fixture
async def start(place: RunDirectory) -> AsyncIterator[Start]:
    """Start a server on that directory; it listens when this returns."""
    started: list[WaitServer] = []

    async def run(dial: server.Dial = dial, uid: int = ME) -> WaitServer:
        started.append(WaitServer(Listening(lambda: place, ME, wire.SOCKET), dial, uid))
        started[-1].start()
        await until((place.path / wire.SOCKET).exists)
        return started[-1]

    yield run
    for each in started:
        await each.close()


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the conditions are other people's
            await asyncio.sleep(0.005)


async def ask(address: str = STANDS, port: int = 80) -> Dialled:
    return await asyncio.to_thread(client.ask, INSTANCE, address, port)


async def talk(place: RunDirectory, said: bytes) -> bytes:
    """Say something at the socket, and hear it to the end."""
    reader, writer = await asyncio.open_unix_connection(place.path / wire.SOCKET)
    try:
        writer.write(said)
        return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()


async def test_a_question_is_answered_by_a_dial(start: Start) -> None:
    await start()
    assert await ask() == Dialled()
    assert await ask(port=81) == Dialled("Nothing listens on 81.")
    assert await ask("93.184.216.34") == FOREIGN


async def test_it_is_private_and_goes_with_the_server(start: Start, place: RunDirectory) -> None:
    running = await start()
    assert stat.S_IMODE((place.path / wire.SOCKET).lstat().st_mode) == 0o600
    assert stat.S_IMODE(place.path.lstat().st_mode) == 0o700
    await running.close()
    assert list(place.path.iterdir()) == []
    with pytest.raises(OperatorSilent, match=r"wait\.sock: is it running"):
        await ask()


async def test_a_stranger_who_asks_to_wait_is_refused(
    start: Start,
    place: RunDirectory,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The kernel tells who asks. Root may, so it has to be another user than root."""
    asked: list[int] = []

    async def note(address: str, port: int) -> Dialled:
        asked.append(port)
        return Dialled()

    await start(note)
    monkeypatch.setattr(peer, "uid_of", lambda _: ME + 1)
    assert await talk(place, wire.request(STANDS, 80)) == b""
    assert await talk(place, wire.request(STANDS, 80)) == b""
    assert asked == []
    assert [message for message in caplog.messages if "was refused" in message] == [
        f"A question by user id {ME + 1} was refused: it is another user's operator."
    ]
    monkeypatch.setattr(peer, "uid_of", lambda _: 0)
    assert wire.dialled(await talk(place, wire.request(STANDS, 80))) == Dialled()


async def test_an_answer_of_somebody_else_is_not_taken(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    await start()
    monkeypatch.setattr(peer, "uid_of", lambda _: ME + 1)
    with pytest.raises(OperatorSilent, match="Somebody else listens"):
        await ask()


async def test_garbage_is_answered_and_costs_nothing(start: Start, place: RunDirectory) -> None:
    await start()
    said = wire.dialled(await talk(place, b"GET / HTTP/1.1\r\n"))
    assert (said.ours, said.why[:11]) == (False, "A question ")
    assert await talk(place, b"x" * 3 * wire.MAX_LINE) == b""
    assert await ask() == Dialled()


async def test_a_caller_that_does_not_end_its_line_is_left(
    start: Start, place: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ASK", 0.05)
    await start()
    assert await talk(place, b'{"address": ') == b""


async def test_slow_callers_are_bounded_and_do_not_keep_others_out(
    start: Start, place: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "ASK", 0.2)
    running = await start()
    path = place.path / wire.SOCKET
    silent = [await asyncio.open_unix_connection(path) for _ in range(server.CALLERS + 5)]
    await until(lambda: len(running._callers) == server.CALLERS)
    asked = asyncio.create_task(ask())
    await until(lambda: asked.done() or len(running._callers) > server.CALLERS)
    assert await asked == Dialled()
    for _, writer in silent:
        writer.close()


async def test_a_dial_that_hangs_is_answered_in_time(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(address: str, port: int) -> Dialled:
        await asyncio.Event().wait()
        raise AssertionError

    monkeypatch.setattr(server, "DIAL", 0.05)
    await start(hang)
    assert await ask() == TOO_LONG


async def test_a_dial_that_fails_by_a_defect_costs_no_other_question(start: Start) -> None:
    async def fail(address: str, port: int) -> Dialled:
        if port == 81:
            raise ZeroDivisionError("as the test wants")
        return Dialled()

    await start(fail)
    with pytest.raises(OperatorSilent):
        await ask(port=81)
    assert await ask() == Dialled()


async def test_a_socket_that_was_removed_comes_back(
    start: Start, place: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "CHECK", 0.05)
    await start()
    (place.path / wire.SOCKET).unlink()
    await until((place.path / wire.SOCKET).exists)
    assert await ask() == Dialled()


async def test_the_newest_operator_is_asked(
    start: Start, place: RunDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def newer(address: str, port: int) -> Dialled:
        return Dialled("I am the newer one.")

    monkeypatch.setattr(server, "CHECK", 0.05)
    older = await start()
    inode = (place.path / wire.SOCKET).lstat().st_ino
    await start(newer)
    await until(lambda: (place.path / wire.SOCKET).lstat().st_ino != inode)
    await until(lambda: older._running is None or older._running.done())
    await older.close()
    assert await ask() == Dialled("I am the newer one.")


async def test_a_directory_that_cannot_be_used_is_said_once_and_tried_again(
    place: RunDirectory, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(server, "CHECK", 0.02)
    blocked = place.base / place.below[0]
    blocked.write_text("in the way")
    running = WaitServer.of(INSTANCE, dial)
    running.start()
    await until(lambda: "has nobody to ask" in caplog.text)
    await asyncio.sleep(0.1)
    assert caplog.text.count("has nobody to ask") == 1
    blocked.unlink()
    await until((place.path / wire.SOCKET).exists)
    assert await ask() == Dialled()
    await running.close()
