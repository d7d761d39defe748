"""Accepting on real sockets."""

import asyncio
import errno
import socket

import pytest
from tests.unit.native.kit import eventually

from kubefwd_operator.engines.native import listener as module
from kubefwd_operator.engines.native.listener import Listener


def listening() -> socket.socket:
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    return sock


class Exhausted:
    """A listening socket of a process without descriptors."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock, self.tries, self.error = sock, 0, errno.EMFILE

    def accept(self) -> tuple[socket.socket, object]:
        self.tries += 1
        if self.error:
            raise OSError(self.error, "no")
        return self.sock.accept()

    def __getattr__(self, name: str) -> object:
        return getattr(self.sock, name)


async def test_connections_are_handed_on() -> None:
    taken: list[socket.socket] = []
    sock = listening()
    address = sock.getsockname()
    made = Listener(sock, taken.append, lambda _: None)
    clients = [socket.create_connection(address) for _ in range(100)]
    await eventually(lambda: len(taken) == 100)
    made.close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address)
    for each in (*clients, *taken):
        each.close()


async def test_without_descriptors_it_pauses_and_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "EXHAUSTED_PAUSE", 0.1)
    sock = Exhausted(listening())
    taken: list[socket.socket] = []
    says: list[bool] = []
    made = Listener(sock, taken.append, says.append)  # type: ignore[arg-type]  # acts as one
    client = socket.create_connection(sock.sock.getsockname())
    await eventually(lambda: says)
    tries = sock.tries
    await asyncio.sleep(0.05)
    assert sock.tries == tries == 1, "it must not spin"
    sock.error = 0
    await eventually(lambda: taken)
    assert says == [True, False]
    made.close()
    client.close()
    taken[0].close()


async def test_closing_within_a_pause_takes_the_complaint_back() -> None:
    sock = Exhausted(listening())
    says: list[bool] = []
    made = Listener(sock, lambda _: None, says.append)  # type: ignore[arg-type]  # acts as one
    client = socket.create_connection(sock.sock.getsockname())
    await eventually(lambda: says)
    made.close()
    assert says == [True, False]
    client.close()


async def test_a_socket_that_the_helper_has_shut_down_is_silent() -> None:
    sock = listening()
    copy = sock.dup()
    says: list[bool] = []
    made = Listener(sock, lambda _: None, says.append)
    copy.shutdown(socket.SHUT_RDWR)
    copy.close()
    await asyncio.sleep(0.05)
    assert says == []
    made.close()
