"""Which programs may become root, and which may see a password."""

import os
import stat
from pathlib import Path

import pytest

from kubefwd_operator.privileged.trust import Found, judge_askpass, judge_way, roots_program

ME, MINE = os.geteuid(), os.getegid()
only_root = pytest.mark.skipif(ME != 0, reason="only root can make what belongs to root")


def test_a_program_of_the_user_may_ask(askpass: Path) -> None:
    assert judge_askpass(str(askpass), ME, MINE) == ""


def test_a_program_that_only_its_users_own_group_can_change_may_ask(askpass: Path) -> None:
    askpass.chmod(0o775)
    assert judge_askpass(str(askpass), ME, askpass.stat().st_gid) == ""


@pytest.mark.parametrize(
    "path, why",
    [
        ("", "SUDO_ASKPASS is not set"),
        ("ask", "not an absolute path"),
        ("/nowhere/ask", "cannot be used (No such file or directory)"),
        ("/tmp", "not a program that this user can run"),
        ("/etc/passwd", "not a program that this user can run"),
    ],
)
def test_what_cannot_ask_is_named_with_its_reason(path: str, why: str) -> None:
    assert why in judge_askpass(path, ME, MINE)


@pytest.mark.parametrize("mode", [0o757, 0o777], ids=["others", "all"])
def test_a_program_that_others_can_change_sees_no_password(askpass: Path, mode: int) -> None:
    askpass.chmod(mode)
    assert "can be changed by other users" in judge_askpass(str(askpass), ME, MINE)


@only_root
def test_a_program_of_somebody_else_sees_no_password(askpass: Path) -> None:
    os.chown(askpass, 12345, 12345)
    assert "belongs to another user" in judge_askpass(str(askpass), ME, MINE)
    assert judge_askpass(str(askpass), 12345, 12345) == ""


@only_root
def test_a_program_that_a_strange_group_can_change_sees_no_password(askpass: Path) -> None:
    os.chown(askpass, 0, 12345)
    askpass.chmod(0o775)
    assert "can be changed by other users" in judge_askpass(str(askpass), ME, MINE)


def test_a_folder_that_others_can_change_is_no_way_to_a_password(askpass: Path) -> None:
    askpass.parent.chmod(0o777)
    fault = judge_askpass(str(askpass), ME, MINE)
    assert f"can be changed by other users (because of {askpass.parent})" in fault
    askpass.parent.chmod(0o1777)
    assert judge_askpass(str(askpass), ME, MINE) == ""


FOLDER, FILE, LINK = stat.S_IFDIR, stat.S_IFREG, stat.S_IFLNK
PROGRAM = Found("/a/b", FILE | 0o755, 1000, 1000)


@pytest.mark.parametrize(
    "found, fault",
    [
        pytest.param([PROGRAM], "", id="the user's"),
        pytest.param([Found("/a/b", FILE | 0o755, 0, 0)], "", id="root's"),
        pytest.param([Found("/a/b", FILE | 0o775, 1000, 1000)], "", id="own group"),
        pytest.param([Found("/a/b", FILE | 0o775, 1000, 50)], "changed", id="strange group"),
        pytest.param([Found("/a/b", FILE | 0o757, 1000, 1000)], "changed", id="others"),
        pytest.param([Found("/a/b", FILE | 0o755, 1001, 1000)], "another user", id="somebody's"),
        pytest.param([Found("/a/b", FILE | 0o644, 1000, 1000)], "not a program", id="a text"),
        pytest.param([Found("/a/b", FOLDER | 0o755, 1000, 1000)], "not a program", id="a folder"),
        pytest.param([Found("/a", FOLDER | 0o777, 0, 0), PROGRAM], "because of /a", id="open way"),
        pytest.param([Found("/a", FOLDER | 0o1777, 0, 0), PROGRAM], "", id="sticky way"),
        pytest.param([Found("/a", LINK | 0o777, 0, 0), PROGRAM], "", id="root's link"),
        pytest.param(
            [Found("/a", LINK | 0o777, 1001, 0), PROGRAM], "because of /a", id="somebody's link"
        ),
    ],
)
def test_who_may_have_a_hand_in_an_askpass_program(found: list[Found], fault: str) -> None:
    said = judge_way(found, 1000, 1000)
    assert (fault in said) if fault else said == ""


def test_a_program_of_roots_is_the_first_that_only_root_can_change(tmp_path: Path) -> None:
    mine = tmp_path / "sudo"
    mine.touch()
    mine.chmod(0o777)
    assert roots_program((str(mine), "/nowhere", "/etc/passwd", "/usr/bin/env")) == "/usr/bin/env"
    assert roots_program((str(mine),)) == ""
