"""The local side of a connection: an accepted socket, with bounded buffers both ways.

A reset is told from an end: `reset()` makes the kernel send RST, so that a cut body is seen as cut;
`finish()` sends FIN and then throws away what the client still sends, because closing a socket
with unread bytes would turn the FIN into a reset and could destroy the answer on its way.
"""

import asyncio
import socket as sockets
import struct
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from kubefwd_operator.engines.native.transport import Buffer

READ_LIMIT = 256 * 1024
"""Bytes kept from the client before reading is paused."""

WRITE_LIMIT = 256 * 1024
"""Bytes kept for the client before the pod's side is paused."""

LINGER = 5.0
"""Seconds that a finished client may take to read the rest and close its own side."""


class ClientGone(Exception):
    """The local client has reset its connection, or it is closed already."""


class Client(asyncio.Protocol):
    """One accepted connection. `lost` is called once when it ends otherwise than by us."""

    def __init__(self, lost: Callable[[], None]) -> None:
        self.ended = False
        self._lost = lost
        self._transport: asyncio.Transport | None = None
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._closed = False
        self._discard = False
        self._readable = asyncio.Event()
        self._writable = asyncio.Event()
        self._writable.set()

    # --- what the event loop calls ---------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport and bound its write buffer."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_LIMIT)

    def data_received(self, data: bytes) -> None:
        """Keep what the client has sent; stop reading while there is a lot of it."""
        if self._discard:
            return
        self._chunks.append(data)
        self._size += len(data)
        if self._size >= READ_LIMIT and self._transport:
            self._transport.pause_reading()
        self._readable.set()

    def eof_received(self) -> bool:
        """Note the client's FIN; the other direction stays open."""
        self.ended = True
        self._readable.set()
        return not self._discard

    def pause_writing(self) -> None:
        """Note that the write buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Note that the write buffer has room again."""
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wake everybody who waits for this client."""
        del exc
        self._closed = True
        self._readable.set()
        self._writable.set()
        self._lost()

    # --- what a connection calls -----------------------------------------------------------------

    @property
    def closed(self) -> bool:
        """True once the connection is over."""
        return self._closed

    async def peek(self) -> bytes:
        """Wait for the next bytes from the client, empty after its FIN. Raises ClientGone.

        They stay here until `take`, so that nothing is lost when whoever waits is cancelled.
        """
        while not self._chunks:
            if self._closed:
                raise ClientGone
            if self.ended:
                return b""
            self._readable.clear()
            await self._readable.wait()
        return self._chunks[0]

    def take(self) -> bytes:
        """Remove the bytes that `peek` has shown."""
        data = self._chunks.popleft()
        before, self._size = self._size, self._size - len(data)
        if before >= READ_LIMIT > self._size and self._transport and not self.ended:
            self._transport.resume_reading()
        return data

    async def write(self, data: Buffer) -> None:
        """Send bytes to the client; waits while its buffer is full. Raises ClientGone."""
        if self._closed or self._transport is None:
            raise ClientGone
        self._transport.write(data)
        if not self._writable.is_set():
            await self._writable.wait()

    def finish(self) -> None:
        """End in order: FIN behind the last byte, and the client has LINGER seconds to follow."""
        transport = self._transport
        if self._closed or transport is None:
            return
        self._discard = True
        self._chunks.clear()
        if self.ended or not transport.can_write_eof():
            transport.close()
            return
        with suppress(OSError):
            transport.write_eof()
        transport.resume_reading()
        self._linger(transport)

    def _linger(self, transport: asyncio.Transport) -> None:
        """Close LINGER seconds after the last byte has gone; a slow reader gets all the time."""
        if self._closed:
            return
        act = self._linger if transport.get_write_buffer_size() else asyncio.Transport.abort
        asyncio.get_running_loop().call_later(LINGER, act, transport)

    def reset(self) -> None:
        """End at once with RST, unless it has been finished: what was sent is not the whole."""
        if self._transport and not self._closed and not self._discard:
            if socket := self.socket:
                with suppress(OSError):
                    reset_on_close(socket)
            self._transport.abort()

    @property
    def socket(self) -> sockets.socket | None:
        """The socket underneath, for its options."""
        if self._transport is None:
            return None
        return cast("sockets.socket | None", self._transport.get_extra_info("socket"))


def reset_on_close(socket: sockets.socket) -> None:
    """Make the next close of this socket an RST."""
    socket.setsockopt(sockets.SOL_SOCKET, sockets.SO_LINGER, struct.pack("ii", 1, 0))
