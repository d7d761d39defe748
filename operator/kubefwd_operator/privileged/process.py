"""A program that is started on the way to root: spawned, listened to, reaped, never awaited.

Not asyncio's subprocesses: their transport kills a child that still runs when the loop closes, and
the helper has to outlive us for its linger. posix_spawn gives the child a session of its own (a
Ctrl-C or Tilt's SIGTERM to our group is not for it), /dev/null to read, and one pipe to write to.
"""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

POLL = 0.05
"""Seconds between looks at a child that somebody waits for."""

_KEPT_LINES = 20
_LINE = 500
_CHUNK = 1 << 14


class Child:
    """A running program. `said` holds its last lines; each also goes to `heard`, as it comes."""

    def __init__(
        self, argv: Sequence[str], environ: Mapping[str, str], heard: Callable[[str], None]
    ) -> None:
        """Start it. Raises OSError when the program cannot be run."""
        self.said: deque[str] = deque(maxlen=_KEPT_LINES)
        self.code: int | None = None
        self._heard = heard
        self._rest = b""
        self._loop = asyncio.get_running_loop()
        self._pipe, writer = os.pipe()
        try:
            self.pid = _spawn(argv, environ, writer)
        except OSError:
            os.close(self._pipe)
            raise
        finally:
            os.close(writer)
        os.set_blocking(self._pipe, False)
        self._loop.add_reader(self._pipe, self._drain)

    async def ended(self) -> int:
        """Wait for its end; the exit code, negative for a signal."""
        while not self.reap():  # noqa: ASYNC110 - waitpid is all that every system has
            await asyncio.sleep(POLL)
        return self.code or 0

    def reap(self) -> bool:
        """Collect it if it has ended; True then. Everything it has written is heard first."""
        if self.code is not None:
            return True
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            pid, status = self.pid, 0
        if pid == 0:
            return False
        self.code = os.waitstatus_to_exitcode(status)
        self._drain()
        self.let_go()
        return True

    def dismiss(self) -> None:
        """End what of it runs as ourselves: the askpass dialog, not a sudo that runs as root."""
        if self.code is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGTERM)

    def let_go(self) -> None:
        """Stop listening to it; it goes on."""
        if self._pipe >= 0:
            self._loop.remove_reader(self._pipe)
            os.close(self._pipe)
            self._pipe = -1

    def _drain(self) -> None:
        data = b"more"
        while self._pipe >= 0 and data:
            try:
                data = os.read(self._pipe, _CHUNK)
            except BlockingIOError:
                return
            self._split(data)
        if self._pipe >= 0:
            self._split(b"\n")
            self.let_go()

    def _split(self, data: bytes) -> None:
        *lines, rest = (self._rest + data).split(b"\n")
        self._rest = rest[:_LINE]
        for line in lines:
            text = line[:_LINE].decode(errors="replace").strip()
            if text:
                self.said.append(text)
                self._heard(text)


def _spawn(argv: Sequence[str], environ: Mapping[str, str], writer: int) -> int:
    return os.posix_spawn(
        argv[0],
        list(argv),
        environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_DUP2, writer, 1),
            (os.POSIX_SPAWN_DUP2, writer, 2),
        ],
        setsid=True,
        setsigmask=[],
        setsigdef=[signal.SIGPIPE, signal.SIGINT, signal.SIGTERM, signal.SIGHUP],
    )
