"""SIGKILL at any line of a write of the hosts file, whatever the file is like.

A child writes, and ends itself at its n-th line of hosts.py, for one n after the other until it
gets through. By rename, the file is the old one or the new one at any moment. In place (a bind
mount) it may be torn only while the journal is there, and the survivor's undo makes it whole; so
does the next start.
"""

import os
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, BinaryIO

import pytest

from kubefwd_operator.root.helper import hosts as module
from kubefwd_operator.root.helper.hosts import Hosts
from kubefwd_operator.root.helper.ledger import Ledger
from kubefwd_operator.root.helper.names import HostsEntry

ME = "1000.tilt-10350"
WEB = HostsEntry("127.18.0.3", "web", "shop", bare=True)
MANY = b"".join(b"10.%d.%d.1 host-%d\n" % (n // 200, n % 200, n) for n in range(20_000))
NOBODY = 0xFFFFFFFF
PLAINEST = (b"127.0.0.1 localhost\n", b"127.0.0.1 localhost")
BUSY = OSError(16, "Device or resource busy")


def _hosts(folder: Path) -> Hosts:
    return Hosts(str(folder / "hosts"), Ledger(str(folder / "state"), ME))


@pytest.fixture(autouse=True)
def _nobody_waits_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a process has written is there after its death, unlike after a power cut."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def _killed_at(step: int, work: Callable[[], object], large: str) -> bool:
    """Do the work in a child that is killed at its n-th line; return whether it was."""
    pid = os.fork()
    if pid:
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        assert code in (0, -signal.SIGKILL), "the work has failed by itself"
        return code != 0
    left = step

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal left
        code = frame.f_code
        if code.co_filename not in (module.__file__, __file__) or code.co_name not in WRITERS:
            return None
        left -= event == "line"
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
        return trace

    try:
        if large:  # to look at each of 20,000 lines takes long, too
            _look_from(large, trace)
        else:
            sys.settrace(trace)
        work()
        os._exit(0)
    finally:
        os._exit(1)


def _look_from(function: str, trace: Callable[..., Any]) -> None:
    original = getattr(module, function)

    def looked_at(*arguments: Any) -> Any:
        sys.settrace(trace)
        try:
            return original(*arguments)
        finally:
            sys.settrace(None)

    setattr(module, function, looked_at)


# What only computes has many lines and changes nothing.
WRITERS = {"edit", "_write", "_swap", "_in_place", "_overwrite", "_finish", "_in_pieces"}


def _steps(content: bytes, work: Callable[[], object], writer: str) -> Iterator[int]:
    """Count up from 0 and yield after each death, until the work gets through.

    A large file takes long, so there it is killed in its `writer` only; what differs in nothing but
    its bytes or looks goes the same way, so there it is killed at every other line.
    """
    large, stride = (writer, 2) if content is MANY else ("", 1 if content in PLAINEST else 2)
    step = 0
    while _killed_at(step, work, large):
        yield step
        step += stride
    assert step > (5 if large else 20), "the work was hardly looked at"


def _plain(_: Path) -> None:
    pass


def _link(folder: Path) -> None:
    (folder / "hosts").rename(folder / "elsewhere")
    (folder / "hosts").symlink_to("elsewhere")


def _odd_mode(folder: Path) -> None:
    (folder / "hosts").chmod(0o4640)


def _acl(folder: Path) -> None:
    """Let uid 7 write: the ACL's entries are tag, permissions and id."""
    rows = [(1, 6, NOBODY), (2, 6, 7), (4, 4, NOBODY), (16, 6, NOBODY), (32, 4, NOBODY)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *row) for row in rows)
    try:
        os.setxattr(folder / "hosts", "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"NOT TESTED: no ACLs on the disk of {folder}: {error}")


def _looks(file: Path) -> tuple[object, ...]:
    info = file.stat()
    attributes = {name: os.getxattr(file, name) for name in os.listxattr(file)}
    return info.st_mode, info.st_uid, info.st_gid, file.is_symlink(), attributes


CONTENT = [
    pytest.param(b"127.0.0.1 localhost\n", _plain, id="ordinary"),
    pytest.param(b"127.0.0.1 localhost\n", _link, id="a symbolic link"),
    pytest.param(b"127.0.0.1 localhost\n", _odd_mode, id="an odd mode"),
    pytest.param(b"127.0.0.1 localhost\n", _acl, id="an ACL"),
    pytest.param(b"127.0.0.1 localhost", _plain, id="no final newline"),
    pytest.param(b"127.0.0.1 localhost\r\n\r\n10.0.0.1 a\r\n", _plain, id="CRLF"),
    pytest.param(MANY, _plain, id="20,000 lines"),
]


@pytest.mark.parametrize("content, make", CONTENT)
def test_a_write_by_rename_is_whole_or_not_at_all(
    tmp_path: Path, content: bytes, make: Callable[[Path], None]
) -> None:
    file, mine = tmp_path / "hosts", _hosts(tmp_path)
    file.write_bytes(content)
    make(tmp_path)
    looks = _looks(file)
    mine.replace([WEB])
    written = file.read_bytes()
    mine.remove(ME.__eq__)
    seen = set()
    for _ in _steps(content, lambda: _hosts(tmp_path).replace([WEB]), "_swap"):
        seen.add(file.read_bytes())
        assert seen <= {content, written}
        assert _looks(file) == looks
        mine.remove(ME.__eq__)
        assert file.read_bytes() == content
        assert list(tmp_path.glob(".*")) == []
    assert seen == {content, written}


def _in_pieces(file: BinaryIO, content: bytes) -> None:
    """Overwrite as a disk may: a part is there before the rest is."""
    half = len(content) // 2
    file.write(content[:half])
    file.flush()
    file.write(content[half:])
    file.flush()
    file.truncate()


def _bind_mounted(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """A file that is a mount cannot be replaced (tests/contract/helper has a real one)."""
    real = os.rename

    def rename(source: str, target: str) -> None:
        if target == str(folder / "hosts"):
            raise BUSY
        real(source, target)

    monkeypatch.setattr(os, "rename", rename)
    monkeypatch.setattr(module, "_overwrite", _in_pieces)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"127.0.0.1 localhost", id="no final newline"),
        pytest.param(b"127.0.0.1 localhost\r\n", id="CRLF"),
        pytest.param(MANY, id="20,000 lines"),
    ],
)
@pytest.mark.parametrize("undone", [False, True], ids=["killed writing", "killed undoing"])
def test_a_write_in_place_is_made_whole_by_the_survivor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, undone: bool
) -> None:
    file, mine = tmp_path / "hosts", _hosts(tmp_path)
    file.write_bytes(content)
    _bind_mounted(monkeypatch, tmp_path)

    def prepare() -> None:
        mine.replace([WEB] if undone else [])

    def work() -> None:
        _hosts(tmp_path).replace([] if undone else [WEB])

    prepare()
    whole, seen = {content, file.read_bytes()}, set()
    for _ in _steps(content, work, "_overwrite"):
        seen.add(file.read_bytes())
        mine.remove(ME.__eq__)
        assert file.read_bytes() == content
        assert not Path(mine.ledger.folder, "hosts.journal").exists()
        prepare()
    assert b"" not in seen
    assert len(seen - whole) >= 1, "no write was torn"
