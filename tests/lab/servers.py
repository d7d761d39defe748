"""The servers that pods run, by kind.

http     GET /                    JSON: pod, namespace, service (its `app` label), uid, port, host
         GET /bytes/N             N bytes, the same in every run; header X-Sha256
         GET /stream/N            N bytes, made as they are sent
         POST /hash               {"length", "sha256"} of the body
         GET /drip?bytes=&seconds=   a body of that length, spread over that time
         GET /slow?seconds=       answers as / does, that much later
         GET /hang                never answers
         GET /die?after=N&how=reset|fin   promises 2N bytes, sends N, then resets or closes
         GET /ws                  WebSocket echo
tcp      echoes; after the client's FIN says "bye" and closes
banner   speaks first: one line with the pod's name; then as tcp
grpc     /lab.Echo/Say (unary) and /lab.Echo/Chat (stream): echo of raw bytes, with the metadata
         `pod`; a generic handler, so that no generated code is needed
"""

import asyncio
import contextlib
import hashlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

from aiohttp import WSMsgType, web

PATTERN = bytes(range(256)) * 256  # 64 KiB
Closer = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Who:
    """The pod and port that a server plays."""

    pod: str
    namespace: str
    service: str
    uid: str
    port: int


@dataclass(slots=True)
class Count:
    """What a server has seen so far; `connections` of HTTP are those that made a request."""

    connections: int = 0
    requests: int = 0


@dataclass(frozen=True, slots=True)
class Served:
    """A server of a pod."""

    kind: str
    who: Who
    count: Count
    running: "Running"


@dataclass(frozen=True, slots=True)
class Running:
    """Where it listens; how to close it (in so many seconds); how many connections are open."""

    address: str
    close: Closer
    open: Callable[[], int]


async def serve(kind: str, who: Who) -> Served:
    """Start a server of that kind on a free port of 127.0.0.1; raise KeyError for no such kind."""
    count = Count()
    return Served(kind, who, count, await KINDS[kind](who, count))


def pattern(length: int) -> bytes:
    """Return the bytes that /bytes/N answers with."""
    return (PATTERN * (length // len(PATTERN) + 1))[:length]


# --- http --------------------------------------------------------------------------------------


class Http:
    """The routes of one pod."""

    def __init__(self, who: Who, count: Count) -> None:
        self._who, self._count = who, count
        self._transports: WeakSet[Any] = WeakSet()

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._counting])
        app.add_routes(
            [
                web.get("/", self.root),
                web.get("/bytes/{length}", self.bytes),
                web.get("/stream/{length}", self.stream),
                web.post("/hash", self.hash),
                web.get("/drip", self.drip),
                web.get("/slow", self.slow),
                web.get("/hang", self.hang),
                web.get("/die", self.die),
                web.get("/ws", self.echo),
            ]
        )
        return app

    @web.middleware
    async def _counting(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        self._count.requests += 1
        if request.transport not in self._transports:
            self._transports.add(request.transport)
            self._count.connections += 1
        return await handler(request)

    async def root(self, request: web.Request) -> web.Response:
        who = self._who
        facts = {"pod": who.pod, "namespace": who.namespace, "service": who.service}
        return web.json_response({**facts, "uid": who.uid, "port": who.port, "host": request.host})

    async def bytes(self, request: web.Request) -> web.StreamResponse:
        body = pattern(int(request.match_info["length"]))
        return web.Response(body=body, headers={"X-Sha256": hashlib.sha256(body).hexdigest()})

    async def stream(self, request: web.Request) -> web.StreamResponse:
        length = int(request.match_info["length"])
        response = web.StreamResponse(headers={"Content-Length": str(length)})
        await response.prepare(request)
        for start in range(0, length, len(PATTERN)):
            await response.write(PATTERN[: length - start])
        return response

    async def hash(self, request: web.Request) -> web.Response:
        digest, length = hashlib.sha256(), 0
        async for chunk in request.content.iter_any():
            digest.update(chunk)
            length += len(chunk)
        return web.json_response({"length": length, "sha256": digest.hexdigest()})

    async def drip(self, request: web.Request) -> web.StreamResponse:
        total, seconds = int(request.query["bytes"]), float(request.query["seconds"])
        response, body = web.StreamResponse(headers={"Content-Length": str(total)}), pattern(total)
        await response.prepare(request)
        steps = max(1, int(seconds * 20))
        size = -(-total // steps)
        for start in range(0, total, size):
            await response.write(body[start : start + size])
            await asyncio.sleep(seconds / steps)
        return response

    async def slow(self, request: web.Request) -> web.Response:
        await asyncio.sleep(float(request.query.get("seconds", "1")))
        return await self.root(request)

    async def hang(self, request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        return await self.root(request)

    async def die(self, request: web.Request) -> web.StreamResponse:
        length = int(request.query.get("after", "1000"))
        response = web.StreamResponse(headers={"Content-Length": str(2 * length)})
        await response.prepare(request)
        await response.write(pattern(length))
        transport = request.transport
        if transport is not None:
            if request.query.get("how", "reset") == "reset":
                # Linger of zero seconds makes the close a reset.
                connection = transport.get_extra_info("socket")
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            transport.close()
        return response

    async def echo(self, request: web.Request) -> web.WebSocketResponse:
        socket_ = web.WebSocketResponse(max_msg_size=0)
        await socket_.prepare(request)
        async for message in socket_:
            if message.type is WSMsgType.TEXT:
                await socket_.send_str(message.data)
            elif message.type is WSMsgType.BINARY:
                await socket_.send_bytes(message.data)
        return socket_


async def _http(who: Who, count: Count) -> Running:
    runner = web.AppRunner(Http(who, count).app(), access_log=None, shutdown_timeout=0)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0]
    server = runner.server
    assert server is not None

    async def close(grace: float) -> None:
        await site.stop()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                began = asyncio.get_running_loop().time()
                while server.connections:
                    # What was just accepted looks idle until its first request has arrived.
                    if asyncio.get_running_loop().time() - began > grace / 2:
                        server.pre_shutdown()  # closes connections as they become idle
                    await asyncio.sleep(0.02)
        await runner.cleanup()

    return Running(f"{host}:{port}", close, lambda: len(server.connections))


def _address(listener: asyncio.Server) -> str:
    host, port = listener.sockets[0].getsockname()
    return f"{host}:{port}"


# --- tcp, banner -------------------------------------------------------------------------------


async def _tcp(who: Who, count: Count, banner: bytes = b"") -> Running:
    writers: set[asyncio.StreamWriter] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        count.connections += 1
        writers.add(writer)
        writer.write(banner)
        with contextlib.suppress(OSError):
            while chunk := await reader.read(65536):
                count.requests += 1
                writer.write(chunk)
                await writer.drain()
            writer.write(b"bye\n")
            await writer.drain()
        writers.discard(writer)
        writer.close()

    listener = await asyncio.start_server(handle, "127.0.0.1", 0)

    async def close(grace: float) -> None:
        listener.close()
        for writer in list(writers):
            writer.transport.abort()

    return Running(_address(listener), close, lambda: len(writers))


async def _banner(who: Who, count: Count) -> Running:
    return await _tcp(who, count, f"hello from {who.namespace}/{who.pod}\n".encode())


# --- grpc --------------------------------------------------------------------------------------


async def _grpc(who: Who, count: Count) -> Running:
    import grpc

    metadata = (("pod", who.pod), ("namespace", who.namespace))

    async def say(request: bytes, context: Any) -> bytes:
        count.requests += 1
        await context.send_initial_metadata(metadata)
        return request

    async def chat(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        count.requests += 1
        await context.send_initial_metadata(metadata)
        async for request in requests:
            yield request

    methods = {
        "Say": grpc.unary_unary_rpc_method_handler(say),
        "Chat": grpc.stream_stream_rpc_method_handler(chat),
    }
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("lab.Echo", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()

    async def close(grace: float) -> None:
        await server.stop(grace)

    return Running(f"127.0.0.1:{port}", close, lambda: 0)


KINDS: dict[str, Callable[[Who, Count], Awaitable[Running]]] = {
    "http": _http,
    "tcp": _tcp,
    "banner": _banner,
    "grpc": _grpc,
}
