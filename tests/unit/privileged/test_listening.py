"""The socket that helpers connect back to: newest wins, and nobody takes another's away."""

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest

from kubefwd_operator.privileged.listening import Listening, Standing
from kubefwd_operator.privileged.rundir import SOCKET, RunDirectory, RunDirectoryError

ME = os.geteuid()


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
async def one(base: Path) -> AsyncIterator[Listening]:
    one = listening(base)
    yield one
    one.close()


def listening(base: Path, *below: str) -> Listening:
    return Listening(lambda: RunDirectory(base, below or ("ours", "tilt-1")), ME)


def path_of(one: Listening) -> Path:
    assert one._directory is not None
    return one._directory.path / SOCKET


def knock(path: Path) -> socket.socket:
    """Connect as the helper does: from inside the directory, whatever the path's length."""
    knocking = socket.socket(socket.AF_UNIX)
    descriptor = os.open(path.parent, os.O_RDONLY)
    knocking.connect(f"/proc/self/fd/{descriptor}/{path.name}")
    os.close(descriptor)
    return knocking


async def test_it_is_private_and_takes_connections(one: Listening) -> None:
    assert one.open() is False
    assert stat.S_IMODE(path_of(one).lstat().st_mode) == 0o600
    assert [path.name for path in path_of(one).parent.iterdir()] == ["helper.sock"]
    with knock(path_of(one)), await one.accept() as connection:
        assert connection.getblocking() is False
        assert connection.get_inheritable() is False


async def test_a_path_longer_than_a_socket_may_have_works(base: Path) -> None:
    one = listening(base, *["d" * 50] * 4)
    one.open()
    with knock(path_of(one)), await one.accept():
        pass
    one.close()


async def test_the_newest_wins_and_the_older_one_sees_it(one: Listening, base: Path) -> None:
    one.open()
    assert one.standing() is Standing.OURS
    newer = listening(base)
    assert newer.open() is True
    assert (one.standing(), newer.standing()) == (Standing.ANOTHERS, Standing.OURS)
    one.close()
    assert newer.standing() is Standing.OURS, "the older one has left the newer one's socket"
    with knock(path_of(newer)), await newer.accept():
        pass
    newer.close()


async def test_closing_takes_the_own_socket_away(one: Listening) -> None:
    one.open()
    path = path_of(one)
    one.close()
    assert not path.exists()
    assert one.standing() is Standing.MISSING


async def test_a_socket_that_was_removed_is_missing_and_can_be_opened_again(
    one: Listening,
) -> None:
    one.open()
    accepting = asyncio.create_task(one.accept())
    await asyncio.sleep(0)
    path_of(one).unlink()
    assert one.standing() is Standing.MISSING
    one.open()
    with knock(path_of(one)), await accepting:
        assert one.standing() is Standing.OURS


async def test_a_directory_that_was_moved_away_is_missing(one: Listening) -> None:
    one.open()
    folder = path_of(one).parent
    folder.rename(folder.with_name("moved"))
    assert one.standing() is Standing.MISSING
    folder.symlink_to(folder.with_name("moved"))
    assert one.standing() is Standing.MISSING


async def test_a_run_directory_that_has_moved_is_followed(tmp_path: Path) -> None:
    """The user has logged in meanwhile: root looks in the directory of the login now."""
    places = [tmp_path / "home"]
    for folder in ("home", "login"):
        (tmp_path / folder).mkdir()
    one = Listening(lambda: RunDirectory(places[-1], ("ours", "tilt-1")), ME)
    one.open()
    places.append(tmp_path / "login")
    assert one.standing() is Standing.MISSING
    one.open()
    assert one.standing() is Standing.OURS
    assert (tmp_path / "login/ours/tilt-1/helper.sock").exists()
    assert not (tmp_path / "home/ours/tilt-1/helper.sock").exists()
    one.close()


async def test_it_waits_until_it_is_opened(one: Listening) -> None:
    accepting = asyncio.create_task(one.accept())
    await asyncio.sleep(0)
    one.open()
    with knock(path_of(one)), await accepting:
        pass


async def test_a_directory_that_cannot_be_used_is_an_error_and_leaves_nothing_open(
    base: Path,
) -> None:
    (base / "ours").symlink_to(base)
    one = listening(base)
    before = psutil.Process().num_fds()
    with pytest.raises(RunDirectoryError, match="symbolic link"):
        one.open()
    assert psutil.Process().num_fds() == before
