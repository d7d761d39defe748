"""Who asked, and where the operator of that user listens. Nothing is believed from argv but ids.

The run directory follows from uid and passwd entry alone. Root walks it by descriptors: links only
above the home and only root's own, none below. Whom the path belongs to proves nothing: the
credentials of the process that called listen() must be that user's.
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
        usage = (
            "--instance ID [--uid N] [--kubefwd PATH --sha256 HEX] [--hostnames SUFFIX,...]; "
            "an ID is 1-32 of a-z, 0-9, -; a suffix has two labels or more"
        )
        raise Refusal("protocol", f"usage: {usage}")
    given = [environ[key] for key in ("SUDO_UID", "PKEXEC_UID") if key in environ]
    given = given or [match.group(2) or ""]
    if len(given) != 1 or not re.fullmatch(r"[0-9]{1,10}", given[0]):
        raise Refusal("protocol", "One of SUDO_UID, PKEXEC_UID or --uid must say who the user is.")
    try:
        entry = pwd.getpwuid(int(given[0]))
    except (KeyError, OverflowError):
        raise Refusal("protocol", f"There is no user with the uid {given[0]}.") from None
    suffixes = tuple(match[5].split(",")) if match[5] else ()
    return User(entry.pw_uid, entry.pw_dir, match[1], match[3] or "", match[4] or "", suffixes)


def run_directory(user: User, run_user: str) -> int:
    """Open the directory of the operator's socket; OSError or Refusal when it is not right."""
    top, below = f"{run_user}/{user.uid}", f"kubefwd-operator/{user.instance}"
    try:
        fd = _descend(_top(), top, links=False)
        if _owner_and_mode(fd) != (user.uid, 0o700):
            os.close(fd)
            raise FileNotFoundError(top)
    except FileNotFoundError:
        fd, below = _descend(_top(), user.home, links=True), f".local/state/{below}"
    fd = _descend(fd, below, links=False)
    uid, mode = _owner_and_mode(fd)
    if uid != user.uid or mode & 0o022:
        os.close(fd)
        raise Refusal("system", "The run directory is not one that only the user can write.")
    return fd


def _top() -> int:
    return os.open("/", os.O_RDONLY)


def _owner_and_mode(fd: int) -> tuple[int, int]:
    info = os.fstat(fd)
    return info.st_uid, stat.S_IMODE(info.st_mode)


def _descend(fd: int, path: str, links: bool) -> int:
    """Walk down from the directory `fd`, which is closed; follow links only if they are root's."""
    for name in filter(None, path.split("/")):
        try:
            info = os.stat(name, dir_fd=fd, follow_symlinks=False)
            follow = links and stat.S_ISLNK(info.st_mode) and info.st_uid == 0
            flags = os.O_RDONLY | os.O_DIRECTORY | (0 if follow else os.O_NOFOLLOW)
            child = os.open(name, flags, dir_fd=fd)
        finally:
            os.close(fd)
        fd = child
    return fd


def connect(user: User, run_user: str) -> socket.socket:
    """Connect to the operator of that user; OSError or Refusal when there is none to trust."""
    fd = run_directory(user, run_user)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        os.fchdir(fd)  # a socket's path has at most 108 bytes, a directory's has no such limit
        sock.settimeout(1)  # a full queue must not hold us
        sock.connect("helper.sock")
        if peer_uid(sock) != user.uid:
            raise Refusal("system", f"What listens in the run directory is not of uid {user.uid}.")
        return sock
    except BaseException:
        sock.close()
        raise
    finally:
        os.chdir("/")
        os.close(fd)


def peer_uid(sock: socket.socket) -> int:
    """Return the uid of the process that called listen() on the other side."""
    return parse_uid(sock.getsockopt(*credentials_of(sys.platform)))


def credentials_of(platform: str) -> tuple[int, int, int]:
    """Return level, name and size of the socket option that holds the other side's credentials."""
    if platform == "linux":
        return socket.SOL_SOCKET, socket.SO_PEERCRED, 12
    return 0, 1, 128  # SOL_LOCAL, LOCAL_PEERCRED


def parse_uid(credentials: bytes) -> int:
    """Return the uid, second in Linux's `struct ucred` and in the BSDs' `struct xucred`."""
    return int(struct.unpack_from("=II", credentials)[1])
