"""A socket in the run directory: bound anew at every start, renamed into place.

`helper.sock` is what the helper connects back to, `wait.sock` what `kubefwd-operator wait` asks at.
Newest wins: whoever renamed last over the name is the operator of this instance, and an older
one sees that the name leads to another inode. Nobody unlinks a socket that is not its own. Names
are relative to a directory descriptor, which also beats the 108-byte limit of socket paths.
"""

import asyncio
import os
import secrets
import socket
import stat
import sys
from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto

from kubefwd_operator.privileged import rundir
from kubefwd_operator.privileged.rundir import SOCKET, RunDirectory, RunDirectoryError

_BACKLOG = 16


class Standing(Enum):
    """Whose the name is now."""

    OURS = auto()
    ANOTHERS = auto()
    MISSING = auto()
    """Removed, or the run directory has moved (the user has logged in or out): open again."""


class Listening:
    """One operator's socket. `locate` is asked anew at each `open` and `standing`."""

    def __init__(
        self, locate: Callable[[], RunDirectory], uid: int, socket_name: str = SOCKET
    ) -> None:
        self._locate = locate
        self._uid = uid
        self._name = socket_name
        self._directory: RunDirectory | None = None
        self._fd = -1
        self._socket: socket.socket | None = None
        self._inode = (0, 0)
        self._wake: asyncio.Future[None] | None = None

    @classmethod
    def of(cls, instance: str, socket_name: str = SOCKET) -> "Listening":
        """Make that of an instance, in the run directory of whoever runs this."""
        uid = os.geteuid()
        return cls(lambda: rundir.locate(uid, rundir.home_of(uid), instance), uid, socket_name)

    def open(self) -> bool:
        """Bind and rename into place; True when an earlier operator's socket was there.

        Raises RunDirectoryError. What was open before is closed first.
        """
        self.close()
        self._directory = self._locate()
        self._fd = rundir.enter(self._directory, self._uid)
        try:
            return self._bind()
        except OSError as error:
            self.close()
            raise RunDirectoryError(
                f"No socket can be made in {self._directory.path}: {error.strerror or error}."
            ) from error

    def _bind(self) -> bool:
        fresh = f".{os.getpid()}-{secrets.token_hex(4)}"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.setblocking(False)
        bind_at(self._socket, self._fd, fresh)
        os.chmod(fresh, 0o600, dir_fd=self._fd)
        self._socket.listen(_BACKLOG)
        found = os.lstat(fresh, dir_fd=self._fd)
        self._inode = (found.st_dev, found.st_ino)
        before = self._named() is not None
        os.rename(fresh, self._name, src_dir_fd=self._fd, dst_dir_fd=self._fd)
        self._stir()
        return before

    def _named(self) -> tuple[int, int] | None:
        with suppress(OSError):
            found = os.lstat(self._name, dir_fd=self._fd)
            return (found.st_dev, found.st_ino)
        return None

    def standing(self) -> Standing:
        """Whose the name is now; a few system calls, asked several times a second."""
        if self._directory is None or self._fd < 0 or not self._still_there():
            return Standing.MISSING
        named = self._named()
        if named is None:
            return Standing.MISSING
        return Standing.OURS if named == self._inode else Standing.ANOTHERS

    def _still_there(self) -> bool:
        """Whether the path, walked anew, leads to the directory that we hold open."""
        try:
            directory = self._locate()
            walked, held = directory.path.lstat(), os.fstat(self._fd)
        except (OSError, RunDirectoryError):
            return False
        return stat.S_ISDIR(walked.st_mode) and os.path.samestat(walked, held)

    async def accept(self) -> socket.socket:
        """Wait for a connection (non-blocking socket), across a later `open`. Raises OSError."""
        while True:
            if self._socket is not None:
                try:
                    connection, _ = self._socket.accept()
                except (BlockingIOError, ConnectionAbortedError, InterruptedError):
                    pass
                else:
                    connection.setblocking(False)
                    return connection
            await self._readable()

    async def _readable(self) -> None:
        loop = asyncio.get_running_loop()
        self._wake = loop.create_future()
        watched = self._socket.fileno() if self._socket else -1
        if watched >= 0:
            loop.add_reader(watched, self._stir)
        try:
            await self._wake
        finally:
            self._wake = None
            if watched >= 0 and self._socket is not None and self._socket.fileno() == watched:
                loop.remove_reader(watched)

    def _stir(self) -> None:
        if self._wake is not None and not self._wake.done():
            self._wake.set_result(None)

    def close(self) -> None:
        """Stop listening, and take the name away if it is still ours."""
        if self._socket is not None:
            if self._wake is not None:
                asyncio.get_running_loop().remove_reader(self._socket.fileno())
            self._socket.close()
            self._socket = None
        if self._fd >= 0:
            if self._named() == self._inode:
                with suppress(OSError):
                    os.unlink(self._name, dir_fd=self._fd)
            os.close(self._fd)
            self._fd = -1
        self._stir()


def bind_at(listener: socket.socket, directory: int, name: str) -> None:
    """Bind `name` inside an open directory. Raises OSError."""
    _at(listener.bind, directory, name)


def connect_at(connection: socket.socket, directory: int, name: str) -> None:
    """Connect to `name` inside an open directory. Raises OSError."""
    _at(connection.connect, directory, name)


def _at(act: Callable[[str], None], directory: int, name: str) -> None:
    if sys.platform == "linux":
        act(f"/proc/self/fd/{directory}/{name}")
        return
    before = os.open(".", os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fchdir(directory)
        act(name)
    finally:
        os.fchdir(before)
        os.close(before)
