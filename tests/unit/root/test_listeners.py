"""Listening sockets: what stops them, and when their address goes back."""

import contextlib
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.unit.root.leases import ours

from kubefwd_operator.root.helper import listeners as module
from kubefwd_operator.root.helper.ledger import Ledger
from kubefwd_operator.root.helper.listeners import Listeners
from kubefwd_operator.root.helper.protocol import Refusal

IP = "127.18.77.3"


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(str(tmp_path / "state"), "1000.tilt-10350")


@pytest.fixture
def listeners(ledger: Ledger) -> Iterator[Listeners]:
    made = Listeners(ledger)
    yield made
    made.close(made._ledger.mine)


def _port() -> int:
    with socket.create_server((IP, 0)) as free:
        return int(free.getsockname()[1])


def _answers(port: int) -> bool:
    with contextlib.suppress(ConnectionRefusedError), socket.create_connection((IP, port)):
        return True
    return False


def _copy(sock: socket.socket) -> socket.socket:
    return socket.socket(fileno=os.dup(sock.fileno()))


def test_release_stops_the_copy_that_was_passed_on(listeners: Listeners) -> None:
    port = _port()
    with _copy(listeners.listen(IP, port)):
        assert _answers(port)
        listeners.release(IP, port)
        assert not _answers(port)


def test_close_stops_all_and_it_can_listen_again_at_once(listeners: Listeners) -> None:
    ports = [_port(), _port()]
    with contextlib.ExitStack() as stack:
        for port in ports:
            stack.enter_context(_copy(listeners.listen(IP, port)))
        listeners.close(lambda owner: owner == "7.dead")
        assert all(map(_answers, ports))
        listeners.close(listeners._ledger.mine)
        assert not any(map(_answers, ports))
        for port in ports:
            listeners.listen(IP, port)
        assert all(map(_answers, ports))


def test_a_second_listen_replaces_the_first(listeners: Listeners) -> None:
    port = _port()
    with _copy(listeners.listen(IP, port)):
        assert listeners.listen(IP, port).fileno() >= 0
        assert _answers(port)


def test_the_address_goes_back_with_its_last_listener(listeners: Listeners, ledger: Ledger) -> None:
    one, two = _port(), _port()
    listeners.listen(IP, one)
    listeners.listen(IP, two)
    listeners.release(IP, one)
    assert ours(ledger) == {IP}
    listeners.release(IP, two)
    assert ours(ledger) == set()


def test_the_address_stays_while_the_hosts_file_names_it(
    listeners: Listeners, ledger: Ledger
) -> None:
    port = _port()
    listeners.listen(IP, port)
    listeners.name({IP})
    listeners.release(IP, port)
    assert ours(ledger) == {IP}
    listeners.name(set())
    assert ours(ledger) == set()


def test_the_address_stays_while_something_listens(listeners: Listeners, ledger: Ledger) -> None:
    listeners.listen(IP, _port())
    listeners.name({IP})
    listeners.name(set())
    assert ours(ledger) == {IP}


def test_a_taken_port_is_told_by_address_and_gives_the_lease_back(
    listeners: Listeners, ledger: Ledger
) -> None:
    with socket.create_server((IP, 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Refusal, match=f"{IP}:{port}") as refusal:
            listeners.listen(IP, port)
    assert refusal.value.code == "in-use"
    assert ours(ledger) == set()


def test_there_is_a_limit(listeners: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_LISTENERS", 2)
    one, two = _port(), _port()
    listeners.listen(IP, one)
    listeners.listen(IP, two)
    with pytest.raises(Refusal) as refusal:
        listeners.listen(IP, _port())
    assert refusal.value.code == "limit"
    listeners.listen(IP, two)


def test_release_of_what_is_not_ours_is_no_error(listeners: Listeners) -> None:
    listeners.release(IP, 1)


def test_an_address_that_is_not_this_machine_s_is_an_error_of_the_system(
    listeners: Listeners, ledger: Ledger
) -> None:
    with pytest.raises(OSError, match="assign requested address"):
        listeners.listen("192.0.2.1", 80)
    assert ours(ledger) == set()
