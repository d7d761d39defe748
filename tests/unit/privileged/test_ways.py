"""Each way to root: what it launches, with which environment, and its obstacles."""

import dataclasses

import pytest

from kubefwd_operator.core.model import PinnedKubefwd
from kubefwd_operator.privileged.command import command
from kubefwd_operator.privileged.flavour import Flavour
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import (
    ALL,
    Launch,
    Obstacle,
    Way,
    already_root,
    sudo_askpass,
    sudo_dialog,
    sudo_silent,
)

ENVIRON = {"DISPLAY": ":0", "SUDO_ASKPASS": "/bin/ask", "SUDO_UID": "1000"}
HERE = Surroundings(
    instance="tilt-1",
    uid=1000,
    environ=ENVIRON,
    authorize=("/venv/bin/kubefwd-operator", "authorize", "--instance", "tilt-1"),
    root_folder="/r",
    interpreter="/usr/bin/python3",
    sudo="/usr/bin/sudo",
    askpass="/bin/ask",
    dialog="/usr/bin/zenity",
    adapter="/k/askpass.sh",
)
HELPER = command("/usr/bin/python3", "/r", "tilt-1")


def launched(way: Way, here: Surroundings) -> Launch:
    plan = way.plan(here)
    assert isinstance(plan, Launch)
    return plan


def test_the_ways_are_tried_in_a_fixed_order_and_those_that_ask_come_last() -> None:
    assert [way.name for way in ALL] == [
        *("already root", "sudo -n"),
        *("sudo -A", "sudo dialog"),
    ]
    assert [way.asks for way in ALL] == [False, False, True, True]


@pytest.mark.parametrize("way", ALL, ids=lambda way: way.name)
def test_every_way_names_the_kubefwd_that_root_may_run(way: Way) -> None:
    pinned = PinnedKubefwd("/opt/100%/kubefwd", "ab" * 32)
    here = dataclasses.replace(HERE, kubefwd=pinned, uid=0 if way is already_root.WAY else 1000)
    argv = launched(way, here).argv
    assert argv[-4:] == ("--kubefwd", "/opt/100%/kubefwd", "--sha256", "ab" * 32)
    if way.asks:
        assert "runs /opt/100%%/kubefwd" in argv[3], "sudo reads % in a prompt"


def test_root_starts_the_helper_with_an_empty_environment_and_its_uid() -> None:
    plan = launched(already_root.WAY, dataclasses.replace(HERE, uid=0))
    assert plan == Launch((*HELPER, "--uid", "0"), {})


def test_sudo_n_asks_nobody() -> None:
    assert launched(sudo_silent.WAY, HERE) == Launch(
        ("/usr/bin/sudo", "-n", "--", *HELPER), ENVIRON
    )


def test_sudo_a_asks_with_a_prompt_that_says_who_and_what_for() -> None:
    plan = launched(sudo_askpass.WAY, HERE)
    program, askpass, prompting, prompt, end, *helper = plan.argv
    assert (program, askpass, prompting, end) == ("/usr/bin/sudo", "-A", "-p", "--")
    assert tuple(helper) == HELPER
    assert plan.environ == ENVIRON | {"LC_MESSAGES": "C"}
    assert plan.through == "/bin/ask"
    for word in ("kubefwd-operator", "tilt-1", "/etc/hosts", "%p"):
        assert word in prompt


def test_a_dialog_of_ours_goes_through_the_adapter_and_names_what_people_see() -> None:
    plan = launched(sudo_dialog.WAY, HERE)
    assert plan.argv == launched(sudo_askpass.WAY, HERE).argv
    assert plan.environ["SUDO_ASKPASS"] == "/k/askpass.sh"
    assert plan.environ["KUBEFWD_OPERATOR_DIALOG"] == "/usr/bin/zenity"
    assert plan.through == "/usr/bin/zenity"


@pytest.mark.parametrize("name", ["ssh-askpass", "gnome-ssh-askpass", "ksshaskpass"])
def test_a_program_made_for_askpass_is_asked_as_it_is(name: str) -> None:
    here = dataclasses.replace(HERE, dialog=f"/usr/lib/{name}")
    plan = launched(sudo_dialog.WAY, here)
    assert plan.environ["SUDO_ASKPASS"] == plan.through == f"/usr/lib/{name}"
    assert "KUBEFWD_OPERATOR_DIALOG" not in plan.environ


@pytest.mark.parametrize("way", [sudo_askpass.WAY, sudo_dialog.WAY], ids=lambda way: way.name)
def test_sudo_rs_is_given_what_it_knows(way: Way) -> None:
    newest = dataclasses.replace(HERE, flavour=Flavour(rs=True, version=(0, 2, 11)))
    prompt = launched(way, newest).argv[3]
    assert prompt.endswith("/etc/hosts. User: %p"), "sudo-rs adds a 'Password:' of its own"
    for old in ((0, 2, 4), (0, 2, 10)):
        plan = way.plan(dataclasses.replace(HERE, flavour=Flavour(rs=True, version=old)))
        assert isinstance(plan, Obstacle)
        assert "0.2.11" in plan.why


@pytest.mark.parametrize(
    "way, change, why",
    [
        (already_root.WAY, {}, "does not run as root"),
        (sudo_silent.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_silent.WAY, {"uid": 0}, "runs as root"),
        (sudo_askpass.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_askpass.WAY, {"uid": 0}, "runs as root"),
        (sudo_dialog.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_dialog.WAY, {"uid": 0}, "runs as root"),
        (sudo_dialog.WAY, {"dialog": "", "dialog_fault": "no display"}, "no display"),
        (sudo_askpass.WAY, {"askpass": "", "askpass_fault": "no askpass"}, "no askpass"),
    ],
)
def test_an_obstacle_is_named(way: Way, change: dict[str, object], why: str) -> None:
    plan = way.plan(dataclasses.replace(HERE, **change))  # type: ignore[arg-type]  # rows
    assert isinstance(plan, Obstacle)
    assert why in plan.why
