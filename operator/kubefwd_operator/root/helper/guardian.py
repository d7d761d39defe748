"""The second root process. Whichever of worker and guardian survives the other undoes everything.

It is forked before anything is changed and before any connection, so it holds no listener and no
connection. It keeps nothing in memory either: what to undo follows from ledger and hosts file.
"""

import contextlib
import os
import select
import signal
import socket
import sys
import syslog
from collections.abc import Callable


def say(message: str) -> None:
    """Write a line to the system's log and to standard error, which may be gone."""
    syslog.syslog(message)
    with contextlib.suppress(OSError, ValueError):
        print(f"kubefwd-helper: {message}", file=sys.stderr, flush=True)  # noqa: T201 - its output


def fork(undo: Callable[[], None], keep: int) -> tuple[socket.socket, int]:
    """Start the guardian. Return the worker's end of the pair, and the guardian's pid.

    `keep` is the one descriptor, beside standard error, that it holds on to: the lock of life.
    """
    ours, theirs = socket.socketpair()
    worker = os.getpid()
    if pid := os.fork():
        theirs.close()
        return ours, pid
    try:
        _watch(theirs.fileno(), worker, keep)
        undo()
    finally:
        os._exit(0)


def _watch(pair: int, worker: int, keep: int) -> None:
    os.setsid()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    low = 3
    for fd in (*sorted((pair, keep)), min(os.sysconf("SC_OPEN_MAX"), 1 << 20)):
        os.closerange(low, fd)
        low = fd + 1
    poll = select.poll()
    poll.register(pair, select.POLLIN)
    # The parent's pid tells the worker's end even if its end of the pair has leaked somewhere.
    while os.getppid() == worker and not poll.poll(500):
        pass
