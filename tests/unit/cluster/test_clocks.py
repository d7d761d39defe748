"""Wall and monotonic clock. Time is looptime's."""

import asyncio

import pytest

from kubefwd_operator.cluster.clocks import jumps

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]


async def test_every_look_gives_what_has_come_between_the_clocks_since_the_last() -> None:
    loop = asyncio.get_running_loop()
    shifts = iter([0.0, 0.0, 60.0, 60.0, 57.0])
    found = jumps(lambda: 1e9 + next(shifts) + loop.time(), look=5)
    assert [round(await anext(found)) for _ in range(4)] == [0, 60, 0, -3]
    assert loop.time() == 20
