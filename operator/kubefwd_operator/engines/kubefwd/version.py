"""What a program says when it is asked for its version, whatever program it is.

It is run as the developer, with little to know and nothing to read, and may hang, flood, crash, or
leave children behind.
"""

import asyncio
import os
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

from kubefwd_operator.cluster.execution import kill

LONGEST_LINE = 200
"""Characters of what others wrote that are shown."""

_FLOOD = 4096
_VERSION = re.compile(r"v?(\d+(?:\.\d+){1,3}[-+.\w]*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Answer:
    """The version that a program says, without a leading v, or what it does instead."""

    version: str = ""
    trouble: str = ""


async def ask(path: str, environ: Mapping[str, str], seconds: float) -> Answer:
    """Run `version quiet` as the developer, which needs no root; what hangs is ended."""
    try:
        async with _pipe() as (stream, its):
            process = await _start(path, environ, its)
            return understand(*await _hear(process, stream, seconds), seconds)
    except OSError as error:
        return Answer(trouble=f"cannot be started ({error.strerror})")


@asynccontextmanager
async def _pipe() -> AsyncIterator[tuple[asyncio.StreamReader, int]]:
    """Make a pipe that we can close: asyncio's own stays for as long as a stray child holds it."""
    ours, its = os.pipe()
    stream = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), os.fdopen(ours, "rb", 0)
    )
    try:
        yield stream, its
    finally:
        transport.close()


async def _start(path: str, environ: Mapping[str, str], its: int) -> asyncio.subprocess.Process:
    """Start it with little to know and nothing to read. Closes `its`. Raises OSError."""
    try:
        return await asyncio.create_subprocess_exec(
            path, "version", "quiet",
            env={key: environ[key] for key in ("PATH", "HOME") if key in environ},
            stdin=asyncio.subprocess.DEVNULL, stdout=its, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )  # fmt: skip
    finally:
        os.close(its)


async def _hear(
    process: asyncio.subprocess.Process, stream: asyncio.StreamReader, seconds: float
) -> tuple[bytes, int | None]:
    """Return the beginning of what it prints, and its exit code; None when it had to be ended."""
    said, code = b"", None
    try:
        async with asyncio.timeout(seconds):
            said = await _head(stream)
            code = await process.wait() if len(said) < _FLOOD else None
    except TimeoutError:
        pass  # that there is no code tells it
    finally:
        if code is None:
            await kill(process)
    return said, code


async def _head(stream: asyncio.StreamReader) -> bytes:
    try:
        return await stream.readexactly(_FLOOD)
    except asyncio.IncompleteReadError as end:
        return end.partial


def understand(said: bytes, code: int | None, seconds: float) -> Answer:
    """Tell a version from all else. `code` is None when the program had to be ended. Pure."""
    text = said.decode("utf-8", "replace").strip()
    line = "".join(filter(str.isprintable, text.partition("\n")[0]))[:LONGEST_LINE]
    match = _VERSION.fullmatch(text[: LONGEST_LINE + 1])
    rules = {
        "prints far more than a version": len(said) >= _FLOOD,
        f"does not end within {seconds:g} s": code is None,
        f"is ended by signal {-(code or 0)}": (code or 0) < 0,
        f"ends with code {code}{f', after {line!r}' if line else ''}": bool(code),
        "says nothing": not line,
        f"says {line!r}": not match or len(text) > LONGEST_LINE,
    }
    trouble = next((what for what, so in rules.items() if so), "")
    return Answer(trouble=trouble) if trouble or not match else Answer(match[1])
