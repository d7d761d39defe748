"""One question to Linux: the owner of the TCP socket with exactly these two ends.

NETLINK_SOCK_DIAG (linux/sock_diag.h, linux/inet_diag.h) answers an exact look-up out of the table
of connections, however many there are, and anybody may ask. `request` and `answer` are pure.

- Sockets that are closed already, but not over, are reported with inode 0: as uid 0 up to Linux
  6.16, with their last owner's uid since. Those in TIME_WAIT are always uid 0 with inode 0.
- A dual-stack socket (Java's) is found by its IPv4 ends and reported with mapped IPv6 ones.
- Where no connection fits, the kernel looks for a listener on the first end: that is no answer.
- Without the kernel's module tcp_diag every answer is "no such socket": ask for a known one first.
"""

import errno
import os
import socket as sockets
import struct
from dataclasses import dataclass

End = tuple[str, int]
"""(IPv4 address, port)."""

_FAMILY, _BY_FAMILY, _REQUEST, _ERROR = 4, 20, 1, 2  # NETLINK_SOCK_DIAG, SOCK_DIAG_BY_FAMILY, ...
_HEADER = struct.Struct("=IHHII")  # length, type, flags, sequence, port
_ASK = struct.Struct("=BBBxI")  # family, protocol, extensions, states
_PORTS = struct.Struct("!HH")
_INTERFACE = struct.Struct("=III")  # interface, cookie
_FACTS = struct.Struct("=IIIII")  # expires, receive queue, send queue, uid, inode
_ID_SIZE = 48
_ANSWER_SIZE = _HEADER.size + 4 + _ID_SIZE + _FACTS.size

_LOOPBACK, _ANY_COOKIE = 1, 0xFFFFFFFF
"""The index of `lo`, the same everywhere: sockets that are bound to it are found only by it."""

_MAPPED = bytes(10) + b"\xff\xff"
_ANSWER_LIMIT = 4096  # bytes; an answer without extensions has 88


@dataclass(frozen=True, slots=True)
class Owner:
    """A socket's user, and its inode, which is 0 once nobody has the socket open."""

    uid: int
    inode: int


def request(source: End, destination: End, sequence: int) -> bytes:
    """Ask for the socket whose own end is `source`."""
    ask = _ASK.pack(sockets.AF_INET, sockets.IPPROTO_TCP, 0, _ANY_COOKIE)
    wanted = _PORTS.pack(source[1], destination[1]) + _padded(source) + _padded(destination)
    body = ask + wanted + _INTERFACE.pack(_LOOPBACK, _ANY_COOKIE, _ANY_COOKIE)
    return _HEADER.pack(_HEADER.size + len(body), _BY_FAMILY, _REQUEST, sequence, 0) + body


def answer(message: bytes, source: End, destination: End, sequence: int) -> Owner | None:
    """Read the kernel's answer; None: there is no such socket.

    Raises OSError when it answers with another error, or with what is no answer to this question.
    """
    if len(message) < _HEADER.size + 4:
        raise OSError(errno.EBADMSG, "an answer is too short")
    _, kind, _, about, _ = _HEADER.unpack_from(message)
    if about != sequence:
        raise OSError(errno.EBADMSG, "an answer to another question")
    if kind == _ERROR:
        _raise_unless_missing(*struct.unpack_from("=i", message, _HEADER.size))
        return None
    if kind != _BY_FAMILY or len(message) < _ANSWER_SIZE:
        raise OSError(errno.EBADMSG, "an answer of another kind")
    if not _is_about(message[_HEADER.size + 4 :], source, destination):
        return None
    *_, uid, inode = _FACTS.unpack_from(message, _HEADER.size + 4 + _ID_SIZE)
    return Owner(uid, inode)


class SockDiag:
    """A netlink socket to ask with. The kernel answers within the sending: nothing waits."""

    def __init__(self) -> None:
        """Open the socket. Raises OSError where there is no such thing."""
        kind = sockets.SOCK_RAW | sockets.SOCK_CLOEXEC | sockets.SOCK_NONBLOCK
        self._socket = sockets.socket(sockets.AF_NETLINK, kind, _FAMILY)
        self._sequence = 0

    def owner(self, source: End, destination: End) -> Owner | None:
        """Return the owner of the socket with these ends, if there is one. Raises OSError."""
        self._sequence = (self._sequence + 1) % (1 << 32)
        self._socket.sendto(request(source, destination, self._sequence), (0, 0))
        message = self._socket.recv(_ANSWER_LIMIT)
        return answer(message, source, destination, self._sequence)

    def close(self) -> None:
        """Close it."""
        self._socket.close()


def _raise_unless_missing(code: int) -> None:
    if -code != errno.ENOENT:
        raise OSError(-code, os.strerror(-code))


def _padded(end: End) -> bytes:
    return sockets.inet_aton(end[0]) + bytes(12)


def _is_about(identity: bytes, source: End, destination: End) -> bool:
    """Compare the ends that were found with those that were asked for, mapped ones too."""
    same = identity[:4] == _PORTS.pack(source[1], destination[1])
    found = (identity[4:20], identity[20:36])
    return same and all(map(_is_address, found, (source, destination)))


def _is_address(found: bytes, end: End) -> bool:
    address = sockets.inet_aton(end[0])
    return found == _MAPPED + address or found == address + bytes(12)
