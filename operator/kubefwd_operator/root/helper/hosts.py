"""One block per owner in /etc/hosts; every other byte of it stays as it is.

Each of our lines ends in a mark with its owner, and new ones go to the top of the file: so taking
them out again gives back the same bytes, whatever the user wrote meanwhile and however it ends.
The file is replaced by rename; where that is impossible (a bind mount) it is written in place,
after the whole text has gone to a journal, from which the next edit finishes a torn write.
"""

import contextlib
import errno
import os
import re
import socket
import sys
from collections.abc import Callable, Sequence

from .ledger import Ledger
from .names import HostsEntry, refused, spell
from .protocol import Refusal

_MARK = re.compile(rb"# kubefwd-operator:([0-9]{1,10}\.[a-z0-9-]{1,32})\r?$")
_NO_RENAME = {errno.EBUSY, errno.EROFS, errno.EACCES, errno.EPERM, errno.EXDEV}
_JOURNAL_SECONDS = 5  # a file written later than this after its journal was written by others
MAX_WITHHELD = 1500  # keeps the answer below 1 MiB


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
    entries: Sequence[HostsEntry], owner: str, held: dict[str, str], machine: Sequence[str]
) -> tuple[bytes, list[dict[str, str]]]:
    """Build this owner's lines, and tell which names are withheld, and why."""
    lines: list[str] = []
    withheld: list[dict[str, str]] = []
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        names = []
        for name in spell(entry):
            reason, message = _objection(name, held, machine, (name, entry.ip) in seen)
            if reason:
                withheld.append(
                    {"name": name, "ip": entry.ip, "reason": reason, "message": message}
                )
            else:
                names.append(name)
                seen.add((name, entry.ip))
        # The twin answers look-ups of IPv6 addresses, which would else go out to the network.
        ips = (entry.ip, f"::ffff:{entry.ip}") if names else ()
        lines += [f"{ip} {' '.join(names)} # kubefwd-operator:{owner}\n" for ip in ips]
    return "".join(lines).encode(), withheld[:MAX_WITHHELD]


def _objection(
    name: str, held: dict[str, str], machine: Sequence[str], again: bool
) -> tuple[str, str]:
    if why := refused(name, machine):
        return "refused", why
    if again:
        return "duplicate", "It was given twice for the same address."
    if name not in held:
        return "", ""
    if held[name]:
        return "held-by-instance", f"It is in use by {held[name]}."
    return "held-by-user", "A line of your own in the hosts file holds this name."


class Hosts:
    """The hosts file, edited on behalf of one owner. Raises Refusal or OSError."""

    def __init__(self, path: str, ledger: Ledger) -> None:
        self.path, self.ledger = path, ledger
        self.journal = os.path.join(ledger.folder, "hosts.journal")

    def replace(self, entries: Sequence[HostsEntry]) -> tuple[bool, list[dict[str, str]]]:
        """Make the owner's block hold `entries`. Return whether it changed, what is not in."""
        host = socket.gethostname().lower()
        outcome: list[list[dict[str, str]]] = []

        def change(content: bytes) -> bytes:
            rest = without(content, self.ledger.owner.__eq__)
            machine = (host, host.split(".")[0])
            lines, withheld = block(entries, self.ledger.owner, holders(rest), machine)
            outcome.append(withheld)
            # Untouched when only the place of our block differs.
            ours = [line for line in content.split(b"\n") if owner_of(line) == self.ledger.owner]
            return content if lines.split(b"\n")[:-1] == ours else lines + rest

        changed = self._edit(change)
        return changed, outcome[-1]

    def remove(self) -> None:
        """Take the owner's block out."""
        self._edit(lambda content: without(content, self.ledger.owner.__eq__))

    def sweep(self) -> None:
        """Take dead owners' blocks out."""
        self._edit(lambda content: without(content, lambda owner: not self.ledger.alive(owner)))

    def _edit(self, change: Callable[[bytes], bytes]) -> bool:
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
        try:
            return self._swap(target, source, before, new)
        except OSError as error:
            if error.errno not in _NO_RENAME:
                raise
        try:
            return self._in_place(target, before, new)
        except OSError as error:
            if error.errno not in _NO_RENAME:
                raise
            raise Refusal("read-only", f"{self.path} cannot be written: {error}.") from None

    def _swap(self, target: str, source: int, before: os.stat_result, new: bytes) -> bool:
        temporary = f"{_prefix(target)}{os.urandom(8).hex()}"
        try:
            with open(
                os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb"
            ) as file:
                file.write(new)
                os.fchown(file.fileno(), before.st_uid, before.st_gid)
                os.fchmod(file.fileno(), before.st_mode & 0o7777)
                _copy_attributes(source, file.fileno())
                file.flush()
                os.fsync(file.fileno())
            if _version(os.stat(target)) != _version(before):
                return False
            os.rename(temporary, target)
            return True
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)

    def _in_place(self, target: str, before: os.stat_result, new: bytes) -> bool:
        with open(os.open(target, os.O_RDWR | os.O_NOFOLLOW), "r+b") as file:
            if _version(os.fstat(file.fileno())) != _version(before):
                return False
            with open(self.journal + ".new", "wb") as journal:
                journal.write(new)
            os.rename(self.journal + ".new", self.journal)
            _overwrite(file.fileno(), new)
        os.unlink(self.journal)
        return True

    def _finish(self, target: str) -> None:
        """Do what a helper that was killed in the middle of a write has left to do."""
        folder, prefix = os.path.split(_prefix(target))
        for name in os.listdir(folder):
            if name.startswith(prefix):
                os.unlink(os.path.join(folder, name))
        with contextlib.suppress(FileNotFoundError):
            with open(self.journal, "rb") as journal:
                age = os.stat(target).st_mtime - os.fstat(journal.fileno()).st_mtime
                if age <= _JOURNAL_SECONDS:
                    with open(target, "r+b") as file:
                        _overwrite(file.fileno(), journal.read())
            os.unlink(self.journal)


def _prefix(target: str) -> str:
    folder, name = os.path.split(target)
    return os.path.join(folder, f".{name}.kubefwd-operator-")


def _version(info: os.stat_result) -> tuple[int, ...]:
    return info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def _overwrite(fd: int, content: bytes) -> None:
    done = 0
    while done < len(content):
        done += os.pwrite(fd, content[done:], done)
    os.ftruncate(fd, len(content))
    os.fsync(fd)


def _copy_attributes(source: int, copy: int) -> None:
    if sys.platform == "linux":
        with contextlib.suppress(OSError):  # a file system that has none
            for name in os.listxattr(source):
                os.setxattr(copy, name, os.getxattr(source, name))
