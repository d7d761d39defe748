"""The run directory: where it is, what is made, what is refused."""

import os
import stat
from pathlib import Path

import pytest

from kubefwd_operator.privileged.rundir import (
    RunDirectory,
    RunDirectoryError,
    enter,
    home_of,
    locate,
)

ME = os.geteuid()


def runtime(root: Path, mode: int) -> Path:
    folder = root / str(ME)
    folder.mkdir(parents=True)
    folder.chmod(mode)
    return folder


def test_a_private_directory_of_the_login_is_used(tmp_path: Path) -> None:
    folder = runtime(tmp_path, 0o700)
    found = locate(ME, Path("/home/me"), "tilt-1", tmp_path)
    assert found.path == folder / "kubefwd-operator" / "tilt-1"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o1700, 0o500])
def test_one_that_others_could_enter_is_not(tmp_path: Path, mode: int) -> None:
    runtime(tmp_path, mode)
    found = locate(ME, Path("/home/me"), "tilt-1", tmp_path)
    assert found.path == Path("/home/me/.local/state/kubefwd-operator/tilt-1")


def test_one_that_is_a_link_or_missing_or_a_file_is_not(tmp_path: Path) -> None:
    home = tmp_path / "home"
    expected = home / ".local/state/kubefwd-operator/x"
    assert locate(ME, home, "x", tmp_path / "missing").path == expected
    (tmp_path / "links").mkdir()
    (tmp_path / "links" / str(ME)).symlink_to(runtime(tmp_path / "real", 0o700))
    assert locate(ME, home, "x", tmp_path / "links").path == expected
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / str(ME)).touch(0o700)
    assert locate(ME, home, "x", tmp_path / "files").path == expected


@pytest.mark.skipif(ME != 0, reason="only root can give a directory away")
def test_one_of_somebody_else_is_not(tmp_path: Path) -> None:
    os.chown(runtime(tmp_path, 0o700), 12345, 12345)
    assert locate(ME, Path("/h"), "x", tmp_path).base == Path("/h")


def test_what_is_missing_is_made_private(tmp_path: Path) -> None:
    directory = RunDirectory(tmp_path, (".local", "state", "kubefwd-operator", "tilt-1"))
    before = os.umask(0)
    try:
        descriptor = enter(directory, ME)
    finally:
        os.umask(before)
    assert os.path.samestat(os.fstat(descriptor), directory.path.stat())
    os.close(descriptor)
    for path in (directory.path, directory.path.parent, directory.path.parent.parent):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


def test_what_is_there_is_kept_and_ours_made_private(tmp_path: Path) -> None:
    (tmp_path / "state" / "kubefwd-operator").mkdir(parents=True, mode=0o755)
    (tmp_path / "state").chmod(0o755)
    os.close(enter(RunDirectory(tmp_path, ("state", "kubefwd-operator", "x")), ME))
    assert stat.S_IMODE((tmp_path / "state").stat().st_mode) == 0o755
    assert stat.S_IMODE((tmp_path / "state/kubefwd-operator").stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_link_below_the_base_is_refused_by_its_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "elsewhere").mkdir()
    below = ("a", "b", "c")
    parent = tmp_path.joinpath(*below[: below.index(name)])
    parent.mkdir(parents=True, exist_ok=True)
    (parent / name).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RunDirectoryError, match=rf"{name} is a symbolic link.*make it a dir"):
        enter(RunDirectory(tmp_path, below), ME)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_file_in_the_way_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    with pytest.raises(RunDirectoryError, match=r"a cannot be used.*Not a directory"):
        enter(RunDirectory(tmp_path, ("a", "b")), ME)


def test_a_base_that_is_missing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunDirectoryError, match="No such file"):
        enter(RunDirectory(tmp_path / "nobody", ("a", "b")), ME)


@pytest.mark.skipif(ME != 0, reason="only root can give a directory away")
def test_a_component_of_somebody_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    os.chown(tmp_path / "a", 12345, 12345)
    with pytest.raises(RunDirectoryError, match="belongs to user id 12345"):
        enter(RunDirectory(tmp_path, ("a", "b")), ME)


def test_a_user_without_passwd_entry_has_no_home() -> None:
    with pytest.raises(RunDirectoryError, match="no passwd entry"):
        home_of(4_000_000_000)
