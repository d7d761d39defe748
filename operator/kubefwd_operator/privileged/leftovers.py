"""What is left on this machine of operators of one user, as far as that user can see.

Root's side is seen through what everybody may read: the hosts file, where each line of ours ends in
its owner, and the names in the ledger's folder. Only a helper can tell what of it is dead, and only
it removes any. The user's own side is run directories and the cache. Nothing is changed in here.
"""

import errno
import fcntl
import os
import re
import socket
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kubefwd_operator.core.settings import is_instance
from kubefwd_operator.privileged.rundir import RUNTIME_ROOT, SOCKET

STATE = Path("/var/run/kubefwd-operator")
"""The ledger's folder, as in `root/__main__.py`."""

HOSTS = Path("/etc/hosts")

_MARK = re.compile(rb"(?m)# kubefwd-operator:([0-9]{1,10}\.[a-z0-9-]{1,32})\r?$")


@dataclass(frozen=True, slots=True)
class Roots:
    """What root keeps, by owner (`UID.INSTANCE`): lines of the hosts file, leases, kubefwds.

    On macOS a leased address is an alias of lo0 as well.
    """

    lines: Counter[str]
    leases: Counter[str]
    kubefwds: Counter[str]

    def owners(self) -> list[str]:
        """Return everybody who has anything there."""
        return sorted({*self.lines, *self.leases, *self.kubefwds})

    def of_user(self, uid: int) -> list[str]:
        """Return the owners that are that user's."""
        return [owner for owner in self.owners() if owner.startswith(f"{uid}.")]

    def of(self, owner: str) -> str:
        """Say what one owner has there, for a line of text."""
        counts = {
            "lines of /etc/hosts": self.lines[owner],
            "leased addresses": self.leases[owner],
            "copy of kubefwd": self.kubefwds[owner],
        }
        return ", ".join(f"{count} {what}" for what, count in counts.items() if count)


def roots(hosts: Path = HOSTS, state: Path = STATE) -> Roots:
    """Look at what root keeps. Raises OSError when the hosts file cannot be read."""
    lines = Counter(owners(hosts.read_bytes()))
    leases = [str(path.readlink()) for path in _entries(state / "leases") if path.is_symlink()]
    kubefwds = [path.stem for path in _entries(state) if path.suffix == ".kubefwd"]
    return Roots(lines, Counter(leases), Counter(kubefwds))


def owners(content: bytes) -> list[str]:
    """Return the owner of each line in a hosts file that is ours; other lines have none."""
    return [mark.decode() for mark in _MARK.findall(content)]


def run_directories(uid: int, home: Path, runtime: Path = RUNTIME_ROOT) -> list[Path]:
    """Return the run directories of a user's instances, wherever they may be."""
    tops = (runtime / str(uid) / "kubefwd-operator", home / ".local/state/kubefwd-operator")
    return [
        path
        for top in tops
        for path in _entries(top)
        if is_instance(path.name) and path.is_dir() and not path.is_symlink()
    ]


def listens(directory: Path) -> bool:
    """Say whether an operator listens there: it runs. It will find us strange, and say so."""
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.chdir(directory)  # a socket's path has at most 108 bytes
        with socket.socket(socket.AF_UNIX) as knock:
            knock.settimeout(1)
            return knock.connect_ex(SOCKET) in (0, errno.EAGAIN)  # its queue is full
    except (OSError, TimeoutError):
        return False
    finally:
        os.fchdir(before)
        os.close(before)


def in_use(cache: Path) -> bool:
    """Say whether something runs from the cache: operators hold locks (see bootstrap.sh)."""
    files = [cache / "lock", *cache.glob("venvs/*/pyvenv.cfg"), *cache.glob("packages/*/venv")]
    return any(map(_held, files))


def _held(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _entries(folder: Path) -> Iterable[Path]:
    """Return what is in a folder, nothing when it cannot be read."""
    try:
        return sorted(folder.iterdir())
    except OSError:
        return []


def size(folder: Path) -> int:
    """Return the bytes that are in a folder."""
    return sum(path.lstat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for at, _, names in os.walk(folder):
        yield from (Path(at) / name for name in names)
