"""The real kernel says whose a connection is: ours, another user's, a closed one's."""

import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from kubefwd_operator.engines.native.admission import Admission
from kubefwd_operator.engines.native.owner import LinuxOwners
from kubefwd_operator.engines.native.sockdiag import Owner, SockDiag

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux is asked for owners")

SERVICE = "127.18.0.3"  # an address as services have them
OTHER = 34568  # a uid that nobody has


@pytest.fixture
def owners() -> Iterator[LinuxOwners]:
    made = LinuxOwners()
    yield made
    made.close()


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server((SERVICE, 0)) as made:
        yield made


@contextmanager
def connected(
    server: socket.socket, client: socket.socket | None = None
) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Give a client of ours and what was accepted of it."""
    with client or socket.socket() as ours:
        where = server.getsockname()
        ours.connect((f"::ffff:{where[0]}", where[1]) if ours.family == socket.AF_INET6 else where)
        accepted, _ = server.accept()
        with accepted:
            yield ours, accepted


def me(client: socket.socket) -> Owner:
    return Owner(os.getuid(), os.fstat(client.fileno()).st_ino)


def test_our_own_socket_is_ours(owners: LinuxOwners, server: socket.socket) -> None:
    with connected(server) as (client, accepted):
        assert owners.of(accepted) == me(client)


def test_a_dual_stack_socket_is_found(owners: LinuxOwners, server: socket.socket) -> None:
    with connected(server, socket.socket(socket.AF_INET6)) as (client, accepted):
        assert owners.of(accepted) == me(client)


def test_a_socket_that_is_bound_to_loopback_is_found(
    owners: LinuxOwners, server: socket.socket
) -> None:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, b"lo")
    with connected(server, bound) as (client, accepted):
        assert owners.of(accepted) == me(client)


def test_a_half_closed_socket_still_has_its_owner(
    owners: LinuxOwners, server: socket.socket
) -> None:
    with connected(server) as (client, accepted):
        client.shutdown(socket.SHUT_WR)
        assert owners.of(accepted) == me(client)


def test_a_closed_socket_is_uid_0_with_inode_0(owners: LinuxOwners, server: socket.socket) -> None:
    with connected(server) as (client, accepted):
        client.sendall(b"and gone")
        client.close()
        assert owners.of(accepted) == Owner(0, 0)


def test_a_listener_on_the_clients_end_is_not_taken_for_it(server: socket.socket) -> None:
    with socket.create_server((SERVICE, 0)) as listener:
        diag = SockDiag()
        assert diag.owner(listener.getsockname(), server.getsockname()) is None
        diag.close()


def test_a_thousand_look_ups_leave_nothing_behind(
    owners: LinuxOwners, server: socket.socket
) -> None:
    with connected(server) as (client, accepted):
        assert {owners.of(accepted) for _ in range(1000)} == {me(client)}


def test_after_its_end_nobody_is_told_and_so_nobody_gets_in(server: socket.socket) -> None:
    admission = Admission(os.getuid(), lambda: None)
    admission.start()
    with connected(server) as (_, accepted):
        assert admission.admits(accepted, ("shop", "web"))
        admission.close()
        assert not admission.admits(accepted, ("shop", "web"))


@pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: another user's socket was not tried")
@pytest.mark.parametrize("asking", [0, OTHER + 1], ids=["root asks", "an ordinary user asks"])
def test_another_users_socket_is_that_users(server: socket.socket, asking: int) -> None:
    with acting_as(OTHER):
        theirs = socket.socket()
    with connected(server, theirs) as (_, accepted), acting_as(asking):
        diag = SockDiag()
        found = diag.owner(accepted.getpeername(), accepted.getsockname())
        diag.close()
    assert found is not None
    assert found.uid == OTHER
    assert found.inode


@contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Act as that user meanwhile: a socket is of whoever opens it."""
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
