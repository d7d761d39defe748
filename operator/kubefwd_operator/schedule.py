"""When the loop makes a pass: woken, coalesced, throttled, and never ended by an error.

The first wake starts a pass 50 ms later, and later wakes never put it off: a trailing debounce
starves under load. Passes never overlap; after a quiet time a few are made as soon as they are
wanted, since a deployment tells its news bit by bit, and under load they are evenly spaced, so that
what is shown is never older than one spacing and a pass. Without any wake there is a resync, for
what no event told. A pass that fails is made again after a back-off that grows and is forgotten by
the first success.
"""

import asyncio
from collections.abc import Awaitable, Callable

COALESCE = 0.05
"""Seconds from the first wake to the pass that answers it."""

SPACING, BURST = 0.5, 3
"""Under load a pass begins every so many seconds; so many in a row need not wait after a pause."""

RESYNC = 30.0
"""Seconds after which a pass is made without a wake."""

BACK_OFF = (0.25, 0.5, 1.0, 2.0, 5.0)
"""Seconds after the first, second... failure in a row; the last one stays."""


class Schedule:
    """Calls `work` when it is due; `failed` hears of every exception and how many in a row."""

    def __init__(
        self, work: Callable[[], Awaitable[None]], failed: Callable[[Exception, int], None]
    ) -> None:
        self._work, self._failed = work, failed
        self._woken = asyncio.Event()
        self._due = 0.0
        self._not_before = 0.0
        self._paid = 0.0  # a pass costs SPACING seconds; this is the time until which all are paid
        self._failures = 0

    def wake(self) -> None:
        """Ask for a pass; returns at once. Call it on the event loop."""
        if not self._woken.is_set():
            self._due = self._now() + COALESCE
            self._woken.set()

    async def run(self) -> None:
        """Make passes until cancelled."""
        self.wake()
        while True:
            await self._reason()
            await asyncio.sleep(max(self._due, self._earliest()) - self._now())
            await self._pass()

    async def _reason(self) -> None:
        try:
            async with asyncio.timeout(RESYNC):
                await self._woken.wait()
        except TimeoutError:
            self._due = self._now()

    def _earliest(self) -> float:
        return max(self._not_before, self._paid - (BURST - 1) * SPACING)

    async def _pass(self) -> None:
        self._woken.clear()
        self._paid = max(self._paid, self._now()) + SPACING
        try:
            await self._work()
        except Exception as error:  # noqa: BLE001 - no exception ends the loop
            self._failures += 1
            pause = BACK_OFF[min(self._failures, len(BACK_OFF)) - 1]
            self._not_before = self._now() + pause
            self._failed(error, self._failures)
            self.wake()
        else:
            self._failures = 0

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()
