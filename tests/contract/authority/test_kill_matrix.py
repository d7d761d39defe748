"""Operator and sudo x each signal x each moment, and what becomes of what they had started.

GOES ON: as if nothing had happened. ENDS: all is undone and no process is left. ASKS: the dialog
stays open, since nobody but root may end its sudo; answered, it starts a helper that finds no
operator and ends. DENIED: told so, and asked again after a Refresh; a sudo that asks keeps TERM and
HUP back until it is answered. WAITS: nothing happens until it is continued, then what had been due.
UNDONE: all is undone although it is only stopped, since silence of 15 s is an end; continued, it
gets the lingering helper without a question.

tests/contract/helper/test_kill_matrix.py has root's two processes, tests/e2e/kills has Tilt. Helper
and sudo are the real ones, with use_pty as Debian has it.
"""

import itertools
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.contract.authority.operators import Operator, helpers, operator, processes
from tests.lab.eventual import eventually
from tests.lab.forwarding import HOSTS, listeners
from tests.lab.proc import stopped
from tests.lab.user import Dev

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
KILL, STOP, TERM, HUP = signal.SIGKILL, signal.SIGSTOP, signal.SIGTERM, signal.SIGHUP
GOES_ON, ENDS, WAITS, UNDONE = "goes on", "ends", "waits", "undone"
ASKS, DENIED = "asks", "denied"
TABLE = {
    # victim, signal: at start-up, in use, in clean-up
    ("operator", KILL): (ASKS, ENDS, ENDS),
    ("operator", TERM): (ENDS, ENDS, ENDS),
    ("operator", HUP): (ASKS, ENDS, ENDS),
    ("operator", STOP): (WAITS, UNDONE, WAITS),
    ("sudo", KILL): (DENIED, GOES_ON, ENDS),
    ("sudo", TERM): (DENIED, ENDS, ENDS),
    ("sudo", HUP): (DENIED, GOES_ON, ENDS),
    ("sudo", STOP): (WAITS, GOES_ON, WAITS),
}
MOMENTS = START, USE, CLEANUP = "at start-up", "in use", "in clean-up"
CELLS = [
    pytest.param(victim, number, moment, outcome, id=f"{victim}-{number.name}-{moment}")
    for (victim, number), outcomes in TABLE.items()
    for moment, outcome in zip(MOMENTS, outcomes, strict=True)
]
LEASES = Path("/var/run/kubefwd-operator/leases")
IP = "127.18.0.3"
_NUMBERS = itertools.count(1)


class Scene:
    """An operator with its dialog open, and what follows when it is answered."""

    def __init__(self, dev: Dev, one: Operator) -> None:
        self.dev, self.one, self.before = dev, one, HOSTS.read_bytes()
        self.operator = one.process.pid
        self.asked()
        self.sudo = min(processes("/usr/bin/sudo"), key=psutil.Process.create_time).pid

    # --- to the moment, and the signal -------------------------------------------------------

    def asked(self) -> None:
        self.one.until(state="Asking")
        eventually(self.dialogs)

    def dialogs(self) -> list[psutil.Process]:
        return processes("sleep 4242")

    def answer(self, *, cancel: bool = False) -> None:
        """Type the password into the dialog, which is a program that sleeps until then."""
        for dialog in self.dialogs():
            dialog.kill() if cancel else dialog.terminate()

    def forward(self) -> None:
        self.one.until(state="Authorized")
        self.one.say(f"listen {IP} 80")
        self.one.until(done="listen")
        self.one.say(f"hosts {IP} web storefront")
        self.one.until(done="hosts")
        self.serves()

    def serves(self) -> None:
        assert not self.undone()
        said = self.dev.run("curl", "--http0.9", "-s", "-m", "60", "http://web.storefront/")
        assert said.stdout == "hello"

    def reach(self, moment: str, victim: str) -> None:
        """Go as far as that; in clean-up the last word is said, and nobody has read it yet."""
        self.stopped = 0
        if moment == START:
            return
        self.answer()
        self.forward()
        if moment == CLEANUP:
            worker = min(helpers(), key=psutil.Process.create_time).pid
            self.stopped = self.operator if victim == "operator" else worker
            self.send(self.stopped, STOP)
            self.one.say("close")

    def send(self, pid: int, number: signal.Signals) -> None:
        os.kill(pid, number)
        if number == STOP:
            eventually(lambda: stopped(pid))

    def go_on(self) -> None:
        """Continue whatever is stopped; sudo stops itself, too, when its command is stopped."""
        for pid in (self.stopped, self.operator, self.sudo):
            with suppress(ProcessLookupError):
                os.kill(pid or self.sudo, signal.SIGCONT)

    # --- what there is afterwards ------------------------------------------------------------

    def undone(self) -> bool:
        leases = list(LEASES.iterdir()) if LEASES.exists() else []
        return HOSTS.read_bytes() == self.before and not leases and not listeners()

    def nothing_is_left(self) -> bool:
        left = [*helpers(), *processes("/usr/bin/sudo"), *self.dialogs()]
        assert not left, left
        return self.undone()


@pytest.fixture
def scene(dev: Dev, outcome: str) -> Iterator[Scene]:
    dev.sudoers()
    # 137: it was killed, as one who clicks Cancel does.
    dev.ask_through(f"sleep 4242 >/dev/null; [ $? = 137 ] || echo '{dev.password}'")
    linger = 60 if outcome == UNDONE else 0
    with operator(dev, f"tilt-{next(_NUMBERS)}", linger=linger) as one:
        made = Scene(dev, one)
        try:
            yield made
        finally:
            made.go_on()


def _asks(scene: Scene, number: signal.Signals) -> None:
    scene.one.process.wait(60)
    assert scene.dialogs()
    scene.answer(cancel=number == HUP)
    if number == KILL:
        eventually(helpers)


def _denied(scene: Scene) -> None:
    scene.answer()
    scene.one.until(reason="AuthorizationDenied")
    assert scene.undone()
    scene.one.say("refresh")
    scene.asked()
    scene.answer()
    scene.forward()


def _waits(scene: Scene, victim: str, moment: str) -> None:
    assert stopped(getattr(scene, victim))
    assert scene.undone() == (moment == START)
    if moment == START:
        assert scene.dialogs()
        scene.answer()
        assert scene.undone()
        scene.go_on()
        scene.forward()


def _undone(scene: Scene) -> None:
    eventually(scene.undone)
    assert stopped(scene.operator)
    scene.go_on()
    scene.one.until(state="AuthorizationLost")
    assert scene.one.until(state="Authorized")["way"] == "lingering helper"
    assert not scene.dialogs()
    helpers()[0].kill()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("victim, number, moment, outcome", CELLS)
def test_a_signal_has_the_outcome_of_its_cell(
    scene: Scene, victim: str, number: signal.Signals, moment: str, outcome: str
) -> None:
    scene.reach(moment, victim)
    scene.send(getattr(scene, victim), number)
    if outcome == GOES_ON:
        scene.serves()
    elif outcome == ASKS:
        _asks(scene, number)
    elif outcome == DENIED:
        _denied(scene)
    elif outcome == WAITS:
        _waits(scene, victim, moment)
    elif outcome == UNDONE:
        _undone(scene)
    if outcome != ENDS:
        with suppress(BrokenPipeError):
            scene.one.say("close")
    scene.go_on()
    eventually(scene.nothing_is_left)
