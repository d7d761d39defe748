"""What both engines are around their passes: a wish, a bell, a snapshot, a loop that never dies.

A pass reads what is there now and works towards the wish. Everything that happens meanwhile only
wakes the next one. An error of ours is logged, shown, and followed by the next pass.
"""

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from kubefwd_operator.cluster.clocks import jumps
from kubefwd_operator.core.errors import HelperGone
from kubefwd_operator.core.model import NOT_REPAIRED, AuthoritySeen, Desired, EngineSeen
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason

RESYNC = 30.0
"""Seconds after which whatever was refused is tried again."""

BACK_OFF_MIN, BACK_OFF_MAX = 1.0, 30.0
"""Seconds after a pass that failed by an error of ours; doubles from MIN to MAX."""

SLEEP_CHECK, SLEPT = 5.0, 10.0
"""Seconds between looks at the clocks, and how far they must have parted to mean sleep: farther
than for the catalog, which only lists anew, because this ends connections."""

NO_PODS: Final = Problem(
    Reason.NO_PODS,
    "No pod stands behind it, so connections are refused until one appears: look at the "
    "Deployment or StatefulSet that its selector should match.",
)

_log = logging.getLogger(__name__)


class PassingEngine(ABC):
    """The part of an engine that is the same in all. `changed`: `seen()` answers differently."""

    def __init__(self, seen: EngineSeen, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._bell = asyncio.Event()
        self._desired = Desired()
        self._fault: Problem | None = None
        self._retry_at = 0.0
        self._seen = seen
        self._repaired = NOT_REPAIRED
        self._tasks: list[asyncio.Task[None]] = []

    # --- the part's interface --------------------------------------------------------------------

    def want(self, desired: Desired) -> None:
        """Take a new wish. See Engine."""
        if desired != self._desired:
            self._desired = desired
            self.wake()

    @abstractmethod
    def wake(self) -> None:
        """Look again."""

    def seen(self) -> EngineSeen:
        """Return what answers now. See Engine."""
        return self._seen

    async def _end_tasks(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []

    # --- passes ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = BACK_OFF_MIN
        while True:
            try:
                await self._wait()
                await self._pass()
                pause = BACK_OFF_MIN
            except HelperGone:
                self._lose_helper()
            except Exception as error:  # noqa: BLE001 - a part never dies; it says so and goes on
                _log.exception("An engine's pass failed; it is tried again: s=%s", pause)
                self._fault = Problem(Reason.INTERNAL_ERROR, f"An error of ours: {error!r}.")
                self._show(replace(self._seen, problems=self._problems()))
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACK_OFF_MAX)
                self._bell.set()

    async def _wait(self) -> None:
        """Wait for the bell, or for the moment at which time alone changes something."""
        now = asyncio.get_running_loop().time()
        due = self._next_change(now)
        soonest = min(RESYNC if due is None else due, self._retry_at - now)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(soonest, 0.0)):
                await self._bell.wait()
        self._bell.clear()

    def _is_resync(self) -> bool:
        """Say whether what was refused is to be tried again now; the next time is RESYNC later."""
        now = asyncio.get_running_loop().time()
        if now < self._retry_at:
            return False
        self._retry_at = now + RESYNC
        return True

    def _is_repair(self, desired: Desired) -> bool:
        """Say whether a Repair hosts has not been answered yet."""
        return desired.repairs > self._repaired.number

    @abstractmethod
    async def _pass(self) -> None:
        """Make one pass. Raises HelperGone."""

    @abstractmethod
    def _lose_helper(self) -> None:
        """Take note that the helper of this pass is gone: the authority may learn it later."""

    @abstractmethod
    def _next_change(self, now: float) -> float | None:
        """Return the seconds until something changes by time alone; None when nothing will."""

    # --- what is seen ----------------------------------------------------------------------------

    @abstractmethod
    def _further_problems(self) -> Iterable[Problem | None]:
        """Give what is wrong with the whole of this engine, apart from an error of ours."""

    def _problems(self) -> tuple[Problem, ...]:
        found = (self._fault, *self._further_problems())
        return tuple(problem for problem in found if problem)

    def _show(self, seen: EngineSeen) -> None:
        if seen != self._seen:
            self._seen = seen
            self._changed()


PAUSED: Final = Problem(Reason.PAUSED, "It is paused: click Resume on `kubefwd:run`.")


def unauthorised(authority: AuthoritySeen) -> Problem:
    """Say what services wait for while there is no helper."""
    return authority.problem or Problem(
        Reason.WAITING_FOR_AUTHORIZATION, "It is forwarded once the helper is authorised."
    )


async def sleeps(wall: Callable[[], float]) -> AsyncIterator[None]:
    """Tell of each sleep of the machine, after it."""
    async for jump in jumps(wall, SLEEP_CHECK):
        if jump >= SLEPT:
            yield
