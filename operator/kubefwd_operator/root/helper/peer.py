"""Who asked, and where the operator of that user listens. Nothing is believed from argv but ids.

The run directory follows from uid and passwd entry alone. Root goes down to it step by step: links
only on the way to the user's own folder and only root's own, none below. Whom the path belongs to
proves nothing: the credentials of the process that called listen() must be that user's.
"""

from __future__ import annotations

import os
import pwd
import re
import socket
import stat
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from .protocol import Refusal

_SUFFIX = r"[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63}){1,9}"
_ARGUMENTS = re.compile(
    r"--instance\0([a-z0-9-]{1,32})(?:\0--uid\0([0-9]{1,10}))?"
    r"(?:\0--kubefwd\0(/[ -~\u00a1-\U0010ffff]{1,1023})\0--sha256\0([0-9a-f]{64}))?"
    rf"(?:\0--hostnames\0({_SUFFIX}(?:,{_SUFFIX}){{0,99}}))?"
)
_USAGE = (
    "usage: --instance ID [--uid N] [--kubefwd PATH --sha256 HEX] [--hostnames SUFFIX,...]; "
    "an ID is 1-32 of a-z, 0-9, -; a suffix has two labels or more"
)


class User(NamedTuple):
    """The user that the helper serves, and what was authorised with it.

    That is the instance of the operator, the kubefwd to run, and where hostnames may end.
    """

    uid: int
    home: str
    instance: str
    kubefwd: str = ""
    sha256: str = ""
    suffixes: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """What stands for both in the ledger and in the hosts file."""
        return f"{self.uid}.{self.instance}"


def identify(arguments: Sequence[str], environ: Mapping[str, str]) -> User:
    """Return whom to serve: SUDO_UID or PKEXEC_UID, without both the argument `--uid`."""
    match = _ARGUMENTS.fullmatch("\0".join(arguments))
    if not match:
        raise Refusal("protocol", _USAGE)
    instance, uid, kubefwd, sha256, suffixes = match.groups("")
    given = [environ[key] for key in ("SUDO_UID", "PKEXEC_UID") if key in environ] or [uid]
    if len(given) != 1 or not re.fullmatch(r"[0-9]{1,10}", given[0]):
        raise Refusal("protocol", "One of SUDO_UID, PKEXEC_UID or --uid must say who the user is.")
    try:
        entry = pwd.getpwuid(int(given[0]))
    except (KeyError, OverflowError):
        raise Refusal("protocol", f"There is no user with the uid {given[0]}.") from None
    ends = tuple(filter(None, suffixes.split(",")))
    return User(entry.pw_uid, entry.pw_dir, instance, kubefwd, sha256, ends)


def connect(user: User, run_user: str) -> socket.socket:
    """Connect to the operator of that user; OSError or Refusal when there is none to trust."""
    below = f"kubefwd-operator/{user.instance}"
    try:
        return _connect(f"{run_user}/{user.uid}", below, user.uid)
    except FileNotFoundError:
        return _connect(user.home, f".local/state/{below}", user.uid)


def _connect(top: str, below: str, uid: int) -> socket.socket:
    """Connect to the socket in a folder: a path to it may be longer than a socket's can be."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.chdir("/")
        _enter(top, links=True)
        _enter(below, links=False)
        info = os.stat(".")
        if info.st_uid != uid or info.st_mode & 0o022:
            raise Refusal("system", "The run directory is not one that only the user can write.")
        sock.settimeout(1)  # a full queue must not hold us
        sock.connect("helper.sock")
        if peer_uid(sock) != uid:
            raise Refusal("system", f"What listens in the run directory is not of uid {uid}.")
        return sock
    except BaseException:
        sock.close()
        raise
    finally:
        os.chdir("/")


def _enter(path: str, links: bool) -> None:
    """Go down step by step; follow links only if they are root's, and `links` are allowed."""
    for name in filter(None, path.split("/")):
        info = os.lstat(name)
        follow = links and stat.S_ISLNK(info.st_mode) and info.st_uid == 0
        fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW))
        try:
            os.fchdir(fd)
        finally:
            os.close(fd)


def peer_uid(sock: socket.socket, platform: str = sys.platform) -> int:
    """Return the uid of the process that called listen() on the other side."""
    if platform == "linux":
        return parse_uid(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return parse_uid(sock.getsockopt(0, 1, 128))  # SOL_LOCAL, LOCAL_PEERCRED


def parse_uid(credentials: bytes) -> int:
    """Return the uid, second in Linux's `struct ucred` and in the BSDs' `struct xucred`."""
    return int(struct.unpack_from("=II", credentials)[1])
