"""TCP keepalive, by the names that its options have on each platform."""

import socket
from contextlib import suppress


def keep_alive(sock: socket.socket, *, idle: int, interval: int, count: int) -> None:
    """Probe after `idle` s of silence, then every `interval` s; `count` without answer are the end.

    What the platform has not, or does not let be set, is left at its own value.
    """
    options = {
        "TCP_KEEPIDLE": idle,
        "TCP_KEEPALIVE": idle,  # the same on macOS
        "TCP_KEEPINTVL": interval,
        "TCP_KEEPCNT": count,
    }
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for name, value in options.items():
            if hasattr(socket, name):
                sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
