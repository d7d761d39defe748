"""One block per owner in /etc/hosts; every other byte of it stays as it is.

Each of our lines ends in a mark with its owner, and new ones go to the top of the file: so taking
them out again gives back the same bytes, whatever the user wrote meanwhile and however it ends.
Names that are refused, or held by others, are left out, as anybody can read; those that another
owner holds are in a comment of the block, so that its operator can read who waits. The file is
replaced by rename; where that is impossible (a bind mount) it is written in place, after all of it
has gone to a journal, from which the next edit finishes a torn write.
"""

import contextlib
import errno
import os
import re
import socket
from collections.abc import Callable, Sequence
from typing import BinaryIO

from .ledger import Ledger
from .names import HostsEntry, judged
from .protocol import Refusal

_MARK = re.compile(rb"# kubefwd-operator:([0-9]{1,10}\.[a-z0-9-]{1,32})\r?$")
_NO_RENAME = {errno.EBUSY, errno.EROFS, errno.EACCES, errno.EPERM, errno.EXDEV}
_JOURNAL_SECONDS = 5  # a file written later than this after its journal was written by others


def owner_of(line: bytes) -> str:
    """Return the owner in our mark at the end of a line; empty for everybody else's lines."""
    mark = _MARK.search(line)
    return mark.group(1).decode() if mark else ""


def without(content: bytes, gone: Callable[[str], bool]) -> bytes:
    """Take out the blocks of owners that are gone; all other bytes stay."""
    lines = ((line, owner_of(line)) for line in content.split(b"\n"))
    return b"\n".join(line for line, owner in lines if not (owner and gone(owner)))


def holders(content: bytes) -> dict[str, str]:
    """Return who holds each name: an owner, or "" when a line of the user does."""
    held: dict[str, str] = {}
    for line in content.split(b"\n"):
        owner = owner_of(line)
        for word in line.split(b"#")[0].split()[1:]:
            name = word.decode("ascii", "replace").lower().rstrip(".")
            held[name] = owner and held.get(name, owner)
    return held


def block(
    entries: Sequence[HostsEntry],
    owner: str,
    held: dict[str, str],
    machine: Sequence[str],
    suffixes: Sequence[str] = (),
) -> bytes:
    """Build this owner's lines, without the names that are refused or held."""
    lines: list[str] = []
    for entry in entries:
        names = [name for name, why in judged(entry, machine, suffixes).items() if not why]
        free = " ".join(name for name in names if name not in held)
        waits = " ".join(name for name in names if held.get(name))
        # The twin answers look-ups of IPv6 addresses, which would else go out to the network.
        starts = [f"{ip} {free}" for ip in (entry.ip, f"::ffff:{entry.ip}") if free]
        starts += [f"# waits for {waits}"] if waits else []
        lines += [f"{start} # kubefwd-operator:{owner}\n" for start in starts]
    return "".join(dict.fromkeys(lines)).encode()


class Hosts:
    """The hosts file, edited on behalf of one owner. Raises Refusal or OSError."""

    def __init__(self, path: str, ledger: Ledger, suffixes: tuple[str, ...] = ()) -> None:
        self.path, self.ledger, self._journal = path, ledger, f"{ledger.folder}/hosts.journal"
        self.suffixes = suffixes

    def replace(self, entries: Sequence[HostsEntry]) -> bool:
        """Make the owner's block hold `entries`. Return whether it is another one now."""
        host = socket.gethostname().lower()
        machine, mine = (host, host.split(".")[0]), self.ledger.mine

        def change(content: bytes) -> bytes:
            rest = without(content, mine)
            held, owner = holders(rest), self.ledger.owner
            lines = block(entries, owner, held, machine, self.suffixes)
            ours = [line for line in content.split(b"\n") if mine(owner_of(line))]
            # Equal, wherever it stands: nothing is to be done.
            return content if lines.split(b"\n")[:-1] == ours else lines + rest

        return self.edit(change)

    def remove(self, whose: Callable[[str], bool]) -> None:
        """Take the blocks of such owners out."""
        self.edit(lambda content: without(content, whose))

    def edit(self, change: Callable[[bytes], bytes]) -> bool:
        """Write what `change` makes of the file's content. Return whether that is anything else."""
        with self.ledger.lock():
            target = os.path.realpath(self.path)
            self._finish(target)
            for _ in range(10):
                with open(target, "rb") as file:
                    before, old = os.fstat(file.fileno()), file.read()
                    new = change(old)
                    if new == old:
                        return False
                    if self._write(target, file.fileno(), before, new):
                        return True
        raise Refusal("system", f"{self.path} keeps changing while the helper writes it.")

    def _write(self, target: str, source: int, before: os.stat_result, new: bytes) -> bool:
        """Write the file unless it is not what was read any more; then return False."""
        reason = None
        for way in (_swap, self._in_place):
            try:
                return way(target, source, before, new)
            except OSError as error:
                if error.errno not in _NO_RENAME:
                    raise
                reason = error
        raise Refusal("read-only", f"{self.path} cannot be written: {reason}.")

    def _in_place(self, target: str, _: int, before: os.stat_result, new: bytes) -> bool:
        with open(os.open(target, os.O_RDWR | os.O_NOFOLLOW), "r+b") as file:
            if _version(os.fstat(file.fileno())) != _version(before):
                return False
            with open(f"{self._journal}.new", "wb") as journal:
                journal.write(new)
            os.rename(f"{self._journal}.new", self._journal)
            _overwrite(file, new)
        os.unlink(self._journal)
        return True

    def _finish(self, target: str) -> None:
        """Do what a helper that was killed in the middle of a write has left to do."""
        with contextlib.suppress(OSError):
            os.unlink(_spare(target))
        with contextlib.suppress(FileNotFoundError), open(self._journal, "rb") as journal:
            with open(target, "r+b") as file:
                age = os.fstat(file.fileno()).st_mtime - os.fstat(journal.fileno()).st_mtime
                if age <= _JOURNAL_SECONDS:
                    _overwrite(file, journal.read())
            os.unlink(self._journal)


def _swap(target: str, source: int, before: os.stat_result, new: bytes) -> bool:
    try:
        with open(_spare(target), "xb") as file:
            copy = file.fileno()
            os.fchown(copy, before.st_uid, before.st_gid)
            os.fchmod(copy, before.st_mode & 0o7777)
            with contextlib.suppress(AttributeError, OSError):  # none on macOS, or on its disk
                for name in os.listxattr(source):
                    os.setxattr(copy, name, os.getxattr(source, name))
            _overwrite(file, new)
        if _version(os.stat(target)) != _version(before):
            return False
        os.rename(_spare(target), target)
        return True
    finally:
        with contextlib.suppress(OSError):
            os.unlink(_spare(target))


def _spare(target: str) -> str:
    """Return the file beside it that is written first; the lock makes it one writer's alone."""
    return "{}/.{}.kubefwd-operator".format(*os.path.split(target))


def _version(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _overwrite(file: BinaryIO, content: bytes) -> None:
    file.write(content)
    file.truncate()
    file.flush()
    os.fsync(file.fileno())
