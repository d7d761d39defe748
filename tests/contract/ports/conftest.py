"""Listeners of a developer's own, as programs open them, on the real kernel."""

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

SERVICE = "127.18.0.3"  # an address as services have them
OTHER = 34568  # a uid that nobody has


def listener(
    address: str,
    port: int = 0,
    *,
    options: Sequence[int] = (socket.SO_REUSEADDR,),
    both: bool = True,
) -> socket.socket:
    """Listen as a program does: with socket options; `both` lets `::` take IPv4 as well."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    made = socket.socket(family)
    try:
        for option in options:
            made.setsockopt(socket.SOL_SOCKET, option, 1)
        if family == socket.AF_INET6:
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, not both)
        made.bind((address, port))
        made.listen()
    except OSError:
        made.close()
        raise
    return made


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Act as that user meanwhile: a socket is of whoever opens it."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
