"""A front: a listening socket whose connections go to the pods of one service."""

import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from tests.unit.native.kit import Catalog, PodServer, eventually

from kubefwd_operator.core.errors import ClusterError
from kubefwd_operator.engines.native.admission import Admission
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
