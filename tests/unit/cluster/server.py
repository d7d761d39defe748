"""A small HTTPS server that answers as an apiserver would, and small proxies in front of it."""

import asyncio
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from aiohttp import web
from tests.unit.cluster import pem

from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.cluster.credentials import Access
from kubefwd_operator.cluster.entry import Pem
from kubefwd_operator.cluster.kubeconfig import ClusterEntry, Kubeconfig, UserEntry

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def server_tls(certificate: bytes = pem.SERVER, key: bytes = pem.SERVER_KEY) -> ssl.SSLContext:
    """A server's context that also asks for a client certificate, as the apiserver does."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "server.pem")
        path.write_bytes(certificate + key)
        context.load_cert_chain(path)
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_verify_locations(cadata=pem.CA.decode())
    return context


@asynccontextmanager
async def serving(handler: Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve on a free port of 127.0.0.1; gives the port."""
    runner = web.ServerRunner(web.Server(cast("Any", handler)), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@asynccontextmanager
async def client(
    server: str, *, user: UserEntry | None = None, env: dict[str, str] | None = None,
    watch_silence: float = 90.0, **cluster: Any,
) -> AsyncIterator[ClusterClient]:  # fmt: skip
    """Make a client of that server; it is closed at the end."""
    cluster.setdefault("ca", Pem(data=pem.CA))
    config = Kubeconfig("dev", ClusterEntry(server, **cluster), user or UserEntry(token="t"))
    made = ClusterClient(Access(config, env or {}), watch_silence=watch_silence)
    try:
        yield made
    finally:
        await made.close()


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that nobody announces: a request, a client."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.005)


class Pipe:
    """A proxy: reads what the client wants, then copies bytes both ways, or swallows them."""

    def __init__(self) -> None:
        self.frozen = False
        self.asked: list[str] = []
        self._tasks: set[asyncio.Task[None]] = set()

    @asynccontextmanager
    async def running(
        self,
        greet: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[tuple[str, int]]],
        tls: ssl.SSLContext | None = None,
    ) -> AsyncIterator[int]:
        """Serve; `greet` speaks the proxy's protocol and tells where to go."""

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            task = asyncio.current_task()
            assert task is not None
            self._tasks.add(task)
            writers = [writer]
            try:
                host, port = await greet(reader, writer)
                self.asked.append(f"{host}:{port}")
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                writers.append(far_writer)
                await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))
            except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
                pass
            finally:
                for each in writers:
                    each.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
        try:
            yield server.sockets[0].getsockname()[1]
        finally:
            server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while piece := await reader.read(65536):
                if not self.frozen:
                    writer.write(piece)
                    await writer.drain()
        finally:
            if not self.frozen:
                writer.close()


async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Speak an HTTP proxy's CONNECT."""
    head = await reader.readuntil(b"\r\n\r\n")
    host, _, port = head.split()[1].decode().rpartition(":")
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    return host, int(port)


async def socks5(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int]:
    """Speak SOCKS5, with the user `u` and the password `hush` where they are offered."""
    _, count = await reader.readexactly(2)
    methods = await reader.readexactly(count)
    if 2 in methods:
        writer.write(b"\x05\x02")
        _, length = await reader.readexactly(2)
        user = await reader.readexactly(length)
        (length,) = await reader.readexactly(1)
        right = (user, await reader.readexactly(length)) == (b"u", b"hush")
        writer.write(b"\x01\x00" if right else b"\x01\x01")
    else:
        writer.write(b"\x05\x00")
    kind = (await reader.readexactly(4))[3]
    if kind == 1:
        host = ".".join(str(byte) for byte in await reader.readexactly(4))
    else:
        (length,) = await reader.readexactly(1)
        host = (await reader.readexactly(length)).decode()
    port = int.from_bytes(await reader.readexactly(2), "big")
    writer.write(b"\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x00")
    return host, port


async def echo(request: web.Request) -> web.Response:
    """Answer with what was asked and by whom."""
    certificate = request.transport and request.transport.get_extra_info("peercert")
    subject = dict(item[0] for item in certificate["subject"]) if certificate else {}
    headers = [[key, value] for key, value in request.headers.items()]
    return web.json_response(
        {"path": request.path_qs, "headers": headers, "subject": subject.get("commonName")}
    )


def answering(status: int, body: str = "{}", content_type: str = "application/json") -> Handler:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type=content_type)

    return handler


def nobody() -> int:
    """A port where nobody listens."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


async def echo_all(request: web.Request) -> web.StreamResponse:
    if "Upgrade" not in request.headers:
        return await echo(request)
    made = web.WebSocketResponse(protocols=("p",))
    await made.prepare(request)
    async for message in made:
        await made.send_bytes(message.data)
    return made
