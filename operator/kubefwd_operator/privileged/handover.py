"""Listeners that come over a Unix socket (SCM_RIGHTS): received, made safe, known by address."""

import os
import socket
from collections.abc import Iterable

_FLAGS = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_MAX_FDS = 16
"""Per read. The helper attaches one descriptor to a line, and the kernel ends a read behind it."""


def receive(connection: socket.socket, size: int) -> tuple[bytes, list[socket.socket], bool]:
    """Read bytes, listeners, and whether the kernel had to drop a descriptor. Raises OSError."""
    data, descriptors, flags, _ = socket.recv_fds(connection, size, _MAX_FDS, _FLAGS)
    return data, [_own(fd) for fd in descriptors], bool(flags & socket.MSG_CTRUNC)


def _own(descriptor: int) -> socket.socket:
    os.set_inheritable(descriptor, False)
    listener = socket.socket(fileno=descriptor)
    listener.setblocking(False)
    return listener


class Received:
    """Listeners that have arrived and wait for the answer they belong to."""

    def __init__(self) -> None:
        self._by_address: dict[tuple[str, int], socket.socket] = {}

    def keep(self, listeners: Iterable[socket.socket]) -> None:
        """Take them in; one that is bound to no IPv4 address is closed."""
        for listener in listeners:
            name = listener.getsockname() if listener.family == socket.AF_INET else None
            if name is None or listener.type != socket.SOCK_STREAM:
                listener.close()
                continue
            if (older := self._by_address.pop(name, None)) is not None:
                older.close()
            self._by_address[name] = listener

    def take(self, ip: str, port: int) -> socket.socket | None:
        """Give up the listener on ip:port to the caller; None if it never came."""
        return self._by_address.pop((ip, port), None)

    def close(self) -> None:
        """Close what nobody took."""
        for listener in self._by_address.values():
            listener.close()
        self._by_address.clear()
