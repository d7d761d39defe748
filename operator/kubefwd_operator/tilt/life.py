"""Notices that our Tilt has ended, so that the operator ends too: the next Tilt starts its own.

A Tilt that ends well sends us SIGTERM. One that was killed tells nobody (Tilt 0.37): its
children live on, its kubeconfig entry stays, its port may go to somebody else. So any of these is
the end: our parent has changed, Tilt's process is gone, its entry has gone or is another's now.
That its API refuses connections is noticed where calls are made (`loop.py`).
"""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path

from kubefwd_operator.core.errors import TiltError, TiltGone
from kubefwd_operator.tilt.session import TiltAccess, TiltLocation, read_access

PERIOD = 0.25
"""Seconds between two looks; each costs a few system calls."""

_Stamp = tuple[tuple[int, int, int] | None, ...]


class Life:
    """Watches one Tilt from outside its API."""

    def __init__(
        self,
        location: TiltLocation,
        access: TiltAccess,
        parent: Callable[[], int] = os.getppid,
        alive: Callable[[int], bool] | None = None,
    ) -> None:
        self._location, self._access = location, access
        self._parent, self._alive = parent, alive or process_exists
        self._first_parent = parent()
        self._stamp: _Stamp = ()
        self._missing: _Stamp = ()
        self._pid = 0

    def met(self, pid: int) -> None:
        """Hear which process Tilt says it is, from a Tilt that has just answered.

        One that cannot be seen then is not ours to judge: a Tilt in another container, say.
        """
        self._pid = pid if pid and self._alive(pid) else 0

    async def ended(self) -> str:
        """Wait until our Tilt is gone; give the sentence that says how we know."""
        while True:
            if reason := self.look():
                return reason
            await asyncio.sleep(PERIOD)

    def look(self) -> str:
        """Say why our Tilt is gone, or nothing while it is there."""
        if self._parent() != self._first_parent:
            return "The process that started this operator has ended."
        if self._pid and not self._alive(self._pid):
            return f"Tilt (process {self._pid}) has ended."
        return self._entry_gone()

    def _entry_gone(self) -> str:
        stamp = tuple(_stamp(path) for path in self._location.paths)
        if stamp == self._stamp:
            return ""
        try:
            access = read_access(self._location)
        except TiltGone:
            # A file that another Tilt has just truncated lacks every entry: only one that stays
            # so until the next look tells something.
            lasting, self._missing = stamp == self._missing, stamp
            gone = f"Tilt has taken its entry {self._access.context} away: it has ended."
            return gone if lasting else ""
        except TiltError:
            return ""  # being written: look again
        self._stamp = stamp
        if access != self._access:
            return f"Another Tilt has taken the entry {self._access.context} over."
        return ""


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return (found.st_ino, found.st_mtime_ns, found.st_size)


def process_exists(pid: int) -> bool:
    """Say whether there is such a process, whoever owns it."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
