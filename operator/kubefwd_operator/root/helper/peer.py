"""Who asked, and where the operator of that user listens. Nothing is believed from argv but ids.

The run directory follows from uid and passwd entry alone. Root walks it by descriptors: links only
above the home and only root's own, none below. Whom the path belongs to proves nothing: the
credentials of the process that called listen() must be that user's.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import socket
import stat
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from .protocol import Refusal

_ARGUMENTS = re.compile(r"--instance\0([a-z0-9-]{1,32})(?:\0--uid\0([0-9]{1,10}))?")
_DARWIN_LOCAL_PEERCRED = (0, 1)  # SOL_LOCAL, LOCAL_PEERCRED of <sys/un.h>


class User(NamedTuple):
    """The user that the helper serves, and the instance of the operator."""

    uid: int
    home: str
    instance: str

    @property
    def owner(self) -> str:
        """What stands for both in the ledger and in the hosts file."""
        return f"{self.uid}.{self.instance}"


def identify(arguments: Sequence[str], environ: Mapping[str, str]) -> User:
    """Return whom to serve: SUDO_UID or PKEXEC_UID, without both the argument `--uid`."""
    match = _ARGUMENTS.fullmatch("\0".join(arguments))
    if not match:
        raise Refusal("protocol", "usage: --instance ID [--uid N]; an ID is 1-32 of a-z, 0-9, -")
    given = [environ[key] for key in ("SUDO_UID", "PKEXEC_UID") if key in environ]
    if not given and match.group(2):
        given = [match.group(2)]
    if len(given) != 1 or not re.fullmatch(r"[0-9]{1,10}", given[0]):
        raise Refusal("protocol", "One of SUDO_UID, PKEXEC_UID or --uid must say who the user is.")
    uid = int(given[0])
    try:
        return User(uid, pwd.getpwuid(uid).pw_dir, match.group(1))
    except (KeyError, OverflowError):
        raise Refusal("protocol", f"There is no user with the uid {uid}.") from None


@contextlib.contextmanager
def run_directory(user: User, run_user: str) -> Iterator[int]:
    """Open the directory with the operator's socket; OSError or Refusal when it is not right."""
    with contextlib.ExitStack() as stack:
        try:
            fd = _walk(stack, os.path.join(run_user, str(user.uid)), links=False)
            info, below = os.fstat(fd), ["kubefwd-operator", user.instance]
            private = (info.st_uid, stat.S_IMODE(info.st_mode)) == (user.uid, 0o700)
        except FileNotFoundError:
            private = False
        if not private:
            fd = _walk(stack, user.home, links=True)
            below = [".local", "state", "kubefwd-operator", user.instance]
        for name in below:
            fd = _enter(stack, name, fd, links=False)
        info = os.fstat(fd)
        if info.st_uid != user.uid or info.st_mode & 0o022:
            raise Refusal("system", "The run directory is not one that only the user can write.")
        yield fd


def _walk(stack: contextlib.ExitStack, path: str, links: bool) -> int:
    fd = _enter(stack, "/", None, links=False)
    for name in filter(None, path.split("/")):
        fd = _enter(stack, name, fd, links)
    return fd


def _enter(stack: contextlib.ExitStack, name: str, parent: int | None, links: bool) -> int:
    flags = os.O_RDONLY | os.O_DIRECTORY
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if not (links and stat.S_ISLNK(info.st_mode) and info.st_uid == 0):
        flags |= os.O_NOFOLLOW
    fd = os.open(name, flags, dir_fd=parent)
    stack.callback(os.close, fd)
    return fd


def connect(user: User, run_user: str) -> socket.socket:
    """Connect to the operator of that user; OSError or Refusal when there is none to trust."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        with run_directory(user, run_user) as fd:
            os.fchdir(fd)  # a socket's path has at most 108 bytes, a directory's has no such limit
            sock.connect("helper.sock")
        if peer_uid(sock) != user.uid:
            raise Refusal("system", f"What listens in the run directory is not of uid {user.uid}.")
        return sock
    except BaseException:
        sock.close()
        raise
    finally:
        os.chdir("/")


def peer_uid(sock: socket.socket) -> int:
    """Return the uid of the process that called listen() on the other side."""
    if sys.platform == "linux":
        return parse_ucred(sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return parse_xucred(sock.getsockopt(*_DARWIN_LOCAL_PEERCRED, 128))


def parse_ucred(data: bytes) -> int:
    """Return the uid of Linux's `struct ucred` (pid, uid, gid)."""
    return int(struct.unpack("=iII", data)[1])


def parse_xucred(data: bytes) -> int:
    """Return the uid of a BSD's `struct xucred` (version, which must be 0, uid, groups)."""
    version, uid = struct.unpack_from("=II", data)
    if version != 0:
        raise Refusal("system", f"Peer credentials of version {version} are not known.")
    return int(uid)
