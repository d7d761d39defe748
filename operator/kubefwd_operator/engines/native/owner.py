"""Whose connection is it: the owner of the socket at the other end of an accepted one.

What differs between platforms is here. Linux is asked (`sockdiag.py`). Elsewhere nobody is: macOS
tells only by way of a list of all sockets of all processes, which takes too long for each
connection, and root to be complete; there, connections of everybody are taken (docs/security.md).
"""

import errno
import os
import socket as sockets
import sys
from typing import Protocol

from kubefwd_operator.engines.native.sockdiag import Owner, SockDiag


class Owners(Protocol):
    """Tells owners."""

    def of(self, connection: sockets.socket) -> Owner | None:
        """Return who has the other end of a connection; None: nobody any more. Raises OSError."""

    def close(self) -> None:
        """Tell no more."""


class LinuxOwners:
    """Tells them by NETLINK_SOCK_DIAG."""

    def __init__(self) -> None:
        """Find out whether it works. Raises OSError where it does not, as in some containers."""
        self._diag = SockDiag()
        try:
            self._try()
        except OSError:
            self.close()
            raise

    def of(self, connection: sockets.socket) -> Owner | None:
        """Look up the client's socket: its own end is our peer, its peer is us."""
        return self._diag.owner(connection.getpeername(), connection.getsockname())

    def close(self) -> None:
        """Close the socket that it asks with."""
        self._diag.close()

    def _try(self) -> None:
        """Ask for a socket of ours: a kernel that does not know it knows none.

        It is connected with itself (RFC 9293, simultaneous open), so that nobody else can come
        between and make this look as if the kernel could not tell.
        """
        with sockets.socket() as ours:
            ours.bind(("127.0.0.1", 0))
            ours.connect(ours.getsockname())
            found = self._diag.owner(ours.getsockname(), ours.getpeername())
            if found != Owner(os.getuid(), os.fstat(ours.fileno()).st_ino):
                raise OSError(errno.ENOTSUP, "it does not know our own socket")


def ask() -> Owners | None:
    """Return who tells owners here; None on a platform that is not asked.

    Raises OSError when the kernel should tell and does not.
    """
    return LinuxOwners() if sys.platform == "linux" else None
