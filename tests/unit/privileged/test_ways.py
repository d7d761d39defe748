"""Each way to root: what it launches, with which environment, and its obstacles."""

import dataclasses
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.settings import RootChoice
from kubefwd_operator.privileged.command import command
from kubefwd_operator.privileged.desktop import Desktop
from kubefwd_operator.privileged.flavour import Flavour
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import (
    ALL,
    Launch,
    Obstacle,
    Way,
    already_root,
    chosen,
    osascript,
    pkexec,
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
    osascript="/usr/bin/osascript",
    pkexec="/usr/bin/pkexec",
)
HELPER = command("/usr/bin/python3", "/r", "tilt-1")


def launched(way: Way, here: Surroundings) -> Launch:
    plan = way.plan(here)
    assert isinstance(plan, Launch)
    return plan


def test_the_ways_are_tried_in_a_fixed_order_and_those_that_ask_come_last() -> None:
    assert [way.name for way in ALL] == [
        *("already root", "sudo -n"),
        *("sudo -A", "sudo dialog", "osascript", "pkexec"),
    ]
    assert [way.asks for way in ALL] == [False, False, True, True, True, True]


@pytest.mark.parametrize("way", ALL, ids=lambda way: way.name)
def test_every_way_names_the_kubefwd_that_root_may_run(way: Way) -> None:
    pinned = PinnedKubefwd("/opt/100%/kubefwd", "ab" * 32)
    here = dataclasses.replace(HERE, kubefwd=pinned, uid=0 if way is already_root.WAY else 1000)
    argv = launched(way, here).argv
    if way is osascript.WAY:
        argv, why = tuple(shlex.split(argv[-2])), argv[-1]
        assert "runs /opt/100%/kubefwd" in why
    assert argv[-4:] == ("--kubefwd", "/opt/100%/kubefwd", "--sha256", "ab" * 32)
    if way in (sudo_askpass.WAY, sudo_dialog.WAY):
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


SCRIPTED = """#!/bin/sh
# AppleScript in miniature: a program of -e lines, then what it is given.
while [ "$1" = -e ]; do printf '%s\\n' "$2" >> "{noted}"; shift 2; done
printf '%s\\n' "$2" >> "{noted}"
exec /bin/sh -c "$1"
"""


def test_osascript_gets_texts_as_arguments_and_is_told_who_asks(tmp_path: Path) -> None:
    program, noted, ran = tmp_path / "osascript", tmp_path / "noted", tmp_path / "ran"
    program.write_text(SCRIPTED.format(noted=noted))
    helper = tmp_path / "py thon'\"$(id)"
    helper.write_text(f"#!/bin/sh\nfor word; do printf '%s\\n' \"$word\" >> '{ran}'; done\n")
    for file in (program, helper):
        file.chmod(0o755)
    here = dataclasses.replace(HERE, osascript=str(program), interpreter=str(helper))
    plan = launched(osascript.WAY, here)
    subprocess.run(plan.argv, env={**plan.environ, "PATH": os.defpath}, check=True)
    *script, why = noted.read_text().splitlines()
    assert "with administrator privileges" in script[1]
    assert str(helper) not in "".join(script), "nothing of ours is pasted into the script"
    assert "kubefwd-operator (tilt-1)" in why
    assert tuple(ran.read_text().splitlines()) == command("", "/r", "tilt-1", 1000)[1:]


def test_pkexec_runs_the_helper_as_it_is_and_brings_no_text_agent() -> None:
    plan = launched(pkexec.WAY, HERE)
    assert plan.argv == ("/usr/bin/pkexec", "--disable-internal-agent", *HELPER)
    assert plan.environ == ENVIRON | {"LC_MESSAGES": "C"}


@pytest.mark.parametrize(
    "root, names",
    [
        ("auto", [way.name for way in ALL]),
        ("sudo", ["already root", "sudo -n"]),
        ("askpass", ["already root", "sudo -A"]),
        ("dialog", ["already root", "sudo dialog"]),
        ("osascript", ["already root", "osascript"]),
        ("pkexec", ["already root", "pkexec"]),
        ("terminal", []),
    ],
)
def test_a_setting_forces_one(root: str, names: list[str]) -> None:
    assert [way.name for way in chosen(RootChoice(root))] == names


@pytest.mark.parametrize(
    "way, change, why",
    [
        (already_root.WAY, {}, "does not run as root"),
        (sudo_silent.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_silent.WAY, {"uid": 0}, "runs as root"),
        (sudo_askpass.WAY, {"sudo": ""}, "sudo is not installed"),
        (sudo_askpass.WAY, {"uid": 0}, "runs as root"),
        (osascript.WAY, {"uid": 0}, "runs as root"),
        (osascript.WAY, {"osascript": ""}, "there is no osascript"),
        (osascript.WAY, {"desktop": Desktop(fault="over SSH")}, "over SSH"),
        (pkexec.WAY, {"uid": 0}, "runs as root"),
        (pkexec.WAY, {"pkexec": ""}, "there is no pkexec"),
        (pkexec.WAY, {"desktop": Desktop(fault="no display")}, "no display"),
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
