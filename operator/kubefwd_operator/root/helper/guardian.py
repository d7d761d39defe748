"""The second root process. Whichever of worker and guardian survives the other undoes everything.

It is forked before anything is changed and before any connection, so it holds no listener and no
connection. It keeps nothing in memory either: what to undo follows from ledger and hosts file.
"""

import os
import select
import signal
import socket
from collections.abc import Callable


def fork(undo: Callable[[], None]) -> tuple[socket.socket, int]:
    """Start the guardian. Return the worker's end of a pair, and the guardian's pid."""
    ours, theirs = socket.socketpair()
    worker = os.getpid()
    if pid := os.fork():
        theirs.close()
        return ours, pid
    try:
        ours.close()
        os.setsid()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, signal.SIG_IGN)
        # The parent's pid tells the worker's end even if its end of the pair has leaked somewhere.
        while os.getppid() == worker and not select.select([theirs], [], [], 0.5)[0]:
            pass
        undo()
    finally:
        os._exit(0)
