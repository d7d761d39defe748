"""What counts as a connection that kubefwd has passed on."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest

from kubefwd_operator.engines.kubefwd import trial
from kubefwd_operator.engines.kubefwd.trial import why_not
from kubefwd_operator.engines.native.client import reset_on_close

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
ENDED = "kubefwd ended the connection at once: no pod has taken it."


@asynccontextmanager
async def listening(serve: Serve) -> AsyncIterator[int]:
    """Listen as kubefwd does, which accepts first; give the port."""
    server = await asyncio.start_server(serve, "127.18.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()


async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()
    await close(writer)


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 ready\r\n")
    await close(writer)


async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await close(writer)


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    reset_on_close(writer.get_extra_info("socket"))
    await close(writer)


@pytest.mark.parametrize(
    "serve, expected",
    [
        pytest.param(keep, "", id="it stays open"),
        pytest.param(greet, "", id="it says something first"),
        pytest.param(end, ENDED, id="it is ended at once"),
        pytest.param(reset, ENDED, id="it is reset at once"),
    ],
)
async def test_a_connection_counts(
    serve: Serve, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "OPEN", 0.3)
    async with listening(serve) as port:
        assert await why_not("127.18.0.1", port) == expected


async def test_where_nothing_listens_it_says_so() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.18.0.1", 0))
        port = nobody.getsockname()[1]
        said = await why_not("127.18.0.1", port)
    assert said == f"kubefwd does not listen on port {port} of 127.18.0.1."
