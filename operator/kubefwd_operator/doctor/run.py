"""Running a program of the system to see what it says: as the developer, with nothing to read."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kubefwd_operator.cluster.execution import kill

SECONDS = 5.0
"""How long a program may take to say something."""


@dataclass(frozen=True, slots=True)
class Said:
    """What a program has printed. `code` is None when it could not be run, or had to be ended."""

    text: str = ""
    code: int | None = None
    trouble: str = ""


async def run(argv: Sequence[str], environ: Mapping[str, str], seconds: float = SECONDS) -> Said:
    """Run it to its end, or for so many seconds. Raises nothing: `trouble` says what was wrong."""
    try:
        process = await asyncio.create_subprocess_exec(
            *argv, env=dict(environ), stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
            start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        return Said(trouble=f"it cannot be started ({error.strerror})")
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate()
    except TimeoutError:
        await kill(process)
        return Said(trouble=f"it does not end within {seconds:g} s")
    text = output.decode("utf-8", "replace").strip()
    code = process.returncode
    return Said(text, code, f"it ends with code {code}" if code else "")
