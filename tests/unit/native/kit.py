"""The engine's surroundings, small and real: sockets, a WebSocket server, values in hand.

`PodServer` speaks `v4.channel.k8s.io` as the kubelet's endpoint does: two
copies, the first end gives the other one second, an abnormal end is a text on the error channel.
"""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from types import MappingProxyType

import aiohttp
from aiohttp import web

from kubefwd_operator.core.errors import DialError, HelperGone, HelperRefused, NotFound
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    ClusterRef,
    Desired,
    DesiredNamespace,
    Endpoint,
    NamespaceSeen,
    Service,
    ServicePort,
    Source,
)
from kubefwd_operator.core.names import HostsEntry
from kubefwd_operator.engines.native.client import reset_on_close
from kubefwd_operator.privileged.channel import HostsOutcome
from kubefwd_operator.privileged.rivals import Contested
from kubefwd_operator.privileged.withheld import Withheld

CLUSTER = ClusterRef("/config", "lab", "lab")
SECOND = 0.1  # what the endpoint's "one second for the other direction" takes here


def pod(name: str, *, ready: bool = True, hostname: str = "", **ports: int) -> Endpoint:
    """An endpoint; ports by ServicePort name, and the nameless port 8080 if there are none."""
    return Endpoint(
        name,
        ip="10.0.0.1",
        ready=ready,
        hostname=hostname,
        ports=MappingProxyType(ports or {"": 8080}),
    )


def service(
    name: str,
    *pods: Endpoint,
    namespace: str = "shop-a",
    ports: Sequence[ServicePort] = (ServicePort(80, target=8080),),
    headless: bool = False,
    selector: Mapping[str, str] = MappingProxyType({"app": "web"}),
    external_name: str = "",
) -> Service:
    """A service with a selector and port 80."""
    return Service(
        namespace,
        name,
        tuple(ports),
        pods,
        headless=headless,
        selector=selector,
        external_name=external_name,
    )


def seen(*services: Service, cluster: ClusterRef = CLUSTER) -> CatalogSeen:
    """A catalog of these services, synced."""
    by: dict[str, list[Service]] = {}
    for each in services:
        by.setdefault(each.namespace, []).append(each)
    return CatalogSeen(
        cluster, {name: NamespaceSeen(tuple(own), synced=True) for name, own in by.items()}
    )


def wish(*namespaces: str, generation: int = 0, bare_names: bool = True) -> Desired:
    """A wish for these namespaces, brought in by Tilt."""
    return Desired(
        CLUSTER,
        tuple(DesiredNamespace(name, Source.TILT) for name in namespaces or ("shop-a",)),
        bare_names,
        generation,
    )


@dataclass
class Catalog:
    """A catalog in hand: `put` services, and say what is failing."""

    now: CatalogSeen = field(default_factory=seen)
    client: "PodServer | None" = None
    failures: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    listeners: list[Callable[[], None]] = field(default_factory=list)

    def put(self, *services: Service) -> None:
        self.now = seen(*services)
        for changed in self.listeners:
            changed()

    def seen(self) -> CatalogSeen:
        return self.now

    async def failing(self, service: Service) -> str:
        self.asked.append(service.name)
        return self.failures.get(service.name, "")


class Helper:
    """Binds ordinary sockets in 127.18.0.0/15, in this process."""

    def __init__(self) -> None:
        self.sockets: dict[tuple[str, int], socket.socket] = {}
        self.entries: list[tuple[HostsEntry, ...]] = []
        self.refuse: dict[object, str] = {}
        self.withhold: dict[str, str] = {}
        self.waiting: dict[str, str] = {}
        self.log: list[str] = []
        self.gone = False
        # Low ports belong to root, and another run of the tests has the same addresses.
        self.shift = 10000 + os.getpid() % 20000

    def port(self, ip: str, port: int) -> tuple[str, int]:
        """Where a service's place really listens."""
        return ip, port + self.shift

    async def listen(self, ip: str, port: int) -> socket.socket:
        await self._answer(f"listen {ip}:{port}", ip, port, (ip, port))
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(self.port(ip, port))
        sock.listen()
        self.sockets[ip, port] = sock
        return sock.dup()

    async def release(self, ip: str, port: int) -> None:
        await self._answer(f"release {ip}:{port}")
        self.sockets.pop((ip, port)).close()

    async def hosts(self, entries: Sequence[HostsEntry]) -> HostsOutcome:
        await self._answer(f"hosts {len(entries)}", "hosts")
        foreign = {entry.ip for entry in entries} - {ip for ip, _ in self.sockets} - self._named()
        if foreign:
            raise HelperRefused("foreign", f"{foreign} not leased")
        self.entries.append(tuple(entries))
        withheld = [
            Withheld(name, entry.ip, "held-by-user", f"{name} is yours")
            for entry in entries
            for name in self.withhold
            if name == entry.service
        ]
        contested = tuple(Contested(name, by) for name, by in self.waiting.items())
        return HostsOutcome(tuple(withheld), changed=True, contested=contested)

    def die(self) -> None:
        """What the end of the helper does: everything is undone."""
        self.gone = True
        for sock in self.sockets.values():
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        self.sockets.clear()

    def _named(self) -> set[str]:
        return {entry.ip for entry in self.entries[-1]} if self.entries else set()

    async def _answer(self, line: str, *about: object) -> None:
        await asyncio.sleep(0)
        if self.gone:
            raise HelperGone("gone")
        self.log.append(line)
        for thing in about:
            if code := self.refuse.get(thing):
                raise HelperRefused(code, f"refused: {line}")


@dataclass
class Authority:
    """Authorised while it has a helper."""

    helper: Helper | None = field(default_factory=Helper)

    def seen(self) -> AuthoritySeen:
        return AuthoritySeen(AuthorityState.AUTHORIZED if self.helper else AuthorityState.ASKING)


Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class PodServer:
    """An API server's port-forward: pods are functions that serve a connection.

    `refuse` pods have nothing listening; `missing` ones are 404 already at the upgrade.
    """

    def __init__(self) -> None:
        self.pods: dict[str, Handler] = {}
        self.refuse: set[str] = set()
        self.missing: set[str] = set()
        self.failing: list[Exception] = []
        self.dialled: list[str] = []
        self.open = 0
        self.silent = False
        self.protocols = ("v4.channel.k8s.io",)
        self._links: set[asyncio.Transport] = set()
        self._url = ""
        self._session: aiohttp.ClientSession

    @asynccontextmanager
    async def running(self) -> AsyncIterator["PodServer"]:
        app = web.Application()
        app.router.add_get("/api/v1/namespaces/{ns}/pods/{pod}/portforward", self._serve)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        self._url = f"http://{host}:{port}"
        async with aiohttp.ClientSession() as self._session:
            yield self
        await runner.cleanup()

    async def websocket(
        self, path: str, *, protocols: tuple[str, ...], query: Mapping[str, str] | None = None
    ) -> "aiohttp.ClientWebSocketResponse[bool]":
        """As ClusterClient's."""
        if self.failing:
            raise self.failing.pop(0)
        try:
            return await self._session.ws_connect(
                self._url + path, protocols=protocols, params=query, max_msg_size=0, compress=0,
                autoping=False,
            )  # fmt: skip
        except aiohttp.WSServerHandshakeError as error:
            raise (NotFound if error.status == 404 else DialError)(str(error)) from error

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        pod, port = request.match_info["pod"], int(request.query["ports"])
        self.dialled.append(f"{pod}:{port}")
        if pod in self.missing:
            raise web.HTTPNotFound
        ws = web.WebSocketResponse(
            protocols=self.protocols, max_msg_size=0, compress=False, autoping=not self.silent
        )
        await ws.prepare(request)
        for channel in (0, 1):
            await ws.send_bytes(bytes([channel]) + port.to_bytes(2, "little"))
        self.open += 1
        assert request.transport
        self._links.add(request.transport)
        try:
            await self._forward(ws, pod, port)
        finally:
            self._links.discard(request.transport)
            self.open -= 1
        return ws

    def cut(self, *, reset: bool = False) -> None:
        """End every link without a close frame, by FIN or by RST."""
        for link in self._links:
            if reset:
                reset_on_close(link.get_extra_info("socket"))
            link.abort()

    async def _forward(self, ws: web.WebSocketResponse, pod: str, port: int) -> None:
        if pod in self.refuse or pod not in self.pods:
            await asyncio.sleep(0.02)  # the first bytes are on their way by then
            text = f"error forwarding port {port}: dial tcp4 127.0.0.1:{port}: connection refused"
            await ws.send_bytes(b"\x01" + text.encode())
            await ws.close()
            return
        inner, outer = socket.socketpair()
        reader, writer = await asyncio.open_connection(sock=outer)
        serving = asyncio.create_task(self._serve_pod(pod, inner))
        copies = [
            asyncio.create_task(self._up(ws, writer)),
            asyncio.create_task(self._down(reader, ws, serving)),
        ]
        await asyncio.wait(copies, return_when=asyncio.FIRST_COMPLETED)
        await asyncio.wait(copies, timeout=SECOND)
        writer.transport.abort()
        for task in (*copies, serving):
            task.cancel()
        await asyncio.wait([*copies, serving])
        with suppress(ConnectionError):
            await ws.close()

    async def _serve_pod(self, pod: str, inner: socket.socket) -> None:
        reader, writer = await asyncio.open_connection(sock=inner)
        try:
            await self.pods[pod](reader, writer)
        finally:
            writer.close()

    @staticmethod
    async def _up(ws: web.WebSocketResponse, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            async for message in ws:
                writer.write(message.data[1:])
                await writer.drain()

    @staticmethod
    async def _down(
        reader: asyncio.StreamReader, ws: web.WebSocketResponse, serving: "asyncio.Task[None]"
    ) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1 << 18):
                await ws.send_bytes(b"\x00" + data)
            await asyncio.wait([serving])
            if serving.exception() is not None:
                text = "error forwarding: read tcp4: read: connection reset by peer"
                await ws.send_bytes(b"\x01" + text.encode())


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A pod that says everything back."""
    while data := await reader.read(1 << 16):
        writer.write(data)
        await writer.drain()


def says(text: bytes) -> Handler:
    """A pod that reads a line, says something and ends."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readline()
        writer.write(text)
        await writer.drain()

    return serve


async def eventually(true: Callable[[], object], limit: float = 60.0) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(limit):
        while not true():  # noqa: ASYNC110 - the conditions are other people's
            await asyncio.sleep(0.005)
