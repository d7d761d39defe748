"""Who holds what, in a root-owned folder that a reboot empties.

An owner is `UID.INSTANCE`. A lease is a symbolic link `leases/IP -> owner`: made or refused in one
step, never half written. `OWNER.alive` is locked while one of the owner's two processes lives; what
belongs to an owner whose lock is free is dead. `lock` serialises all that changes anything.
On macOS a leased address is also an alias of lo0, because 127.0.0.1 is the only one there.
"""

import contextlib
import fcntl
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator

from .protocol import Refusal


def alias(platform: str, ip: str, add: bool) -> list[str]:
    """Return the command that gives lo0 an address or takes it; empty where none is needed."""
    if platform != "darwin":
        return []
    tail = ["alias", ip, "netmask", "255.255.255.255"] if add else ["-alias", ip]
    return ["/sbin/ifconfig", "lo0", *tail]


def _plumb(ip: str, add: bool) -> None:
    command = alias(sys.platform, ip, add)
    if command:
        subprocess.run(command, check=True, env={}, stdin=subprocess.DEVNULL, timeout=5)


def _flock(path: str, seconds: float) -> int:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    until = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return fd
        except BlockingIOError:
            if time.monotonic() >= until:
                os.close(fd)
                raise Refusal("system", f"Another helper holds {path}.") from None
            time.sleep(0.02)


class Ledger:
    """The folder, seen by one owner. Raises Refusal or OSError; nothing is kept in memory."""

    def __init__(self, folder: str, owner: str) -> None:
        self.folder, self.owner = folder, owner
        self.leases = os.path.join(folder, "leases")
        os.makedirs(self.leases, exist_ok=True)
        info = os.lstat(folder)
        if not stat.S_ISDIR(info.st_mode) or info.st_uid != os.geteuid() or info.st_mode & 0o022:
            raise Refusal("system", f"{folder} is not a folder that only root can write.")

    def live(self, seconds: float) -> int:
        """Take the lock that shows we are alive; the descriptor holds it for life."""
        return _flock(os.path.join(self.folder, f"{self.owner}.alive"), seconds)

    def alive(self, owner: str) -> bool:
        """Whether a process of that owner lives."""
        try:
            os.close(_flock(os.path.join(self.folder, f"{owner}.alive"), 0))
        except Refusal:
            return True
        return False

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Keep every other helper of this machine from changing anything."""
        fd = _flock(os.path.join(self.folder, "lock"), 5)
        try:
            yield
        finally:
            os.close(fd)

    def lease(self, ip: str) -> None:
        """Take `ip` for this owner, or refuse it because another living owner holds it."""
        with self.lock():
            holder = self._holders().get(ip)
            if holder == self.owner:
                return
            if holder and self.alive(holder):
                raise Refusal("leased", f"{ip} is in use by {holder}.")
            if holder:
                self._drop(ip)
            os.symlink(self.owner, os.path.join(self.leases, ip))
            _plumb(ip, add=True)

    def ours(self) -> set[str]:
        """Return the addresses that this owner holds."""
        return {ip for ip, holder in self._holders().items() if holder == self.owner}

    def give_back(self, *ips: str) -> None:
        """Give back those of `ips` that are ours."""
        with self.lock():
            for ip in self.ours().intersection(ips):
                self._drop(ip)

    def give_back_all(self) -> None:
        """Give back every address that this owner holds."""
        self.give_back(*self.ours())

    def sweep(self) -> None:
        """Free what dead owners hold."""
        with self.lock():
            for ip, holder in self._holders().items():
                if not self.alive(holder):
                    self._drop(ip)

    def _holders(self) -> dict[str, str]:
        return {ip: os.readlink(os.path.join(self.leases, ip)) for ip in os.listdir(self.leases)}

    def _drop(self, ip: str) -> None:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            _plumb(ip, add=False)
        os.unlink(os.path.join(self.leases, ip))
