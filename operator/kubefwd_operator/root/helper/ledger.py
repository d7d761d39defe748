"""Who holds what, in a root-owned folder that a reboot empties.

An owner is `UID.INSTANCE`. A lease is a symbolic link `leases/IP -> owner`: made or refused in one
step, never half written. `OWNER.alive` is locked while one of the owner's two processes lives; what
belongs to an owner whose lock is free is dead. `lock` serialises all that changes anything. Names
can be read by everybody, as in the hosts file; files cannot.
On macOS a leased address is also an alias of lo0, because 127.0.0.1 is the only one there.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import time
from collections.abc import Callable, Iterable
from typing import BinaryIO

from .protocol import Refusal


def alias(platform: str, ip: str, add: bool) -> list[str]:
    """Return the command that gives lo0 an address or takes it; empty where none is needed."""
    tail = ["alias", ip, "netmask", "255.255.255.255"] if add else ["-alias", ip]
    return ["/sbin/ifconfig", "lo0", *tail] if platform == "darwin" else []


def _plumb(ip: str, add: bool) -> None:
    command = alias(sys.platform, ip, add)
    if command and os.waitpid(os.posix_spawn(command[0], command, {}), 0)[1] and add:
        raise Refusal("system", f"{' '.join(command)} has failed.")


def locked(path: str, seconds: float = 0) -> BinaryIO:
    """Open and lock a file, until it is closed; Refusal when another holds it for that long."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600), "r+b", 0)
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return file
        except BlockingIOError:
            if time.monotonic() >= until:
                file.close()
                raise Refusal("system", f"Another helper holds {path}.") from None
            time.sleep(0.02)


class Ledger:
    """The folder, seen by one owner. Raises Refusal or OSError; nothing is kept in memory."""

    def __init__(self, folder: str, owner: str) -> None:
        self.folder, self.owner, self._leases = folder, owner, f"{folder}/leases"
        os.makedirs(self._leases, exist_ok=True)
        info = os.lstat(folder)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
            raise Refusal("system", f"{folder} is not a folder that only root can write.")
        for public in (folder, self._leases):
            os.chmod(public, 0o755)  # noqa: S103 - so that `cleanup` can say what there is

    def live(self, seconds: float) -> BinaryIO:
        """Take the lock that shows that the owner lives; it holds while the file is open."""
        return locked(f"{self.folder}/{self.owner}.alive", seconds)

    def lock(self) -> BinaryIO:
        """Keep every other helper of this machine from changing anything, until it is closed."""
        return locked(f"{self.folder}/lock", 5)

    def mine(self, owner: str) -> bool:
        """Whether that is whom this ledger is for."""
        return owner == self.owner

    def dead(self, owner: str) -> bool:
        """Whether no process of that owner lives."""
        try:
            locked(f"{self.folder}/{owner}.alive").close()
            return True
        except Refusal:
            return False

    def holder(self, ip: str) -> str:
        """Return the owner that holds an address, empty for none."""
        try:
            return os.readlink(f"{self._leases}/{ip}")
        except FileNotFoundError:
            return ""

    def lease(self, ip: str) -> None:
        """Take `ip` for this owner, or refuse it because another living owner holds it."""
        with self.lock():
            holder = self.holder(ip)
            if self.mine(holder):
                return
            if holder and not self.dead(holder):
                raise Refusal("leased", f"{ip} is in use by {holder}.")
            if holder:
                os.unlink(f"{self._leases}/{ip}")
            os.symlink(self.owner, f"{self._leases}/{ip}")
            _plumb(ip, add=True)

    def free(self, whose: Callable[[str], bool], ips: Iterable[str] | None = None) -> None:
        """Give back the addresses (of `ips`, or any) that such owners hold."""
        with self.lock():
            for ip in os.listdir(self._leases) if ips is None else ips:
                if whose(self.holder(ip)):
                    _plumb(ip, add=False)
                    os.unlink(f"{self._leases}/{ip}")
