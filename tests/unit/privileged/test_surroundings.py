"""What may run as root on this machine, and what a look around finds."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.installer import judge_owner
from kubefwd_operator.privileged import installed, surroundings, trust
from kubefwd_operator.privileged.installed import Installed
from kubefwd_operator.privileged.surroundings import (
    INTERPRETERS,
    ROOT_FOLDER,
    look,
)

A = "a" * 64
ME = os.geteuid()
only_root = pytest.mark.skipif(ME != 0, reason="only root can make what belongs to root")


def test_the_systems_own_python_may_run_as_root() -> None:
    assert judge_owner(INTERPRETERS[0]) == ""


def test_what_is_missing_may_not() -> None:
    assert judge_owner("/usr/bin/no-such-python") == (
        "/usr/bin/no-such-python cannot be used (No such file or directory)."
    )


@pytest.fixture
def safe() -> Iterator[Path]:
    """Below a place that is root's alone, which tmp_path (in /tmp) is not."""
    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    (folder / "real").mkdir(mode=0o755)
    (folder / "real/python").touch(0o755)
    yield folder
    shutil.rmtree(folder)


@only_root
def test_links_are_followed_part_by_part(safe: Path) -> None:
    (safe / "first").symlink_to("second/../second")
    (safe / "second").symlink_to(safe / "real")
    assert judge_owner(str(safe / "first/python")) == ""
    (safe / "real").chmod(0o777)
    assert judge_owner(str(safe / "first/python")) == (
        f"{safe}/real can be changed by others than root."
    )


@only_root
@pytest.mark.parametrize("part", ["link", "real", "real/python"])
def test_a_part_that_is_somebody_elses_may_not(safe: Path, part: str) -> None:
    (safe / "link").symlink_to("real")
    os.chown(safe / part, 12345, 12345, follow_symlinks=False)
    assert judge_owner(str(safe / "link/python")) == f"{safe}/{part} does not belong to root."


@only_root
@pytest.mark.parametrize("mode", [0o775, 0o757], ids=["group", "others"])
def test_a_program_that_others_can_change_may_not(safe: Path, mode: int) -> None:
    (safe / "real/python").chmod(mode)
    assert "can be changed by others than root" in judge_owner(str(safe / "real/python"))


@only_root
def test_links_in_a_circle_are_no_endless_way(safe: Path) -> None:
    (safe / "a").symlink_to("b")
    (safe / "b").symlink_to("a")
    assert "cannot be used" in judge_owner(str(safe / "a/python"))


async def test_a_look_finds_what_the_ways_need(askpass: Path) -> None:
    here = await look("tilt-1", {"SUDO_ASKPASS": str(askpass)})
    assert (here.interpreter, here.fault) == (INTERPRETERS[0], "")
    assert (here.askpass, here.askpass_fault) == (str(askpass), "")
    assert str(here.flavour).startswith("sudo")
    assert here.flavour.version
    assert here.uid == ME
    assert here.authorize[1:] == ("authorize", "--instance", "tilt-1")
    assert here.authorize[0].startswith("/")


@pytest.mark.parametrize(
    "copy, folder, program, said",
    [
        (Installed(), ROOT_FOLDER, "/u/kubefwd", ""),
        (Installed("/p/root", PinnedKubefwd("/p/kubefwd", A)), "/p/root", "/p/kubefwd", ""),
        (Installed("/p/root"), "/p/root", "/u/kubefwd", "install-helper --kubefwd /u/kubefwd"),
        (Installed(fault="Other."), ROOT_FOLDER, "/u/kubefwd", "Other."),
    ],
    ids=["none", "all", "without kubefwd", "unfit"],
)
async def test_an_installed_copy_is_what_every_way_runs(
    monkeypatch: pytest.MonkeyPatch, copy: Installed, folder: str, program: str, said: str
) -> None:
    monkeypatch.setattr(installed, "find", lambda ours: copy)
    here = await look("tilt-1", {}, PinnedKubefwd("/u/kubefwd", A))
    assert here.root_folder == folder
    assert here.helper()[6:] == (
        *(folder, "--instance", "tilt-1"),
        *("--kubefwd", program, "--sha256", A),
    )
    assert said in here.outdated
    assert bool(said) == bool(here.outdated)
    assert here.authorize[-1] == "/u/kubefwd", "which kubefwd is meant is said as it was found"


async def test_a_dialog_is_found_on_path_if_it_may_see_a_password(tmp_path: Path) -> None:
    program = tmp_path / "zenity"
    program.touch(0o755)
    environ = {"DISPLAY": "localhost:1", "PATH": str(tmp_path)}
    here = await look("tilt-1", environ)
    assert (here.dialog, here.dialog_fault) == (str(program), "")
    program.chmod(0o777)
    here = await look("tilt-1", environ)
    assert here.dialog == ""
    assert "none of ssh-askpass" in here.dialog_fault


def test_the_root_folder_is_the_program_that_root_runs() -> None:
    assert Path(ROOT_FOLDER, "__main__.py").exists()


async def test_without_a_usable_python_the_fault_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(surroundings, "INTERPRETERS", ("/nowhere/python3",))
    here = await look("tilt-1", {})
    assert "/nowhere cannot be used (No such file" in here.fault
    assert "Install it with the system's package manager" in here.fault


@pytest.mark.parametrize("program", ["/usr/bin/false", "/etc/passwd"])
async def test_a_python_that_does_not_run_or_is_too_old_is_a_fault(
    monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(surroundings, "INTERPRETERS", (program,))
    here = await look("tilt-1", {})
    assert f"{program} does not run, or is older than 3.9." in here.fault


async def test_sudo_is_taken_from_fixed_places_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust, "SUDOS", ("/nowhere/sudo", "/etc/passwd"))
    here = await look("tilt-1", {"PATH": "/usr/bin"})
    assert here.sudo == ""
