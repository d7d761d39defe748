"""When passes are made, on looptime's clock: exact, and without waiting."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from kubefwd_operator.schedule import BACK_OFF, BURST, COALESCE, RESYNC, SPACING, Schedule

pytestmark = [pytest.mark.looptime(start=0), pytest.mark.asyncio]


class Passes:
    """Notes when each pass begins, may take its time, and may fail."""

    def __init__(self, takes: float = 0.0, fails: int = 0) -> None:
        self.begun: list[float] = []
        self.failures: list[tuple[str, int]] = []
        self.running = self.overlap = 0
        self.takes, self.fails = takes, fails

    async def work(self) -> None:
        self.begun.append(asyncio.get_running_loop().time())
        self.running += 1
        self.overlap = max(self.overlap, self.running)
        await asyncio.sleep(self.takes)
        self.running -= 1
        if len(self.begun) <= self.fails:
            raise ValueError("as the test wants")

    def failed(self, error: Exception, count: int) -> None:
        self.failures.append((str(error), count))


@asynccontextmanager
async def running(passes: Passes) -> AsyncIterator[Schedule]:
    schedule = Schedule(passes.work, passes.failed)
    task = asyncio.create_task(schedule.run())
    try:
        yield schedule
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(time: float) -> None:
    await asyncio.sleep(time - asyncio.get_running_loop().time())


async def ring(wake: Callable[[], None], every: float, end: float) -> None:
    while asyncio.get_running_loop().time() < end:
        wake()
        await asyncio.sleep(every)


async def test_the_first_pass_is_made_without_a_wake() -> None:
    passes = Passes()
    async with running(passes):
        await until(1)
    assert passes.begun == pytest.approx([COALESCE])


async def test_later_wakes_do_not_put_a_pass_off() -> None:
    passes = Passes()
    async with running(passes) as schedule:
        await until(10)
        await ring(schedule.wake, every=0.01, end=10.055)
    assert passes.begun == pytest.approx([COALESCE, 10 + COALESCE])


async def test_wakes_while_idle_are_answered_by_one_pass_each() -> None:
    passes = Passes()
    async with running(passes) as schedule:
        for time in (5, 10):
            await until(time)
            schedule.wake()
            schedule.wake()
        await until(12)
    assert passes.begun == pytest.approx([COALESCE, 5 + COALESCE, 10 + COALESCE])


async def test_under_load_two_passes_a_second_are_made_and_no_fewer() -> None:
    passes = Passes()
    async with running(passes) as schedule:
        await ring(schedule.wake, every=0.01, end=20)
    gaps = [later - sooner for sooner, later in itertools.pairwise(passes.begun)]
    assert gaps[BURST:] == pytest.approx([SPACING] * len(gaps[BURST:]), abs=1e-6)
    assert 2 * 20 - 1 <= len(passes.begun) <= 2 * 20 + BURST


async def test_after_a_pause_news_in_several_bits_are_each_answered_at_once() -> None:
    passes = Passes()
    async with running(passes) as schedule:
        await until(10)
        await ring(schedule.wake, every=0.01, end=10.5)
    soon = [begun - 10 for begun in passes.begun[1:]]
    assert len([begun for begun in soon if begun < 0.2]) == BURST == 3
    # The next ones wait, but no wake ever waits longer than one spacing.
    assert max(later - sooner for sooner, later in itertools.pairwise(soon)) <= SPACING + 1e-9


async def test_a_wake_during_a_pass_leads_to_another_and_they_never_overlap() -> None:
    passes = Passes(takes=3)
    async with running(passes) as schedule:
        await until(1)
        schedule.wake()
        await until(COALESCE + 2.99)
        schedule.wake()  # is answered by the same pass, and does not put it off
        await until(8)
    assert passes.begun == pytest.approx([COALESCE, COALESCE + 3])
    assert passes.overlap == 1


async def test_without_a_wake_there_is_a_resync() -> None:
    passes = Passes()
    async with running(passes):
        await until(2.5 * RESYNC)
    assert passes.begun == pytest.approx([COALESCE, COALESCE + RESYNC, COALESCE + 2 * RESYNC])


async def test_failures_back_off_whatever_wakes_and_never_end_the_loop() -> None:
    passes = Passes(fails=7)
    async with running(passes) as schedule:
        await ring(schedule.wake, every=0.02, end=30)
    gaps = [later - sooner for sooner, later in itertools.pairwise(passes.begun)]
    for gap, least in zip(gaps, [*BACK_OFF, BACK_OFF[-1], BACK_OFF[-1]], strict=False):
        assert gap >= least - 1e-9
    assert [count for _, count in passes.failures] == [1, 2, 3, 4, 5, 6, 7]
    assert gaps[7] < BACK_OFF[-1]


async def test_a_failure_is_tried_again_without_a_wake() -> None:
    passes = Passes(fails=1)
    async with running(passes):
        await until(3)
    assert len(passes.begun) == 2
