"""Checks run side by side, and none can stop another."""

import asyncio
import threading
import time
from collections.abc import Iterator

import pytest
from tests.unit.doctor.kit import WARN, case, told

from kubefwd_operator.core.errors import ClusterError
from kubefwd_operator.doctor.examine import Check, examine
from kubefwd_operator.doctor.finding import Case, Finding, exit_code, fail, ok, warn

WELL = ok("It is.")


async def well(_: Case) -> list[Finding]:
    return [WELL]


async def sleeps(_: Case) -> list[Finding]:
    await asyncio.sleep(60)
    return []


@pytest.fixture
def release() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


def raising(error: Exception) -> Check:
    async def run(_: Case) -> list[Finding]:
        raise error

    return Check("bad", run)


@pytest.mark.parametrize(
    "error, words",
    [
        pytest.param(PermissionError(13, "Permission denied", "/x"), "(/x: Permission denied)",
                     id="a file that cannot be read"),
        pytest.param(ClusterError("It is ill."), "It is ill.", id="one of our own"),
        pytest.param(KeyError("name"), "(KeyError: 'name')", id="a defect"),
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_a_finding(error: Exception, words: str) -> None:
    (bad, good), stuck = examine([raising(error), Check("good", well)], case())
    told(list(bad.findings), WARN, words)
    assert good.findings == (WELL,)
    assert not stuck


def test_a_slow_check_is_ended() -> None:
    (slow, good), stuck = examine([Check("slow", sleeps, 0.05), Check("good", well)], case())
    told(list(slow.findings), WARN, "within 0.05 s")
    assert good.findings == (WELL,)
    assert not stuck


@pytest.mark.parametrize("in_thread", [False, True], ids=["in its loop", "in a thread of its own"])
def test_a_check_that_cannot_be_ended_is_left_behind(
    release: threading.Event, in_thread: bool
) -> None:
    async def hangs(_: Case) -> list[Finding]:
        if in_thread:
            await asyncio.to_thread(release.wait, 60)
        else:
            release.wait(60)
        return []

    begun = time.monotonic()
    (slow, good), stuck = examine([Check("stuck", hangs, 0.05), Check("good", well)], case())
    told(list(slow.findings), WARN, "within 0.05 s")
    assert good.findings == (WELL,)
    assert stuck
    assert time.monotonic() - begun < 30


def test_they_run_side_by_side() -> None:
    """Each waits for the other, which one after the other never could."""
    together = threading.Barrier(2, timeout=30)

    async def meets(_: Case) -> list[Finding]:
        together.wait()
        return [WELL]

    both, _ = examine([Check("one", meets, 40), Check("two", meets, 40)], case())
    assert [each.findings for each in both] == [(WELL,), (WELL,)]


@pytest.mark.parametrize(
    "findings, code",
    [
        pytest.param([], 0, id="nothing"),
        pytest.param([WELL], 0, id="well"),
        pytest.param([WELL, warn("a", "b")], 1, id="a warning"),
        pytest.param([fail("a", "b"), warn("a", "b"), WELL], 2, id="the worst counts"),
    ],
)
def test_exit_code(findings: list[Finding], code: int) -> None:
    assert exit_code(findings) == code
