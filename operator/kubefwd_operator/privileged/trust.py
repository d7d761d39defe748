"""Which programs are trusted on the way to root: with root itself, or with a password.

What becomes root is taken from fixed, absolute places, and only where root alone can change it. An
askpass program sees the password, so nobody but its user and root may have a hand in it, nor in a
folder that leads to it. Facts are read by `_found`; the verdicts are pure functions of them.
"""

import os
import stat
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kubefwd_operator.installer import judge_owner, on_the_way

SUDOS = ("/usr/bin/sudo", "/run/wrappers/bin/sudo", "/usr/local/bin/sudo")
"""Where a system keeps sudo; the second is NixOS, the third a sudo that was built."""

OSASCRIPTS: tuple[str, ...] = ("/usr/bin/osascript",)
PKEXECS = ("/usr/bin/pkexec", "/run/wrappers/bin/pkexec")


def roots_program(places: Sequence[str]) -> str:
    """Return the first of these that runs and that only root can change, or ""."""
    return next((path for path in places if not judge_owner(path) and os.access(path, os.X_OK)), "")


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at one place on the way to a program: lstat, cut down."""

    path: str
    mode: int
    uid: int
    gid: int


def judge_askpass(path: str, uid: int, gid: int) -> str:
    """Say why sudo is not given this SUDO_ASKPASS, or ""."""
    if not path:
        return "SUDO_ASKPASS is not set"
    fault = judge_asker(path, uid, gid)
    return f"SUDO_ASKPASS={path} {fault}" if fault else ""


def judge_asker(path: str, uid: int, gid: int) -> str:
    """Say why a program of this user's may not see his password, or ""; completes its path."""
    if not Path(path).is_absolute():
        return "is not an absolute path"
    try:
        found = _found(path)
    except OSError as error:
        return f"cannot be used ({error.strerror})"
    return judge_way(found, uid, gid)


def _found(path: str) -> list[Found]:
    """Look at every place on the way; the last is the program itself."""
    places = [(place, place.lstat()) for place in on_the_way(Path(path))]
    return [Found(str(place), seen.st_mode, seen.st_uid, seen.st_gid) for place, seen in places]


def judge_way(found: Sequence[Found], uid: int, gid: int) -> str:
    """Judge a program and the way to it, for this user; pure.

    The user's own primary group is taken for the user (the usual umask 002 leaves files so). In a
    sticky folder, such as /tmp, nobody replaces what is another's.
    """
    program = found[-1]
    if not stat.S_ISREG(program.mode) or not program.mode & 0o111:
        return "is not a program that this user can run"
    for place in found:
        if place.uid not in (0, uid):
            return f"belongs to another user{_where(place, program)}"
        if _open_to_others(place, gid):
            return f"can be changed by other users{_where(place, program)}"
    return ""


def _open_to_others(place: Found, gid: int) -> bool:
    if stat.S_ISLNK(place.mode) or (stat.S_ISDIR(place.mode) and place.mode & stat.S_ISVTX):
        return False
    return bool(place.mode & 0o002 or (place.mode & 0o020 and place.gid not in (0, gid)))


def _where(place: Found, program: Found) -> str:
    return "" if place is program else f" (because of {place.path})"
