"""Telling a client that has closed from one that has only finished sending.

Both send FIN and the wire shows no difference, yet with `v4.channel.k8s.io` a FIN cannot be passed
on to the pod: without telling them apart, every keep-alive connection that a client has closed
would occupy a pod until the pod tires of it. The client is on this machine, so the kernel knows:
a socket that no process holds any more has inode 0 (sock_diag, which needs no privilege). Where
there is no sock_diag, keepalive does it a minute later: the kernel answers it with a reset when
the closed socket is forgotten.
"""

import socket as sockets
import struct
import sys

from kubefwd_operator.cluster.keepalive import keep_alive

_NETLINK_SOCK_DIAG, _SOCK_DIAG_BY_FAMILY, _REQUEST = 4, 20, 1
_HEADER = struct.Struct("=IHHII")
_QUERY = struct.Struct("=BBBxI2s2s4s12x4s12xIII")
_INODE = struct.Struct("=I")
_INODE_AT = _HEADER.size + 68
_ANY = 0xFFFFFFFF


def watch_client(socket: sockets.socket) -> None:
    """Let the kernel probe a client that has sent FIN."""
    keep_alive(socket, idle=15, interval=5, count=3)


def abandoned(socket: sockets.socket) -> bool:
    """Say whether the process at the other end of this loopback connection has let go of it."""
    try:
        if socket.getsockopt(sockets.SOL_SOCKET, sockets.SO_ERROR):
            return True
        return sys.platform == "linux" and _orphan(socket.getpeername(), socket.getsockname())
    except OSError:
        return False


def _orphan(client: tuple[str, int], server: tuple[str, int]) -> bool:
    """Ask for exactly one socket, the client's own; one that is not found proves nothing."""
    query = _QUERY.pack(
        sockets.AF_INET,
        sockets.IPPROTO_TCP,
        0,
        _ANY,
        client[1].to_bytes(2, "big"),
        server[1].to_bytes(2, "big"),
        sockets.inet_aton(client[0]),
        sockets.inet_aton(server[0]),
        0,
        _ANY,
        _ANY,
    )
    header = _HEADER.pack(_HEADER.size + len(query), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0)
    kind = sockets.SOCK_RAW | sockets.SOCK_CLOEXEC | sockets.SOCK_NONBLOCK
    with sockets.socket(sockets.AF_NETLINK, kind, _NETLINK_SOCK_DIAG) as netlink:
        netlink.sendto(header + query, (0, 0))
        answer = netlink.recv(4096)
    if (
        len(answer) < _INODE_AT + _INODE.size
        or _HEADER.unpack_from(answer)[1] != _SOCK_DIAG_BY_FAMILY
    ):
        return False
    return bool(_INODE.unpack_from(answer, _INODE_AT)[0] == 0)
