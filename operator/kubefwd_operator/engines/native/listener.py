"""Accepting on a listening socket that the helper has bound and handed over.

The socket is closed without a shutdown: the helper holds the same socket, and whether anybody may
listen on it is its business. A process that has run out of descriptors stops accepting for a
moment instead of spinning on a socket that stays readable.
"""

import asyncio
import errno
import socket as sockets
from collections.abc import Callable
from contextlib import suppress

BATCH = 64
"""Connections accepted at one go before the event loop gets its turn."""

EXHAUSTED_PAUSE = 1.0
"""Seconds without accepting after the system refused another descriptor."""

_EXHAUSTED = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Listener:
    """One listening socket. `accepted` takes each connection, `exhausted` says that none fits."""

    def __init__(
        self,
        socket: sockets.socket,
        accepted: Callable[[sockets.socket], None],
        exhausted: Callable[[bool], None],
    ) -> None:
        self._socket = socket
        self._accepted = accepted
        self._exhausted = exhausted
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        socket.setblocking(False)
        self._loop.add_reader(socket.fileno(), self._ready)

    def close(self) -> None:
        """Accept no more; connections that were accepted go on."""
        if self._pause:
            self._pause.cancel()
            self._exhausted(False)
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def _ready(self) -> None:
        for _ in range(BATCH):
            try:
                connection, _ = self._socket.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._wait(error)
                return
            connection.setblocking(False)
            with suppress(OSError):
                connection.setsockopt(sockets.IPPROTO_TCP, sockets.TCP_NODELAY, 1)
            self._accepted(connection)

    def _wait(self, error: OSError) -> None:
        """Pause; a socket that was shut down by the helper is silent until it is closed here."""
        self._loop.remove_reader(self._socket.fileno())
        if error.errno in _EXHAUSTED:
            self._exhausted(True)
            self._pause = self._loop.call_later(EXHAUSTED_PAUSE, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._exhausted(False)
        self._loop.add_reader(self._socket.fileno(), self._ready)
