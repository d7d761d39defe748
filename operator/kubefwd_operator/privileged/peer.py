"""Who is at the other end of a Unix socket: the one place that knows how each system tells it.

The credentials are the kernel's, taken when the peer connected, so they cannot be claimed.
"""

import socket
import struct
import sys
from pathlib import Path

_SOL_LOCAL = 0
_LOCAL_PEERCRED = 1
_XUCRED_VERSION = 0


def uid_of(connection: socket.socket) -> int:
    """Effective user id of whoever connected. Raises OSError when the system does not tell."""
    if sys.platform == "darwin":
        return _darwin(connection)
    size = struct.calcsize("iII")
    _pid, uid, _gid = struct.unpack(
        "iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return int(uid)


def _darwin(connection: socket.socket) -> int:
    """`struct xucred` of sys/ucred.h: version, uid, ngroups, groups[16]."""
    raw = connection.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, struct.calcsize("IIh16I"))
    version, uid = struct.unpack_from("II", raw)
    if version != _XUCRED_VERSION:
        raise OSError(f"LOCAL_PEERCRED answered with version {version}")
    return int(uid)


def descends(pid: int, ancestor: int) -> bool | None:
    """Whether process `pid` was started below `ancestor`; None where /proc does not tell."""
    while pid > 1 and pid != ancestor:
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        # pid (name) state ppid ...; the name may hold anything, so the last parenthesis counts.
        pid = int(stat.rpartition(")")[2].split()[1])
    return pid == ancestor
