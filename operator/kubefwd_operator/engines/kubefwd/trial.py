"""Whether kubefwd passes a connection on: the nearest to a proof that can be had from outside.

kubefwd accepts at once, then asks for a stream to the pod, and closes the connection when it gets
none or when the pod refuses (client-go's portforward.go). So a connection that has said something,
or that nothing has ended for OPEN seconds, counts as passed on. Not told apart from that: a link
that has died without a word, which client-go notices after 30 s. No byte is sent. A refusal by the
pod makes kubefwd rebuild that port's forward, which takes it a second.
"""

import asyncio
from contextlib import suppress

CONNECT, OPEN = 5.0, 2.0
"""Seconds for the connection itself, and for which it has to stay open."""


async def why_not(address: str, port: int) -> str:
    """Connect, and end it again. Return "", or why the connection did not stand."""
    try:
        async with asyncio.timeout(CONNECT):
            reader, writer = await asyncio.open_connection(address, port)
    except (OSError, TimeoutError):
        return f"kubefwd does not listen on port {port} of {address}."
    ended = False
    with suppress(TimeoutError):
        async with asyncio.timeout(OPEN):
            ended = not await _said(reader)
    writer.transport.abort()
    with suppress(OSError):
        await writer.wait_closed()
    return "kubefwd ended the connection at once: no pod has taken it." if ended else ""


async def _said(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1)
    except OSError:
        return b""
