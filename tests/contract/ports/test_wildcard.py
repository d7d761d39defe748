"""A program that listens on all addresses, and a service on one of ours: what the kernel allows.

What docs/troubleshooting.md says of "address already in use" is this.
"""

import errno
import os
import re
import socket
import sys
from contextlib import ExitStack

import pytest
from tests.contract.ports.conftest import SERVICE, listener

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="other kernels have other rules")


IN_USE = re.escape(os.strerror(errno.EADDRINUSE))


def services(port: int = 0) -> socket.socket:
    """Listen for a service, as the helper does."""
    return socket.create_server((SERVICE, port), backlog=16)


OPTIONS = pytest.mark.parametrize(
    "options",
    [
        pytest.param((), id="plain"),
        pytest.param((socket.SO_REUSEADDR,), id="SO_REUSEADDR"),
        pytest.param((socket.SO_REUSEADDR, socket.SO_REUSEPORT), id="and SO_REUSEPORT"),
    ],
)
CLASHING = [
    pytest.param("0.0.0.0", True, id="all of IPv4"),
    pytest.param("::", True, id="all, as Node and Go do"),
    pytest.param("::ffff:0.0.0.0", True, id="all of IPv4, by an IPv6 socket"),
    pytest.param(SERVICE, True, id="the very address"),
]
PEACEFUL = [
    pytest.param("::", False, id="all of IPv6 only"),
    pytest.param("127.0.0.1", True, id="localhost"),
    pytest.param("::1", True, id="localhost of IPv6"),
]


@OPTIONS
@pytest.mark.parametrize("address, both", CLASHING)
def test_whoever_comes_second_is_refused(
    address: str, both: bool, options: tuple[int, ...]
) -> None:
    with services() as first, pytest.raises(OSError, match=IN_USE):
        listener(address, first.getsockname()[1], options=options, both=both)
    with (
        listener(address, options=options, both=both) as first,
        pytest.raises(OSError, match=IN_USE),
    ):
        services(first.getsockname()[1])


@OPTIONS
@pytest.mark.parametrize("address, both", PEACEFUL)
def test_both_listen_and_each_gets_its_own(
    address: str, both: bool, options: tuple[int, ...]
) -> None:
    with ExitStack() as stack:
        ours = stack.enter_context(services())
        port = ours.getsockname()[1]
        theirs = stack.enter_context(listener(address, port, options=options, both=both))
        stack.enter_context(socket.create_connection((SERVICE, port)))
        ours.settimeout(10)
        stack.enter_context(ours.accept()[0])
        own = "::1" if ":" in address else "127.0.0.1"
        stack.enter_context(socket.create_connection((own, port)))
        theirs.settimeout(10)
        stack.enter_context(theirs.accept()[0])
