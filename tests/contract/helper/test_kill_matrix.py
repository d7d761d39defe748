"""Each of root's two processes x each signal x each moment, and what it leaves.

GOES ON: served as before. ENDS: all undone, and no process is left. WAITS: nothing is undone while
it is stopped; once it is continued, it is served as before. UNDONE: all is undone although one is
stopped, but that one stays until it is continued. tests/e2e/kills has operator, sudo and Tilt.
"""

import contextlib
import os
import signal
from typing import Any

import pytest
from tests.contract.helper.harness import Machine, eventually, gone
from tests.contract.helper.test_attacks import Served
from tests.lab.proc import has_signal, stopped

pytestmark = pytest.mark.contract
KILL, STOP, TERM, HUP = signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP
GOES_ON, ENDS, WAITS, UNDONE = "goes on", "ends", "waits", "undone"
TABLE = {
    # victim, signal: at start-up, in use, in clean-up
    ("worker", KILL): (ENDS, ENDS, ENDS),
    ("worker", TERM): (ENDS, ENDS, ENDS),
    ("worker", HUP): (GOES_ON, GOES_ON, ENDS),
    ("worker", STOP): (WAITS, WAITS, WAITS),
    ("guardian", KILL): (ENDS, ENDS, ENDS),
    ("guardian", TERM): (GOES_ON, GOES_ON, ENDS),
    ("guardian", HUP): (GOES_ON, GOES_ON, ENDS),
    ("guardian", STOP): (GOES_ON, GOES_ON, UNDONE),
}
MOMENTS = ("at start-up", "in use", "in clean-up")
CELLS = [
    pytest.param(victim, number, moment, outcome, id=f"{victim}-{number.name}-{moment}")
    for (victim, number), outcomes in TABLE.items()
    for moment, outcome in zip(MOMENTS, outcomes, strict=True)
]


IGNORED = {("worker", HUP), ("guardian", TERM), ("guardian", HUP)}


def _strike(victim: str, pid: int, number: signal.Signals, held: bool) -> None:
    """Send the signal, and wait until the process has it: dead, stopped, ignored or waiting."""
    if (victim, number) in IGNORED:  # which the guardian, for one, does soon after its start
        eventually(lambda: has_signal(pid, number, "SigIgn"))
    elif number == TERM:
        assert has_signal(pid, number, "SigCgt")
    os.kill(pid, number)
    if number == KILL:
        eventually(lambda: gone(pid))
    elif number == STOP:
        eventually(lambda: stopped(pid))
    elif (victim, number) in IGNORED:
        eventually(lambda: not has_signal(pid, number, "SigPnd", "ShdPnd"))
    elif held:
        assert has_signal(pid, number, "SigPnd", "ShdPnd")


def _answers(served: Served) -> None:
    assert served.connection.ask("heartbeat") == {"ok": True}
    assert served.process.poll() is None


def _finish(served: Served, moment: str) -> None:
    """Say the last word, which the helper has heard already in its clean-up."""
    if moment != MOMENTS[2]:
        _answers(served)
        served.connection.ask("bye")


@pytest.mark.parametrize("victim, number, moment, outcome", CELLS)
def test_a_signal_has_the_outcome_of_its_cell(
    machine: Machine, victim: str, number: signal.Signals, moment: str, outcome: str
) -> None:
    served: Any = Served(machine, linger=300)
    pids = served.worker, served.guardian
    pid = getattr(served, victim)
    if moment != MOMENTS[0]:
        served.forward()
    try:
        if moment == MOMENTS[2]:
            os.kill(served.worker, STOP)  # so that the signal finds it with the last word unread
            eventually(lambda: stopped(served.worker))
            served.connection.send("bye")
        _strike(victim, pid, number, held=moment == MOMENTS[2] and victim == "worker")
        if moment == MOMENTS[2] and not (victim == "worker" and number == STOP):
            os.kill(served.worker, signal.SIGCONT)
        if outcome == WAITS:
            assert not gone(pid)
            assert served.clean() == (moment == MOMENTS[0])
            os.kill(pid, signal.SIGCONT)
            _finish(served, moment)
        elif outcome == GOES_ON:
            _finish(served, moment)
        elif outcome == UNDONE:
            eventually(served.clean)
            assert not gone(pid)
    finally:
        for one in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(one, signal.SIGCONT)
    eventually(lambda: gone(*pids))
    assert served.clean()
