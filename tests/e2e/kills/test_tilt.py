"""Tilt x each signal x each moment: what it had started ends with it, or goes on without it.

GOES ON: names answer although Tilt is stopped, and later. ENDS: all is undone and no process is
left. WAITS: the operator needs Tilt to know what to forward; it does once Tilt is continued.
UNDONE: all is undone although Tilt is only stopped. Operator and sudo are in
tests/contract/authority/test_kill_matrix.py, root's processes in tests/contract/helper.
"""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from tests.contract.authority.operators import processes
from tests.lab.eventual import eventually
from tests.lab.forwarding import HOSTS, helpers, is_ready, undone, wait_answer, wait_clean
from tests.lab.proc import alive, has_signal, stopped
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

KILL, STOP, TERM, HUP = signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP
GOES_ON, ENDS, WAITS, UNDONE = "goes on", "ends", "waits", "undone"
TABLE = {
    # signal: at start-up (the dialog is open), in use, in clean-up (the operator has its SIGTERM)
    KILL: (ENDS, ENDS, ENDS),
    TERM: (ENDS, ENDS, ENDS),
    HUP: (ENDS, ENDS, ENDS),
    STOP: (WAITS, GOES_ON, UNDONE),
}
MOMENTS = START, USE, CLEANUP = "at start-up", "in use", "in clean-up"
CELLS = [
    pytest.param(number, moment, outcome, id=f"{number.name}-{moment}")
    for number, outcomes in TABLE.items()
    for moment, outcome in zip(MOMENTS, outcomes, strict=True)
]
WEB = "web.storefront"


class Scene:
    """A Tilt whose operator has a dialog open, and the hosts file before."""

    def __init__(self, dev: Dev, tilt: Tilt, before: bytes) -> None:
        self.dev, self.tilt, self.before = dev, tilt, before
        eventually(self.dialogs)
        self.pid, self.operator = tilt.pid, tilt.operator_pid()

    def dialogs(self) -> list[psutil.Process]:
        return processes("sleep 4242")

    def answer(self) -> None:
        """Type the password into the dialog, which is a program that sleeps until then."""
        for dialog in self.dialogs():
            dialog.terminate()

    def reach(self, moment: str) -> None:
        """Go as far as that; in clean-up Tilt has sent the operator SIGTERM, which waits there."""
        if moment == START:
            return
        self.answer()
        wait_answer(WEB)
        if moment == CLEANUP:
            self.send(self.operator, STOP)
            os.kill(self.pid, TERM)
            eventually(lambda: has_signal(self.operator, TERM, "SigPnd", "ShdPnd"))

    def send(self, pid: int, number: signal.Signals) -> None:
        os.kill(pid, number)
        if number == STOP:
            eventually(lambda: stopped(pid))

    def go_on(self, *pids: int) -> None:
        for pid in pids:
            if alive(pid):
                os.kill(pid, signal.SIGCONT)


@pytest.fixture
def scene(start_tilt: Callable[..., Tilt], dev: Dev) -> Iterator[Scene]:
    before = HOSTS.read_bytes()
    dev.ask_through(f"sleep 4242 >/dev/null; echo '{dev.password}'")
    made = Scene(dev, start_tilt(Path(__file__).parent, env={"LINGER": "0"}), before)
    try:
        yield made
    finally:
        made.go_on(made.operator, made.pid)
        dev.answer_with(dev.password)


def _waits(scene: Scene) -> None:
    scene.answer()
    eventually(helpers)
    assert undone(scene.before)
    scene.go_on(scene.pid)
    wait_answer(WEB)


def _goes_on(scene: Scene) -> None:
    wait_answer(WEB)
    assert stopped(scene.pid)
    scene.go_on(scene.pid)
    scene.tilt.wait_status(is_ready)
    wait_answer(WEB)


def _undone(scene: Scene) -> None:
    scene.go_on(scene.operator)
    eventually(lambda: undone(scene.before))
    eventually(lambda: not alive(scene.operator))
    assert stopped(scene.pid)


@pytest.mark.parametrize("number, moment, outcome", CELLS)
def test_a_signal_has_the_outcome_of_its_cell(
    scene: Scene, number: signal.Signals, moment: str, outcome: str
) -> None:
    scene.reach(moment)
    scene.send(scene.pid, number)
    if outcome == WAITS:
        _waits(scene)
    elif outcome == GOES_ON:
        _goes_on(scene)
    elif outcome == UNDONE:
        _undone(scene)
    scene.go_on(scene.operator, scene.pid)
    if outcome in (WAITS, GOES_ON):
        scene.tilt.stop()
    eventually(lambda: not alive(scene.pid))
    wait_clean(scene.before)
    assert not scene.dialogs()
