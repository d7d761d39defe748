"""Noticing a dead link, without ever ending one that is only quiet or stalled.

Three watchers, because each sees what the others cannot:

- TCP keepalive finds a dead peer of an idle connection.
- WebSocket pings find a link that is dead behind the first hop, and keep gateways from idling out.
- On Linux TCP_INFO finds data that nobody acknowledges. TCP_USER_TIMEOUT would do the same but for
  one thing (measured): it also ends a connection whose peer acknowledges every probe and merely
  keeps its window closed, such as an upload to a backend that is stopped at a breakpoint.

Silence is judged only while somebody reads: when the local client has stopped, the pong waits in
the kernel. After an upload the pong may be queued behind data that the pod has not read yet, so
then silence is given UPLOAD_LIMIT.
"""

import asyncio
import socket as sockets
import struct
import sys
from collections.abc import Coroutine
from contextlib import suppress

import aiohttp

from kubefwd_operator.cluster.keepalive import keep_alive

WebSocket = aiohttp.ClientWebSocketResponse[bool]

INTERVAL = 15.0
"""Seconds between pings, and what a pong may take."""

UPLOAD_LIMIT = 300.0
"""Seconds that a pong may take when bytes were sent to the pod since the last one."""

_TCP_INFO = struct.Struct("=8B24I")
_RETRANSMITS, _PROBES, _LAST_ACK = 2, 3, 8 + 12
"""Positions in Linux's struct tcp_info: eight bytes, then 32-bit words."""


def watch_link(socket: sockets.socket | None) -> None:
    """Turn on keepalive, as far as the platform has it."""
    if socket is not None:
        keep_alive(socket, idle=15, interval=5, count=3)


def unacknowledged(socket: sockets.socket | None, limit: float = INTERVAL) -> bool:
    """Say whether data was sent again and again for `limit` seconds and nothing was acknowledged.

    Always False where the platform cannot tell.
    """
    if socket is None or sys.platform != "linux":
        return False
    try:
        raw = socket.getsockopt(sockets.IPPROTO_TCP, sockets.TCP_INFO, _TCP_INFO.size)
    except OSError:
        return False
    if len(raw) < _TCP_INFO.size:
        return False
    info = _TCP_INFO.unpack(raw)
    tries = max(info[_RETRANSMITS], info[_PROBES])
    return bool(tries and info[_LAST_ACK] >= limit * 1000)


class Pulse:
    """Pings one WebSocket every INTERVAL seconds of silence and ends it when it is dead."""

    def __init__(self, socket: WebSocket, loop: asyncio.AbstractEventLoop) -> None:
        self.listening = False
        self.verdict = ""
        self._socket = socket
        self._loop = loop
        self._pong: asyncio.Future[None] = loop.create_future()
        self._heard = loop.time()
        self._pinged: float | None = None
        self._uploaded = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer = loop.call_later(INTERVAL, self._tick)

    def heard(self) -> None:
        """Note that something has come from the other side."""
        self._heard = self._loop.time()
        self._pinged = None

    def ponged(self) -> None:
        """Note a pong: everything sent before it has been read over there."""
        self._uploaded = False
        if not self._pong.done():
            self._pong.set_result(None)

    def uploading(self) -> None:
        """Note that bytes go to the pod."""
        self._uploaded = True

    async def first_pong(self) -> None:
        """Ping at once and wait for the first pong ever."""
        if not self._pong.done():
            with suppress(aiohttp.ClientError, OSError):
                await self._socket.ping()
            await asyncio.shield(self._pong)

    def stop(self) -> None:
        """Ping no more."""
        self._timer.cancel()
        self._pong.cancel()

    def _tick(self) -> None:
        self._timer = self._loop.call_later(INTERVAL, self._tick)
        now = self._loop.time()
        if unacknowledged(self._socket.get_extra_info("socket")):
            self._end("sent data was not acknowledged")
        elif self._pinged is None:
            if now - self._heard >= INTERVAL / 2:
                self._pinged = now if self.listening else None
                self._start(self._ping())
        elif now - self._pinged >= (UPLOAD_LIMIT if self._uploaded else INTERVAL * 0.9):
            self._end("the cluster does not answer pings")

    def _start(self, action: Coroutine[object, object, None]) -> None:
        task = self._loop.create_task(action)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ping(self) -> None:
        with suppress(aiohttp.ClientError, OSError):
            await self._socket.ping()

    def _end(self, verdict: str) -> None:
        self.stop()
        self.verdict = verdict
        self._start(_drop(self._socket))


async def _drop(socket: WebSocket) -> None:
    """End a dead WebSocket: nobody is there to answer a close frame, so do not wait for one."""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(0.1):
            await socket.close()
