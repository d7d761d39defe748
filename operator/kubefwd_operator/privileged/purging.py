"""Having a helper undo what is left behind: one that lingers, or one that is started for it.

Either connects to a socket in a run directory, as it would to an operator, and is told `purge`.
"""

import asyncio
import logging
import os
from collections.abc import Mapping, Sequence
from contextlib import closing

from kubefwd_operator.core.errors import HelperError
from kubefwd_operator.privileged import rundir
from kubefwd_operator.privileged.door import Door
from kubefwd_operator.privileged.listening import Listening
from kubefwd_operator.privileged.timing import Timing

INSTANCE = "cleanup"
"""Of the helper that is started for it: no Tilt's, so that it disturbs none."""

_LOG = logging.getLogger(__name__)


async def by_lingering(instance: str, timing: Timing | None = None) -> bool:
    """Have the helper that lingers for this instance purge and end; False when there is none.

    Raises RunDirectoryError or HelperError.
    """
    times = timing or Timing()
    with closing(_listening(instance)) as listening:
        listening.open()
        try:
            async with asyncio.timeout(times.grace):
                helper = await _door(listening, times).next(1)
        except TimeoutError:
            return False
        with closing(helper):
            await helper.purge()
            return True


async def by_program(argv: Sequence[str], environ: Mapping[str, str]) -> str:
    """Start a helper of INSTANCE, which may ask in the terminal, and have it purge.

    Return "", or why it came to nothing. Raises RunDirectoryError or OSError.
    """
    with closing(_listening(INSTANCE)) as listening:
        listening.open()
        process = await asyncio.create_subprocess_exec(*argv, env=dict(environ))
        ended = asyncio.ensure_future(process.wait())
        came = asyncio.ensure_future(_door(listening, Timing()).next(1))
        _ = await asyncio.wait({ended, came}, return_when=asyncio.FIRST_COMPLETED)
        if not came.done():
            came.cancel()
            return f"root was not given ({argv[0]} ended with code {await ended})"
        with closing(await came) as helper:
            try:
                await helper.purge()
            except HelperError as error:
                return str(error)
        await ended
    return ""


def _listening(instance: str) -> Listening:
    uid = os.geteuid()
    return Listening(lambda: rundir.locate(uid, rundir.home_of(uid), instance), uid)


def _door(listening: Listening, timing: Timing) -> Door:
    return Door(listening, linger=0, log=_LOG, timing=timing)
