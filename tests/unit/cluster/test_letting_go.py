"""The cluster's client and answers that nobody reads to their end: they are let go of at once."""

import asyncio
from collections.abc import Awaitable, Callable

import psutil
import pytest
from aiohttp import web
from tests.unit.cluster.server import Pipe, client, server_tls, serving

from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.core import errors

PATH = "/api/v1/namespaces/shop/services"


def connections_to(port: int) -> int:
    """Sockets of ours that are connected to a port: what a client has not let go of."""
    mine = psutil.Process().net_connections("tcp4")
    return sum(bool(each.raddr) and each.raddr.port == port for each in mine)


async def _half_an_answer(request: web.Request) -> web.StreamResponse:
    stream = web.StreamResponse(status=200 if "watch" in request.query else 403)
    await stream.prepare(request)
    await stream.write(b"{")
    await asyncio.sleep(30)
    return stream


async def _watch(subject: ClusterClient, relay: Pipe) -> None:
    async with subject.watch(PATH, "7"):
        relay.frozen = True


async def _refused_list(subject: ClusterClient, relay: Pipe) -> None:
    with pytest.raises(errors.Forbidden):
        await subject.get(PATH)


@pytest.mark.parametrize("ask", [_watch, _refused_list])
async def test_nothing_waits_for_the_goodbye_of_a_server_that_hangs(
    ask: Callable[[ClusterClient, Pipe], Awaitable[None]],
) -> None:
    async with serving(_half_an_answer, server_tls()) as target:
        relay = Pipe()

        async def to_target(*_: object) -> tuple[str, int]:
            return "127.0.0.1", target

        async with relay.running(to_target) as port:
            async with client(f"https://127.0.0.1:{port}") as subject:
                await ask(subject, relay)
                relay.frozen = True
            assert connections_to(port) == 0
