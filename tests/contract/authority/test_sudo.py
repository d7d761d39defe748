"""Becoming root through real sudo, real passwords and the real helper, as a throw-away user."""

import itertools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator

import psutil
import pytest
from tests.contract.authority.machine import PASSWORD, USER, Machine, missing, started
from tests.contract.authority.operators import PATIENCE, operator

pytestmark = [
    pytest.mark.contract,
    pytest.mark.skipif(bool(missing()), reason=f"real sudo: {missing()}"),
]
MAY = f"{USER} ALL=(ALL:ALL) ALL"
MAY_FREELY = f"{USER} ALL=(ALL:ALL) NOPASSWD: ALL"
_NUMBERS = itertools.count(1)


@pytest.fixture(scope="module")
def machine() -> Iterator[Machine]:
    with started() as machine:
        yield machine


@pytest.fixture
def instance(machine: Machine) -> Iterator[str]:
    machine.sudoers(MAY)
    machine.answer(PASSWORD)
    yield f"tilt-{next(_NUMBERS)}"
    eventually(lambda: not machine.helpers())


def eventually(true: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not true():
        assert time.monotonic() < deadline, "the condition never came true"
        time.sleep(0.05)


def kill(machine: Machine, pid: int, number: signal.Signals) -> None:
    machine.run("kill", f"-{number.value}", str(pid))


def paste(machine: Machine, message: str, password: str) -> "subprocess.Popen[str]":
    """Do what the message says, in a terminal of its own: its last line is sudo's."""
    line = message.splitlines()[-1].replace("sudo -- ", "sudo -S -- ")
    assert line.startswith("/usr/bin/sudo -S -- /usr/bin/python3 ")
    process = subprocess.Popen(
        machine.argv(["sh", "-c", line], USER), stdin=subprocess.PIPE, text=True
    )
    assert process.stdin is not None
    process.stdin.write(password + "\n")
    process.stdin.flush()
    return process


@pytest.mark.parametrize("pty", [True, False], ids=["use_pty", "no pty"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_right_password_is_asked_for_once(
    machine: Machine, instance: str, pty: bool, loop: str
) -> None:
    machine.sudoers(MAY, pty=pty)
    before = machine.read("/etc/hosts")
    with operator(machine, instance, loop=loop) as one:
        told = one.until(state="Authorized")
        assert (told["way"], told["session"], told["helper"]) == ("sudo -A", 1, True)
        assert machine.asked() == 1
        assert instance in machine.calls.read_text(), "sudo's prompt names who asks"
        one.say("listen 127.18.0.3 80")
        one.until(done="listen")
        one.say("hosts 127.18.0.3 web storefront")
        assert one.until(done="hosts")["withheld"] == 0
        assert machine.run("curl", "--http0.9", "-s", "http://web.storefront/") == "hello"
        one.say("close")
        one.until(done="close")
        eventually(lambda: machine.read("/etc/hosts") == before)


def test_a_wrong_password_is_denied_and_asked_for_again_after_a_refresh_only(
    machine: Machine, instance: str
) -> None:
    machine.answer("wrong")
    with operator(machine, instance) as one:
        told = one.until(state="WaitingForAuthorization")
        assert told["reason"] == "AuthorizationDenied"
        assert "incorrect password" in told["message"]
        assert "Refresh" in told["message"]
        assert f"bin/kubefwd-operator authorize --instance {instance}\n" in told["message"]
        assert machine.asked() == 3, "one sudo asks three times"
        one.say("refresh")
        assert one.until(state="WaitingForAuthorization")["reason"] == "AuthorizationDenied"
        assert machine.asked() == 6
        machine.answer(PASSWORD)
        one.say("refresh")
        one.until(state="Authorized")
        assert machine.asked() == 1


def test_a_user_whom_sudo_does_not_know_is_told_so(machine: Machine, instance: str) -> None:
    machine.sudoers("")
    with operator(machine, instance) as one:
        told = one.until(state="WaitingForAuthorization")
        assert told["reason"] == "AuthorizationDenied"
        assert "sudoers" in told["message"]


def test_a_nopasswd_line_is_used_and_the_log_says_why(machine: Machine, instance: str) -> None:
    machine.sudoers(MAY_FREELY)
    with operator(machine, instance, askpass=False) as one:
        assert one.until(state="Authorized")["way"] == "sudo -n"
        assert one.said("Root came without a question (sudo -n): sudo asked for no password")
        assert one.said("NOPASSWD")
        assert machine.asked() == 0


def test_without_askpass_the_line_to_paste_works(machine: Machine, instance: str) -> None:
    with operator(machine, instance, askpass=False) as one:
        told = one.until(state="WaitingForAuthorization")
        assert told["reason"] == "WaitingForAuthorization"
        assert "SUDO_ASKPASS is not set" in told["message"]
        with paste(machine, told["message"], PASSWORD):
            assert one.until(state="Authorized")["way"] == "terminal"
            assert one.said("Root was given from a terminal.")
            one.say("close")


def test_without_sudo_it_says_so_and_names_the_line_for_root(
    machine: Machine, instance: str
) -> None:
    machine.run("sh", "-c", "touch /run/nothing && mount --bind /run/nothing /usr/bin/sudo")
    try:
        with operator(machine, instance) as one:
            told = one.until(state="WaitingForAuthorization")
            assert "sudo is not installed" in told["message"]
            line = told["message"].splitlines()[-1]
            assert line.startswith("/usr/bin/python3 -I")
            with subprocess.Popen(machine.argv(["sh", "-c", line])):
                assert one.until(state="Authorized")["way"] == "terminal"
                one.say("close")
    finally:
        machine.run("umount", "/usr/bin/sudo")


def test_a_dialog_is_closed_when_root_came_from_a_terminal(machine: Machine, instance: str) -> None:
    machine.script("exec sleep 4242\n")
    with operator(machine, instance) as one:
        told = one.until(state="Asking", reason="WaitingForAuthorization")
        eventually(lambda: machine.processes("sleep 4242"))
        with paste(machine, told["message"], PASSWORD):
            assert one.until(state="Authorized")["way"] == "terminal"
            eventually(lambda: not machine.processes("sleep 4242"))
            eventually(lambda: not machine.processes("/usr/bin/sudo -A"))
            one.say("listen 127.18.0.4 80")
            one.until(done="listen")
            one.say("close")


def test_a_dialog_is_closed_with_the_operator(machine: Machine, instance: str) -> None:
    machine.script("exec sleep 4343\n")
    with operator(machine, instance) as one:
        one.until(state="Asking", reason="WaitingForAuthorization")
        eventually(lambda: machine.processes("sleep 4343"))
        one.say("close")
        one.until(done="close")
        eventually(lambda: not machine.processes("sleep 4343"))


@pytest.mark.parametrize("victim", [0, 1], ids=["first", "second"])
def test_a_killed_helper_is_lost_and_asked_for_again_after_a_refresh(
    machine: Machine, instance: str, victim: int
) -> None:
    """Worker and guardian: each is killed once, and the other one ends by itself."""
    with operator(machine, instance, linger=0) as one:
        one.until(state="Authorized")
        by_age = sorted(machine.helpers(), key=psutil.Process.create_time)
        by_age[victim].kill()
        told = one.until(state="AuthorizationLost")
        assert told["reason"] == "AuthorizationLost"
        assert "Refresh" in told["message"]
        assert not told["helper"]
        eventually(lambda: not machine.helpers())
        assert machine.asked() == 1, "nobody is asked by itself"
        one.say("refresh")
        told = one.until(state="Authorized")
        assert (told["session"], machine.asked()) == (2, 2)


def test_a_lost_helper_comes_back_by_itself_where_sudo_asks_nothing(
    machine: Machine, instance: str
) -> None:
    machine.sudoers(MAY_FREELY)
    with operator(machine, instance) as one:
        one.until(state="Authorized")
        machine.helpers()[0].kill()
        one.until(state="AuthorizationLost")
        assert one.until(state="Authorized")["session"] == 2


def test_a_killed_sudo_changes_nothing(machine: Machine, instance: str) -> None:
    with operator(machine, instance) as one:
        one.until(state="Authorized")
        for sudo in machine.processes("/usr/bin/sudo"):
            sudo.kill()
        one.say("listen 127.18.0.5 80")
        one.until(done="listen")
        assert "AuthorizationLost" not in one.states()


@pytest.mark.parametrize("end", ["close", "kill"])
def test_an_operator_that_starts_within_the_linger_asks_nobody(
    machine: Machine, instance: str, end: str
) -> None:
    with operator(machine, instance, linger=30) as one:
        one.until(state="Authorized")
        if end == "close":
            one.say("close")
            one.until(done="close")
        else:
            kill(machine, one.pid, signal.SIGKILL)
    with operator(machine, instance, linger=0) as two:
        assert two.until(state="Authorized")["way"] == "lingering helper"
        assert two.said("Root came without a question: the helper from before")
        assert machine.asked() == 1


def test_the_newest_operator_wins_and_asks_nobody(machine: Machine, instance: str) -> None:
    with operator(machine, instance, linger=30) as one:
        one.until(state="Authorized")
        with operator(machine, instance, linger=0) as two:
            told = one.until(state="Superseded")
            assert told["reason"] == "Superseded"
            assert not told["helper"]
            assert two.until(state="Authorized")["way"] == "lingering helper"
            one.say("close")
            one.until(done="close")
            two.say("listen 127.18.0.6 80")
            two.until(done="listen")
            path = machine.run("find", str(machine.home), "-name", "helper.sock")
            assert path.count("helper.sock") == 1, "nobody unlinks a socket that is not its own"
            assert machine.asked() == 1


def test_an_operator_that_was_stopped_goes_on_without_a_question(
    machine: Machine, instance: str
) -> None:
    """Silence of 15 s is an end for the helper; it waits for us to be continued."""
    before = machine.read("/etc/hosts")
    with operator(machine, instance, linger=30) as one:
        one.until(state="Authorized")
        one.say("listen 127.18.0.7 80")
        one.until(done="listen")
        one.say("hosts 127.18.0.7 web storefront")
        one.until(done="hosts")
        kill(machine, one.pid, signal.SIGSTOP)
        eventually(lambda: machine.read("/etc/hosts") == before)
        kill(machine, one.pid, signal.SIGCONT)
        one.until(state="AuthorizationLost")
        told = one.until(state="Authorized")
        assert (told["session"], told["way"]) == (2, "lingering helper")
        assert machine.asked() == 1
        machine.sudoers(MAY_FREELY)
        machine.helpers()[0].kill()
