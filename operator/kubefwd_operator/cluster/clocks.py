"""A sleep of the machine: wall and monotonic clock move apart, since only the wall's goes on."""

import asyncio
from collections.abc import AsyncIterator, Callable


async def jumps(wall: Callable[[], float], look: float) -> AsyncIterator[float]:
    """Look at the clocks every `look` seconds; give how far they have moved apart since.

    A sleep is positive, and so is a wall clock that was set forward.
    """
    loop = asyncio.get_running_loop()
    apart = wall() - loop.time()
    while True:
        await asyncio.sleep(look)
        before, apart = apart, wall() - loop.time()
        yield apart - before
