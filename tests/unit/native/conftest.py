"""A front: a listening socket whose connections go to the pods of one service. A stage: an engine
with a helper that binds ordinary sockets."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from functools import partial

import pytest
from tests.unit.native.kit import Authority, Catalog, Helper, PodServer, echo, eventually, wish

from kubefwd_operator.core.errors import ClusterError
from kubefwd_operator.core.model import Desired, Service, ServiceSeen, ServiceState
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.admission import Admission
from kubefwd_operator.engines.native.engine import NativeEngine
from kubefwd_operator.engines.native.listener import Listener
from kubefwd_operator.engines.native.picker import Picker
from kubefwd_operator.engines.native.target import Target
from kubefwd_operator.engines.native.transport.websocket import WebSocketTransport
from kubefwd_operator.engines.native.tunnels import Tunnels

TARGET = Target("shop-a", "web")


@dataclass
class Front:
    """What a client connects to, and everything behind it."""

    catalog: Catalog
    server: PodServer
    picker: Picker
    tunnels: Tunnels
    address: tuple[str, int]
    troubles: list[ClusterError] = field(default_factory=list)

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.address, limit=1 << 20)

    async def ask(self, line: bytes = b"hello\n") -> bytes:
        """Send a line and read to the end."""
        reader, writer = await self.connect()
        writer.write(line)
        try:
            return await reader.read()
        finally:
            writer.close()

    async def held(self) -> None:
        """Until a connection is being carried."""
        await eventually(lambda: len(self.tunnels))


@pytest.fixture
async def server() -> AsyncIterator[PodServer]:
    async with PodServer().running() as running:
        yield running


@pytest.fixture
async def front(server: PodServer) -> AsyncIterator[Front]:
    catalog = Catalog(client=server)
    picker = Picker(catalog)
    catalog.listeners.append(picker.wake)
    troubles: list[ClusterError] = []
    transport = WebSocketTransport(lambda: catalog.client)
    everybody = Admission(0, lambda: None, everybody=True)
    tunnels = Tunnels(picker, transport, lambda _, error: troubles.append(error), everybody)
    sock = socket.socket()
    sock.bind(("127.0.0.1", 0))
    sock.listen()
    listener = Listener(sock, lambda accepted: tunnels.carry(accepted, TARGET), lambda _: None)
    yield Front(catalog, server, picker, tunnels, sock.getsockname(), troubles)
    listener.close()
    await tunnels.drop()


@dataclass
class Stage:
    """An engine and what it lives on."""

    catalog: Catalog
    authority: Authority
    engine: NativeEngine
    changes: list[int] = field(default_factory=list)
    wall: float = 0.0

    @property
    def helper(self) -> Helper:
        assert self.authority.helper
        return self.authority.helper

    def service(self, name: str = "web") -> ServiceSeen:
        return next(each for each in self.engine.seen().services if each.service == name)

    def shows(self, state: ServiceState, name: str = "web") -> bool:
        found = [each for each in self.engine.seen().services if each.service == name]
        return bool(found and found[0].state is state)

    async def forwarded(self, *services: Service, desired: Desired | None = None) -> None:
        """Put services, wish for them and wait until all of them are ready."""
        self.catalog.put(*services)
        self.engine.want(desired or wish())
        for each in services:
            await eventually(partial(self.shows, ServiceState.READY, each.name))

    async def connect(
        self, name: str = "web", port: int = 80
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self.helper.port(self.service(name).address, port))

    def reasons(self, name: str = "web") -> list[Reason]:
        return [problem.reason for problem in self.service(name).problems]


@pytest.fixture
async def stage(server: PodServer) -> AsyncIterator[Stage]:
    catalog, authority = Catalog(client=server), Authority()
    server.pods["web-1"] = echo
    changes: list[int] = []
    made = Stage(
        catalog,
        authority,
        NativeEngine(
            catalog,
            authority,
            lambda: changes.append(1),
            wall=lambda: asyncio.get_running_loop().time() + made.wall,
        ),
        changes,
    )
    catalog.listeners.append(made.engine.wake)
    made.engine.start()
    yield made
    await made.engine.close()
