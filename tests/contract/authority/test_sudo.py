"""Becoming root through real sudo, real passwords and the real helper, as a throw-away user."""

import os
import shlex
import signal
import subprocess
from pathlib import Path

import psutil
import pytest
from tests.contract.authority.conftest import Asked
from tests.contract.authority.operators import helpers, operator, paste, processes
from tests.lab.eventual import eventually
from tests.lab.forwarding import HOSTS
from tests.lab.user import Dev

pytestmark = [pytest.mark.contract, pytest.mark.isolated]


@pytest.mark.parametrize("pty", [True, False], ids=["use_pty", "no pty"])
@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_a_right_password_is_asked_for_once(dev: Dev, instance: str, pty: bool, loop: str) -> None:
    dev.sudoers(use_pty=pty)
    prompts = dev.home / "prompts"
    prompts.unlink(missing_ok=True)
    dev.ask_through(f"echo \"$1\" >> '{prompts}'\necho '{dev.password}'")
    before = HOSTS.read_text()
    with operator(dev, instance, loop=loop) as one:
        told = one.until(state="Authorized")
        assert (told["way"], told["session"], told["helper"]) == ("sudo -A", 1, True)
        prompt = prompts.read_text().splitlines()
        assert len(prompt) == 1
        assert instance in prompt[0], "sudo's prompt names who asks"
        one.say("listen 127.18.0.3 80")
        one.until(done="listen")
        one.say("hosts 127.18.0.3 web storefront")
        assert one.until(done="hosts")["withheld"] == 0
        assert dev.run("curl", "--http0.9", "-s", "http://web.storefront/").stdout == "hello"
        one.say("close")
        one.until(done="close")
        eventually(lambda: HOSTS.read_text() == before)


def test_a_wrong_password_is_denied_and_asked_for_again_after_a_refresh_only(
    dev: Dev, instance: str, asked: Asked
) -> None:
    dev.answer_with("wrong")
    with operator(dev, instance) as one:
        told = one.until(state="AuthorizationDenied")
        assert told["reason"] == "AuthorizationDenied"
        assert "incorrect password" in told["message"]
        assert "Refresh" in told["message"]
        # As a shell reads it: a path with a space is quoted.
        typed = [shlex.split(line) for line in told["message"].splitlines() if "authorize" in line]
        [(program, *words)] = typed
        assert program.endswith("bin/kubefwd-operator")
        assert words == ["authorize", "--instance", instance]
        assert asked() == 3, "one sudo asks three times"
        one.say("refresh")
        assert one.until(state="AuthorizationDenied")["reason"] == "AuthorizationDenied"
        assert asked() == 6
        dev.answer_with(dev.password)
        one.say("refresh")
        one.until(state="Authorized")
        assert asked() == 7


def test_a_cancelled_dialog_is_an_answer(dev: Dev, instance: str, asked: Asked) -> None:
    dev.answer_with(None)
    with operator(dev, instance) as one:
        told = one.until(state="AuthorizationDenied")
        assert told["reason"] == "AuthorizationDenied"
        assert asked() == 1
        dev.answer_with(dev.password)
        one.say("refresh")
        one.until(state="Authorized")
        assert asked() == 2


def test_an_askpass_that_does_not_run_has_asked_nobody(dev: Dev, instance: str) -> None:
    dev.ask_through("", "/nowhere/sh")
    with operator(dev, instance) as one:
        told = one.until(state="WaitingForAuthorization")
        assert told["reason"] == "WaitingForAuthorization"
        assert "sudo -A" in told["message"]


def test_a_user_whom_sudo_does_not_know_is_told_so(dev: Dev, instance: str) -> None:
    dev.sudoers(allowed=False)
    with operator(dev, instance) as one:
        told = one.until(state="AuthorizationDenied")
        assert told["reason"] == "AuthorizationDenied"
        assert "sudoers" in told["message"]


def test_a_nopasswd_line_is_used_and_the_log_says_why(
    dev: Dev, instance: str, asked: Asked
) -> None:
    dev.sudoers(password=False)
    with operator(dev, instance, askpass=False) as one:
        assert one.until(state="Authorized")["way"] == "sudo -n"
        assert one.said("Root came without a question (sudo -n): sudo asked for no password")
        assert one.said("NOPASSWD")
        assert asked() == 0


def test_without_askpass_the_line_to_paste_works(dev: Dev, instance: str) -> None:
    with operator(dev, instance, askpass=False) as one:
        told = one.until(state="WaitingForAuthorization")
        assert told["reason"] == "WaitingForAuthorization"
        assert "SUDO_ASKPASS is not set" in told["message"]
        with paste(dev, told["message"]):
            assert one.until(state="Authorized")["way"] == "terminal"
            assert one.said("Root was given from a terminal.")
            one.say("close")


def test_without_sudo_it_says_so_and_names_the_line_for_root(dev: Dev, instance: str) -> None:
    nothing = Path("/run/nothing")
    nothing.touch()
    subprocess.run(["mount", "--bind", nothing, "/usr/bin/sudo"], check=True)
    try:
        with operator(dev, instance) as one:
            told = one.until(state="WaitingForAuthorization")
            assert "sudo is not installed" in told["message"]
            line = told["message"].splitlines()[-1]
            assert line.startswith("/usr/bin/python3 -I")
            with subprocess.Popen(["sh", "-c", line]):
                assert one.until(state="Authorized")["way"] == "terminal"
                one.say("close")
    finally:
        subprocess.run(["umount", "/usr/bin/sudo"], check=True)


def test_a_dialog_is_closed_when_root_came_from_a_terminal(dev: Dev, instance: str) -> None:
    dev.ask_through("exec sleep 4242")
    with operator(dev, instance) as one:
        told = one.until(state="Asking", reason="WaitingForAuthorization")
        eventually(lambda: processes("sleep 4242"))
        with paste(dev, told["message"]):
            assert one.until(state="Authorized")["way"] == "terminal"
            eventually(lambda: not processes("sleep 4242"))
            eventually(lambda: not processes("/usr/bin/sudo -A"))
            one.say("listen 127.18.0.4 80")
            one.until(done="listen")
            one.say("close")


def test_a_dialog_is_closed_with_the_operator(dev: Dev, instance: str) -> None:
    dev.ask_through("exec sleep 4343")
    with operator(dev, instance) as one:
        one.until(state="Asking", reason="WaitingForAuthorization")
        eventually(lambda: processes("sleep 4343"))
        one.say("close")
        one.until(done="close")
        eventually(lambda: not processes("sleep 4343"))


@pytest.mark.parametrize("victim", [0, 1], ids=["first", "second"])
def test_a_killed_helper_is_lost_and_asked_for_again_after_a_refresh(
    dev: Dev, instance: str, asked: Asked, victim: int
) -> None:
    """Worker and guardian: each is killed once, and the other one ends by itself."""
    with operator(dev, instance, linger=0) as one:
        one.until(state="Authorized")
        by_age = sorted(helpers(), key=psutil.Process.create_time)
        by_age[victim].kill()
        told = one.until(state="AuthorizationLost")
        assert told["reason"] == "AuthorizationLost"
        assert "Refresh" in told["message"]
        assert not told["helper"]
        eventually(lambda: not helpers())
        assert asked() == 1, "nobody is asked by itself"
        one.say("refresh")
        told = one.until(state="Authorized")
        assert (told["session"], asked()) == (2, 2)


def test_a_lost_helper_comes_back_by_itself_where_sudo_asks_nothing(
    dev: Dev, instance: str
) -> None:
    dev.sudoers(password=False)
    with operator(dev, instance) as one:
        one.until(state="Authorized")
        helpers()[0].kill()
        one.until(state="AuthorizationLost")
        assert one.until(state="Authorized")["session"] == 2


def test_a_killed_sudo_changes_nothing(dev: Dev, instance: str) -> None:
    with operator(dev, instance) as one:
        one.until(state="Authorized")
        for sudo in processes("/usr/bin/sudo"):
            sudo.kill()
        one.say("listen 127.18.0.5 80")
        one.until(done="listen")
        assert "AuthorizationLost" not in one.states()


@pytest.mark.parametrize("end", ["close", "kill"])
def test_an_operator_that_starts_within_the_linger_asks_nobody(
    dev: Dev, instance: str, asked: Asked, end: str
) -> None:
    with operator(dev, instance, linger=30) as one:
        one.until(state="Authorized")
        if end == "close":
            one.say("close")
            one.until(done="close")
        else:
            os.kill(one.process.pid, signal.SIGKILL)
    with operator(dev, instance, linger=0) as two:
        assert two.until(state="Authorized")["way"] == "lingering helper"
        assert two.said("Root came without a question: the helper from before")
        assert asked() == 1


def test_the_newest_operator_wins_and_asks_nobody(dev: Dev, instance: str, asked: Asked) -> None:
    with operator(dev, instance, linger=30) as one:
        one.until(state="Authorized")
        with operator(dev, instance, linger=0) as two:
            told = one.until(state="Superseded")
            assert told["reason"] == "Superseded"
            assert not told["helper"]
            assert two.until(state="Authorized")["way"] == "lingering helper"
            one.say("close")
            one.until(done="close")
            two.say("listen 127.18.0.6 80")
            two.until(done="listen")
            sockets = list(dev.home.rglob("helper.sock"))
            assert len(sockets) == 1, "nobody unlinks a socket that is not its own"
            assert asked() == 1
