"""Each way to root: what it launches, with which environment, and its obstacles."""

import dataclasses

import pytest

from kubefwd_operator.core.model import PinnedKubefwd
from kubefwd_operator.privileged.command import command
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import (
    ALL,
    Launch,
    Obstacle,
    Way,
    already_root,
    sudo_askpass,
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
)
HELPER = command("/usr/bin/python3", "/r", "tilt-1")


def launched(way: Way, here: Surroundings) -> Launch:
    plan = way.plan(here)
    assert isinstance(plan, Launch)
    return plan


def test_the_ways_are_tried_in_a_fixed_order_and_the_one_that_asks_comes_last() -> None:
    assert [way.name for way in ALL] == ["already root", "sudo -n", "sudo -A"]
    assert [way.asks for way in ALL] == [False, False, True]


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
    for word in ("kubefwd-operator", "tilt-1", "/etc/hosts", "%p"):
        assert word in prompt


@pytest.mark.parametrize(
    "way, change, why",
    [
        (already_root.WAY, {}, "does not run as root"),
        (sudo_silent.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_silent.WAY, {"uid": 0}, "runs as root"),
        (sudo_askpass.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_askpass.WAY, {"uid": 0}, "runs as root"),
        (sudo_askpass.WAY, {"askpass": "", "askpass_fault": "no askpass"}, "no askpass"),
    ],
)
def test_an_obstacle_is_named(way: Way, change: dict[str, object], why: str) -> None:
    plan = way.plan(dataclasses.replace(HERE, **change))  # type: ignore[arg-type]  # rows
    assert isinstance(plan, Obstacle)
    assert why in plan.why
