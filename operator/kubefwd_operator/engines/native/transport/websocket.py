"""Port-forward over WebSocket, subprotocol `v4.channel.k8s.io`: one WebSocket per connection.

Binary messages, the first byte names the channel: 0 carries data, 1 the error text. The first
message of each channel is the port as two bytes and is skipped. The kubelet dials the pod when the
WebSocket is open, so a refusal comes later, as text on the error channel. There is no half-close.
The pod's clean end is a close frame; its reset a text on the error channel and then a close frame;
an end without close frame is a broken link.
"""

import asyncio
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

import aiohttp

from kubefwd_operator.core.errors import ClusterUnreachable, DialError, DialRefused
from kubefwd_operator.engines.native.transport import Buffer
from kubefwd_operator.engines.native.transport.link import Pulse, WebSocket, watch_link

SUBPROTOCOL = "v4.channel.k8s.io"
DATA, ERROR = 0, 1

DIAL_TIMEOUT = 15.0
"""Seconds for the upgrade; an apiserver that cannot reach the kubelet answers later than that."""

CLOSE_TIMEOUT = 1.0
"""Seconds that an orderly close waits for the other side's close frame."""

SETTLE_EXTRA, SETTLE_LIMIT = 0.05, 1.0
"""A refusal follows the first pong within SETTLE_EXTRA seconds; nobody waits longer than LIMIT."""

_REFUSED = re.compile(
    "connection refused|failed to connect|dial tcp|no route to host|no such|not found|not running"
    "|find sandbox|find container|unable to find",
    re.IGNORECASE,
)
_BEGUN = re.compile("reset by peer|broken pipe", re.IGNORECASE)


class Message(Protocol):
    """What aiohttp's kinds of messages have in common."""

    @property
    def type(self) -> aiohttp.WSMsgType:
        """The kind of frame, or of end."""

    @property
    def data(self) -> Any:
        """The payload; of a close frame its code."""


class WebSocketClient(Protocol):
    """What this transport needs of `cluster/client.py`'s ClusterClient."""

    async def websocket(
        self, path: str, *, protocols: tuple[str, ...], query: Mapping[str, str] | None = None
    ) -> WebSocket:
        """Open a WebSocket to the API with the developer's credentials. Raises ClusterError.

        Its pings and pongs are received like any message.
        """


class WebSocketTransport:
    """Dials pods through whatever client the catalog holds at that moment."""

    def __init__(self, client: Callable[[], WebSocketClient | None]) -> None:
        self._client = client

    async def dial(self, namespace: str, pod: str, port: int) -> "WebSocketStream":
        """Open a WebSocket for one port. Raises the ClusterError family."""
        client = self._client()
        if client is None:
            raise ClusterUnreachable("There is no connection to the cluster.")
        path = f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward"
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                socket = await client.websocket(
                    path, protocols=(SUBPROTOCOL,), query={"ports": str(port)}
                )
        except TimeoutError as error:
            raise DialError(f"The cluster did not open a port-forward: {error!r}.") from error
        if socket.protocol != SUBPROTOCOL:
            await close_socket(socket)
            raise DialError(f"The cluster did not agree on '{SUBPROTOCOL}' for port-forwarding.")
        return WebSocketStream(socket)


class WebSocketStream:
    """One open WebSocket as a Stream."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._skip = {DATA, ERROR}
        self._error = ""
        self._ended = False
        self._pulse = Pulse(socket, asyncio.get_running_loop())
        watch_link(socket.get_extra_info("socket"))

    async def read(self) -> Buffer:
        """Return the next data message without its channel byte; see Stream."""
        while not self._ended:
            self._pulse.listening = True
            try:
                message = await self._socket.receive()
            finally:
                self._pulse.listening = False
            if data := await self._take(message):
                return data
        return b""

    async def _take(self, message: Message) -> Buffer:
        """Handle one message; what is returned is data for the client."""
        kind = message.type
        self._pulse.heard()
        if kind is aiohttp.WSMsgType.BINARY:
            return self._channel(message.data)
        if kind is aiohttp.WSMsgType.PONG:
            self._pulse.ponged()
        elif kind is aiohttp.WSMsgType.PING:
            with suppress(aiohttp.ClientError, OSError):
                await self._socket.pong(message.data)
        else:
            self._finish(clean=kind is aiohttp.WSMsgType.CLOSE and message.data in (1000, 1005))
        return b""

    def _channel(self, data: Buffer) -> Buffer:
        if len(data) < 2:
            return b""
        channel = data[0]
        if channel in self._skip:
            self._skip.discard(channel)
            return b""
        if channel == ERROR:
            self._error += bytes(data[1:]).decode(errors="replace")
            self._finish(clean=False)
        return memoryview(data)[1:] if channel == DATA else b""

    def _finish(self, *, clean: bool) -> None:
        """Note the end; an abnormal one raises what it was."""
        self._ended = True
        if self._error and _REFUSED.search(self._error) and not _BEGUN.search(self._error):
            raise DialRefused(f"The pod does not answer: {self._error.strip()[:300]}")
        if self._error or not clean:
            text = self._error.strip()[:300] or self._pulse.verdict or "the link broke"
            raise DialError(f"The connection to the pod ended abnormally: {text}")

    async def write(self, data: Buffer) -> None:
        """Send data with its channel byte; waits while the socket's buffer is full. See Stream."""
        try:
            self._pulse.uploading()
            await self._socket.send_bytes(b"".join((b"\x00", data)))
        except (aiohttp.ClientError, OSError) as error:
            raise DialError("The connection to the pod is closed.") from error

    async def settled(self) -> None:
        """Wait for the first pong: a refusal travels the same way. See Stream."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_LIMIT):
                await self._pulse.first_pong()
                await asyncio.sleep(SETTLE_EXTRA)

    async def close(self) -> None:
        """Send the close frame and let go of the connection. See Stream."""
        self._pulse.stop()
        await close_socket(self._socket)


async def close_socket(socket: WebSocket) -> None:
    """Close within CLOSE_TIMEOUT; when time is up the connection is simply dropped."""
    with suppress(TimeoutError, aiohttp.ClientError, OSError):
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await socket.close()
