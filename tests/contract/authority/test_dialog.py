"""A dialog that we find ourselves: sudo is real, zenity is a stand-in that answers as one would."""

import shlex
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.authority.conftest import Asked
from tests.contract.authority.operators import Operator, operator, paste, processes
from tests.lab.eventual import eventually
from tests.lab.user import Dev

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
Standin = Callable[..., None]
DESKTOP = {"DISPLAY": ":77"}


@pytest.fixture(params=[True, False], ids=["use_pty", "no pty"])
def pty(request: pytest.FixtureRequest, dev: Dev) -> None:
    """Let sudo run what it runs in a pseudo-terminal of its own, or not."""
    dev.sudoers(use_pty=request.param)


class Zenity:
    """A stand-in that notes how it was called."""

    def __init__(self, dev: Dev) -> None:
        self._dev = dev
        self.folder = dev.mkdir(".lab/dialogs")
        self.noted = self.folder / "noted"
        self.noted.unlink(missing_ok=True)
        self.answers(f"echo {shlex.quote(dev.password)}")

    def answers(self, body: str) -> None:
        note = f"printf '%s\\n' \"$*\" >> '{self.noted}'"
        self._dev.write(self.folder / "zenity", f"#!/bin/sh\n{note}\n{body}\n", mode=0o755)

    @property
    def shown(self) -> list[str]:
        return self.noted.read_text().splitlines() if self.noted.exists() else []

    @property
    def environ(self) -> dict[str, str]:
        return DESKTOP | {"PATH": f"{self.folder}:/usr/bin:/bin"}


@pytest.fixture
def zenity(dev: Dev) -> Zenity:
    return Zenity(dev)


def asking(one: Operator) -> str:
    return str(one.until(state="Asking", reason="WaitingForAuthorization")["message"])


@pytest.mark.usefixtures("pty")
def test_a_right_password_is_asked_for_once_by_name(
    dev: Dev, instance: str, zenity: Zenity
) -> None:
    with operator(dev, instance, askpass=False, also=zenity.environ) as one:
        assert "sudo dialog is asking" in asking(one)
        assert one.until(state="Authorized")["way"] == "sudo dialog"
        (shown,) = zenity.shown
        for word in ("--hide-text", "kubefwd-operator", instance, "/etc/hosts", f"for {dev.name}"):
            assert word in shown
        assert not any(dev.password in str(told) for told in one.told)


@pytest.mark.usefixtures("pty")
def test_three_wrong_passwords_are_an_answer(dev: Dev, instance: str, zenity: Zenity) -> None:
    zenity.answers("echo wrong")
    with operator(dev, instance, askpass=False, also=zenity.environ) as one:
        told = one.until(state="AuthorizationDenied")
        assert "sudo dialog did not give root" in told["message"]
        assert len(zenity.shown) == 3


@pytest.mark.usefixtures("pty")
def test_a_cancelled_dialog_is_an_answer_until_a_refresh(
    dev: Dev, instance: str, zenity: Zenity
) -> None:
    zenity.answers("exit 1")
    with operator(dev, instance, askpass=False, also=zenity.environ) as one:
        one.until(state="AuthorizationDenied")
        assert len(zenity.shown) == 1
        zenity.answers(f"echo {shlex.quote(dev.password)}")
        one.say("refresh")
        one.until(state="Authorized")
        assert len(zenity.shown) == 2


@pytest.mark.usefixtures("pty")
def test_a_dialog_that_nobody_answers_leaves_the_terminal_open_and_is_closed_then(
    dev: Dev, instance: str, zenity: Zenity
) -> None:
    zenity.answers("exec sleep 4444")
    with operator(dev, instance, askpass=False, also=zenity.environ) as one:
        message = asking(one)
        eventually(lambda: processes("sleep 4444"))
        with paste(dev, message):
            assert one.until(state="Authorized")["way"] == "terminal"
            eventually(lambda: not processes("sleep 4444"))
            assert len(zenity.shown) == 1
            one.say("close")


def test_one_who_cancels_sudo_askpass_is_not_asked_by_our_dialog(
    dev: Dev, instance: str, asked: Asked, zenity: Zenity
) -> None:
    dev.answer_with(None)
    with operator(dev, instance, also=zenity.environ) as one:
        one.until(state="AuthorizationDenied")
        assert (asked(), zenity.shown) == (1, [])


def test_an_askpass_that_does_not_run_is_followed_by_our_dialog(
    dev: Dev, instance: str, zenity: Zenity
) -> None:
    dev.ask_through("", "/nowhere/sh")
    with operator(dev, instance, also=zenity.environ) as one:
        assert one.until(state="Authorized")["way"] == "sudo dialog"


@pytest.mark.parametrize(
    "environ, why",
    [
        ({"DISPLAY": ""}, "there is no display"),
        ({"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}, "would not be seen over SSH"),
    ],
    ids=["no display", "SSH"],
)
def test_no_dialog_where_nobody_would_see_it(
    dev: Dev, instance: str, zenity: Zenity, environ: dict[str, str], why: str
) -> None:
    with operator(dev, instance, askpass=False, also=zenity.environ | environ) as one:
        told = one.until(state="WaitingForAuthorization")
        assert why in told["message"]
        assert zenity.shown == []


def test_a_dialog_that_others_can_change_is_not_shown_a_password(
    dev: Dev, instance: str, zenity: Zenity
) -> None:
    Path(zenity.folder, "zenity").chmod(0o777)
    with operator(dev, instance, askpass=False, also=zenity.environ) as one:
        told = one.until(state="WaitingForAuthorization")
        assert "there is none of ssh-askpass" in told["message"]
        assert zenity.shown == []
