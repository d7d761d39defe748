"""Waiting for a condition: what tests use instead of sleeping."""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

TIMEOUT = 60.0  # seconds
PERIOD = 0.05  # seconds

T = TypeVar("T")


class _Watch:
    """Counts the time, and remembers why it was not so yet."""

    def __init__(self, what: object, within: float) -> None:
        self._what = getattr(what, "__qualname__", what)
        self._within, self._ends = within, time.monotonic() + within
        self.last: object = "it was never true"

    def still(self) -> None:
        if time.monotonic() > self._ends:
            error = AssertionError(f"{self._what}: not within {self._within:.0f} s: {self.last!r}")
            raise error from (self.last if isinstance(self.last, BaseException) else None)


def eventually(condition: Callable[[], T], within: float = TIMEOUT, period: float = PERIOD) -> T:
    """Call until the answer is true (errors count as not yet); return it, or raise AssertionError.

    A condition made of assertions may simply return True at its end; what it last said is in the
    error. Blocks: in an async test use `eventually_async`.
    """
    watch = _Watch(condition, within)
    while True:
        try:
            if answer := condition():
                return answer
            watch.last = answer
        except Exception as error:  # noqa: BLE001  # whatever it is, it may pass
            watch.last = error
        watch.still()
        time.sleep(period)


async def eventually_async(
    condition: Callable[[], T | Awaitable[T]], within: float = TIMEOUT, period: float = PERIOD
) -> T:
    """Do the same without blocking the event loop; the condition may be async."""
    watch = _Watch(condition, within)
    while True:
        try:
            answer = condition()
            value: T = await answer if inspect.isawaitable(answer) else answer
            if value:
                return value
            watch.last = value
        except Exception as error:  # noqa: BLE001  # whatever it is, it may pass
            watch.last = error
        watch.still()
        await asyncio.sleep(period)


def steady(condition: Callable[[], object], seconds: float, period: float = PERIOD) -> None:
    """Assert that the condition is true all that time: for what must *not* happen."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        assert condition(), f"{getattr(condition, '__qualname__', condition)} did not stay true"
        time.sleep(period)
