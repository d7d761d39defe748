"""The run directory: where the helper finds us, computed from uid and passwd entry alone.

Root computes the same path with the same rules (`root/__main__.py`), never from an environment or
an argument, so neither side can send the other elsewhere: `/run/user/UID/kubefwd-operator/ID` when
`/run/user/UID` is that user's and 0700, else `HOME/.local/state/kubefwd-operator/ID`. Below the
base no component may be a symbolic link or belong to somebody else, because root walks it without
following links and would not arrive. Missing components are made 0700.
"""

import os
import pwd
import stat
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from kubefwd_operator.core.errors import HelperError

SOCKET = "helper.sock"
"""Name of the socket in the run directory."""

RUNTIME_ROOT = Path("/run/user")
"""Where systemd-logind keeps one 0700 directory per user who is logged in."""

_OURS = "kubefwd-operator"
_NO_FOLLOW = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RunDirectoryError(HelperError):
    """The run directory cannot be made or is not safe; the message says which part and why."""


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A base that exists already, and the components below it that are ours to make."""

    base: Path
    below: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The whole path, for messages."""
        return self.base.joinpath(*self.below)


def locate(uid: int, home: Path, instance: str, runtime_root: Path = RUNTIME_ROOT) -> RunDirectory:
    """Find the run directory of a user's instance; looks at `runtime_root`/UID, changes nothing."""
    runtime = runtime_root / str(uid)
    if _is_private(runtime, uid):
        return RunDirectory(runtime, (_OURS, instance))
    return RunDirectory(home, (".local", "state", _OURS, instance))


def _is_private(path: Path, uid: int) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return (
        stat.S_ISDIR(found.st_mode) and found.st_uid == uid and stat.S_IMODE(found.st_mode) == 0o700
    )


@cache
def home_of(uid: int) -> Path:
    """Return the home of the passwd entry. Raises RunDirectoryError when there is no such entry.

    Looked up once: it is asked for at every look at the socket, and the entry may be a network's.
    """
    try:
        return Path(pwd.getpwuid(uid).pw_dir)
    except KeyError as error:
        raise RunDirectoryError(
            f"User id {uid} has no passwd entry, so there is no place where the privileged helper "
            "could find this operator; add the user to the passwd database."
        ) from error


def enter(directory: RunDirectory, uid: int) -> int:
    """Make what is missing and return a descriptor of the run directory; the caller closes it.

    Raises RunDirectoryError when a component is a link, not a directory or not the user's, or
    when it cannot be made.
    """
    here, walked = _open_base(directory.base), directory.base
    for name in directory.below:
        walked /= name
        try:
            inner = _step(here, name, walked, uid, private=name in directory.below[-2:])
        finally:
            os.close(here)
        here = inner
    return here


def _open_base(base: Path) -> int:
    try:
        return os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise RunDirectoryError(_cannot(base, error)) from error


def _step(parent: int, name: str, path: Path, uid: int, *, private: bool) -> int:
    try:
        _make(parent, name)
        inner = os.open(name, _NO_FOLLOW, dir_fd=parent)
    except OSError as error:
        raise RunDirectoryError(_cannot(path, error)) from error
    found = os.fstat(inner)
    if found.st_uid != uid:
        os.close(inner)
        raise RunDirectoryError(
            f"{path} belongs to user id {found.st_uid}, not to {uid}; the privileged helper would "
            "not trust it. Remove it or give it back to its user."
        )
    if private and stat.S_IMODE(found.st_mode) != 0o700:
        os.fchmod(inner, 0o700)
    return inner


def _make(parent: int, name: str) -> None:
    try:
        os.mkdir(name, 0o700, dir_fd=parent)
    except FileExistsError:
        return


def _cannot(path: Path, error: OSError) -> str:
    if path.is_symlink() and path != path.parent:
        return (
            f"{path} is a symbolic link, and the privileged helper follows none below a home; "
            "make it a directory."
        )
    return f"{path} cannot be used as a private directory: {error.strerror}."
