"""Where a dialog is seen, which program shows it, and what our askpass.sh gives that program."""

import subprocess
from pathlib import Path

import pytest

from kubefwd_operator.privileged.desktop import Desktop, dialog, judge
from kubefwd_operator.privileged.surroundings import ADAPTER
from kubefwd_operator.privileged.trust import judge_asker

SSH = {"SSH_CONNECTION": "10.0.0.1 5 10.0.0.2 22"}
WSL = "5.15.90.1-microsoft-standard-WSL2"


@pytest.mark.parametrize(
    "environ, platform, release, at_console, fault",
    [
        pytest.param({"DISPLAY": ":0"}, "linux", "6.1", False, "", id="X"),
        pytest.param({"WAYLAND_DISPLAY": "wayland-0"}, "linux", "6.1", False, "", id="Wayland"),
        pytest.param({}, "linux", "6.1", False, "there is no display", id="console"),
        pytest.param({}, "linux", WSL, False, "this WSL has no display", id="WSL"),
        pytest.param({"DISPLAY": ":0"}, "linux", WSL, False, "", id="WSLg"),
        pytest.param(SSH, "linux", "6.1", False, "over SSH", id="SSH"),
        pytest.param(SSH, "linux", WSL, False, "over SSH", id="SSH into WSL"),
        pytest.param(
            SSH | {"DISPLAY": "localhost:10.0"}, "linux", "6.1", False, "", id="forwarded display"
        ),
        pytest.param(
            SSH | {"DISPLAY": ":0"}, "linux", "6.1", False, "over SSH", id="far screen, X"
        ),
        pytest.param(
            SSH | {"WAYLAND_DISPLAY": "wayland-0"}, "linux", "6.1", False, "over SSH", id="Wayland"
        ),
        pytest.param(
            {"SSH_TTY": "/dev/pts/1", "DISPLAY": "unix:0"}, "linux", "6.1", False, "SSH", id="tty"
        ),
        pytest.param({}, "darwin", "23.0", True, "", id="macOS"),
        pytest.param({}, "darwin", "23.0", False, "does not have the screen", id="macOS, another"),
        pytest.param(SSH, "darwin", "23.0", True, "over SSH", id="macOS, SSH"),
    ],
)
def test_a_dialog_is_shown_only_where_it_is_seen(
    environ: dict[str, str], platform: str, release: str, at_console: bool, fault: str
) -> None:
    said = judge(environ, platform, release, at_console=at_console).fault
    assert (fault in said) if fault else said == ""


def test_ssh_and_wsl_are_told_apart() -> None:
    assert judge(SSH, "linux", "6.1", at_console=False).ssh
    assert not judge(SSH, "linux", "6.1", at_console=False).wsl
    assert judge({}, "linux", WSL, at_console=False).wsl
    assert not judge({}, "linux", WSL, at_console=False).ssh


@pytest.mark.parametrize(
    "here, there, chosen, fault",
    [
        (Desktop(), {"ssh-askpass", "zenity"}, "/usr/bin/ssh-askpass", ""),
        (Desktop(), {"zenity", "kdialog"}, "/usr/bin/zenity", ""),
        (Desktop(), {"kdialog"}, "/usr/bin/kdialog", ""),
        (Desktop(), set[str](), "", "none of ssh-askpass, ksshaskpass, zenity, kdialog"),
        (Desktop(macos=True), {"/usr/bin/osascript", "zenity"}, "/usr/bin//usr/bin/osascript", ""),
        (Desktop(fault="there is no display"), {"zenity"}, "", "there is no display"),
    ],
)
def test_the_program_is_the_first_in_order_that_is_there(
    here: Desktop, there: set[str], chosen: str, fault: str
) -> None:
    program, said = dialog(here, lambda name: f"/usr/bin/{name}" if name in there else "")
    assert program == chosen
    assert fault in said
    assert bool(said) == bool(fault)


HOSTILE = """it's "$(touch /tmp/owned)" `id` \\ ; end tell"""


@pytest.mark.parametrize("name", ["zenity", "kdialog", "osascript"])
def test_a_text_is_one_argument_of_the_dialog_and_its_answer_goes_out(
    tmp_path: Path, name: str
) -> None:
    program, given = tmp_path / name, tmp_path / "given"
    program.write_text(
        f"#!/bin/sh\nfor word; do printf '%s\\n' \"$word\" >> '{given}'; done\necho secret\n"
    )
    program.chmod(0o755)
    ran = subprocess.run(
        [ADAPTER, HOSTILE],
        env={"KUBEFWD_OPERATOR_DIALOG": str(program)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (ran.stdout, ran.stderr) == ("secret\n", "")
    words = given.read_text().splitlines()
    assert [word for word in words if word.removeprefix("--text=") == HOSTILE]
    assert any("kubefwd-operator" in word for word in words)
    assert not any("touch" in word for word in words if "text=" not in word and word != HOSTILE)


def test_a_cancelled_dialog_cancels(tmp_path: Path) -> None:
    program = tmp_path / "zenity"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    env = {"KUBEFWD_OPERATOR_DIALOG": str(program)}
    assert subprocess.run([ADAPTER, "why"], env=env, check=False).returncode == 1


def test_a_dialog_that_it_does_not_know_is_named() -> None:
    env = {"KUBEFWD_OPERATOR_DIALOG": "/bin/cat"}
    ran = subprocess.run([ADAPTER, "why"], env=env, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert "'/bin/cat' is not a dialog" in ran.stderr


def test_our_own_program_may_see_a_password() -> None:
    found = Path(ADAPTER).stat()
    assert judge_asker(ADAPTER, found.st_uid, found.st_gid) == ""
