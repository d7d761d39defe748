"""Whoever has a port that we are refused is told, on the real kernel and of real processes."""

import errno
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.ports.conftest import OTHER, SERVICE, acting_as, listener

from kubefwd_operator.engines.occupant import Occupant, find
from kubefwd_operator.root.helper.ledger import Ledger
from kubefwd_operator.root.helper.listeners import Listeners
from kubefwd_operator.root.helper.protocol import Refusal

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells")

ALL = pytest.mark.parametrize(
    "address, shown",
    [
        pytest.param("0.0.0.0", "0.0.0.0", id="all of IPv4"),
        pytest.param("::", "[::]", id="all"),
        pytest.param("::ffff:0.0.0.0", "[::ffff:0.0.0.0]", id="IPv4 by an IPv6 socket"),
        pytest.param(SERVICE, SERVICE, id="the very address"),
    ],
)

SERVER = """
import socket, sys
server = socket.create_server((sys.argv[1], 0))
print(server.getsockname()[1], flush=True)
sys.stdin.read()
"""


def only(port: int) -> Occupant | None:
    return find([(SERVICE, port)]).get((SERVICE, port))


@ALL
def test_a_listener_of_ours(address: str, shown: str) -> None:
    with listener(address) as theirs:
        port = theirs.getsockname()[1]
        found = only(port)
    assert found is not None
    assert (found.listens, found.pid) == (f"{shown}:{port}", os.getpid())
    assert found.program == Path("/proc/self/comm").read_text().strip()
    assert only(port) is None


@pytest.fixture
def server() -> Iterator[tuple[int, int]]:
    """Run another program that listens everywhere; give its process and its port."""
    words = [sys.executable, "-c", SERVER, "0.0.0.0"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        yield process.pid, int(process.stdout.readline())
        process.communicate(timeout=10)


def test_who_keeps_the_helper_from_listening(server: tuple[int, int], tmp_path: Path) -> None:
    pid, port = server
    with pytest.raises(Refusal) as refused:
        Listeners(Ledger(str(tmp_path), "0.tilt-1")).listen(SERVICE, port)
    assert refused.value.code == "in-use"
    found = only(port)
    assert found is not None
    assert (found.pid, found.listens) == (pid, f"0.0.0.0:{port}")
    assert found.program.startswith("python")


@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: another user's program was not tried")
def test_of_another_user_the_user_is_told() -> None:
    with acting_as(OTHER):
        theirs = listener("0.0.0.0")
    with theirs:
        port = theirs.getsockname()[1]
        assert str(only(port)) == f"a program of user {OTHER} on 0.0.0.0:{port}"


@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: root's program was not tried")
def test_an_ordinary_user_is_told_that_it_is_roots() -> None:
    """As which the operator runs: the list of sockets is everybody's, processes are not."""
    with listener("0.0.0.0") as theirs:
        port = theirs.getsockname()[1]
        with acting_as(OTHER):
            assert str(only(port)) == f"a program of user root on 0.0.0.0:{port}"


def test_a_socket_that_is_bound_and_does_not_listen_is_nobodys() -> None:
    """The kernel does not list it, though it is in the way."""
    with listener(SERVICE, options=()) as probe:
        port = probe.getsockname()[1]
    with socket.socket() as silent:
        silent.bind(("0.0.0.0", port))
        with pytest.raises(OSError, match=re.escape(os.strerror(errno.EADDRINUSE))):
            listener(SERVICE, port)
        assert only(port) is None
