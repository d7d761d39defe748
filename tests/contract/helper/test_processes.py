"""Worker and guardian, for real and as root, on files of the test's own."""

import contextlib
import ctypes
import itertools
import os
import resource
import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.contract.helper.harness import (
    Connection,
    Machine,
    acting_as,
    entry,
    eventually,
    gone,
    listens,
)

from kubefwd_operator.core.names import HostsEntry
from kubefwd_operator.privileged.rivals import Contested, contested
from kubefwd_operator.privileged.withheld import withheld

pytestmark = pytest.mark.contract
NOBODY = 65534
_addresses = (f"127.19.{os.getpid() % 200 + 20}.{n}" for n in itertools.count(1))


class Running:
    """A helper that serves one name and one listener, and what the hosts file was before."""

    def __init__(self, machine: Machine, linger: int = 0, *, uid: int = 0, **limits: float) -> None:
        self.machine, self.before = machine, machine.hosts.read_bytes()
        self.operator = machine.operator(uid=uid)
        self.process = machine.start(uid=uid, **limits)
        self.connection = self.operator.accept()
        answer = self.connection.hello(linger)
        self.worker, self.guardian = answer["pid"], answer["guardian"]
        self.ip = next(_addresses)
        self.forward()

    def forward(self) -> None:
        self.socket = self.connection.listen(self.ip, 8080)
        assert self.connection.hosts(entry(self.ip, "web", bare=True))["changed"]
        assert b"web.shop.svc.cluster.local" in self.machine.hosts.read_bytes()
        assert listens(self.ip, 8080)

    def clean(self) -> bool:
        """Whether all is as it was, whatever the operator still holds."""
        leases = list((self.machine.state / "leases").iterdir())
        return self.machine.hosts.read_bytes() == self.before and not leases

    def ended(self) -> bool:
        return self.process.poll() is not None and gone(self.worker, self.guardian)


def test_the_end_of_the_connection_undoes_everything_and_the_linger_ends(machine: Machine) -> None:
    running = Running(machine, linger=1)
    running.connection.close()
    eventually(running.clean)
    assert not listens(running.ip, 8080), "the copy that the operator holds still listens"
    running.operator.close()
    eventually(running.ended)
    assert running.process.returncode == 0


def test_within_the_linger_an_operator_goes_on_with_the_same_helper(machine: Machine) -> None:
    running = Running(machine, linger=60)
    running.connection.close()
    running.operator.close()
    eventually(running.clean)
    running.operator = machine.operator()
    running.connection = running.operator.accept()
    answer = running.connection.hello(0)
    assert (answer["pid"], answer["guardian"]) == (running.worker, running.guardian)
    running.forward()
    assert running.connection.ask("bye") == {"ok": True}
    assert running.connection.read() is None
    eventually(running.ended)
    assert running.clean()


def test_the_newest_operator_wins_when_the_old_one_lets_go(machine: Machine) -> None:
    running = Running(machine, linger=60)
    newest = machine.operator()
    running.connection.close()
    newest.helper()
    assert running.clean()


def test_hostnames_are_written_where_the_command_line_lets_them_end(machine: Machine) -> None:
    operator = machine.operator()
    machine.start("tilt-10350", "--hostnames", "dev.example.com")
    connection = operator.accept()
    assert connection.hello()["hostnames"] == ["dev.example.com"]
    ip = next(_addresses)
    connection.listen(ip, 8080)
    names = ("shop.test", "api.dev.example.com", "bank.com", "wpad.test")
    assert connection.hosts(entry(ip, "web", hostnames=names))["ok"]
    lines = [line for line in machine.hosts.read_text().splitlines() if line.startswith(ip)]
    assert [line.split(" # ")[0].split()[-2:] for line in lines] == [list(names[:2])]
    assert not any(name.encode() in machine.hosts.read_bytes() for name in names[2:])


@pytest.mark.parametrize("verb", ["bye", "purge"])
def test_the_last_word_ends_at_once_without_a_linger(machine: Machine, verb: str) -> None:
    running = Running(machine, linger=300)
    assert running.connection.ask(verb) == {"ok": True}
    assert running.clean()
    eventually(running.ended)
    assert running.process.returncode == 0


def test_silence_is_an_end_and_a_heartbeat_is_not(machine: Machine) -> None:
    running = Running(machine, linger=60, silence=0.8)
    until = time.monotonic() + 2
    while time.monotonic() < until:
        assert running.connection.ask("heartbeat") == {"ok": True}
    assert not running.clean()
    running.connection.raw(b'{"id": 1')  # half a line is silence, too
    eventually(running.clean)
    assert running.connection.read() is None
    running.connection = running.operator.helper()
    running.forward()


def _kill(name: str, number: int) -> Callable[[Running], None]:
    return lambda running: os.kill(getattr(running, name), number)


@pytest.mark.parametrize(
    "end",
    [
        pytest.param(_kill("worker", signal.SIGKILL), id="SIGKILL of the worker"),
        pytest.param(_kill("guardian", signal.SIGKILL), id="SIGKILL of the guardian"),
    ],
)
def test_the_survivor_undoes_everything(machine: Machine, end: Callable[[Running], None]) -> None:
    running = Running(machine, linger=300)
    end(running)
    assert running.connection.read() is None
    eventually(running.clean)
    eventually(running.ended)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_to_end_undoes_everything_without_the_guardian(
    machine: Machine, number: int
) -> None:
    running = Running(machine, linger=300)
    os.kill(running.guardian, signal.SIGSTOP)
    machine.stack.callback(_go_on, running.guardian)
    os.kill(running.worker, number)
    assert running.connection.read() is None
    eventually(running.clean)
    assert not listens(running.ip, 8080)
    _go_on(running.guardian)
    eventually(running.ended)
    assert running.process.returncode == 0


def _go_on(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("name", ["worker", "guardian"])
@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGPIPE])
def test_a_lost_terminal_changes_nothing(machine: Machine, name: str, number: int) -> None:
    running = Running(machine)
    _kill(name, number)(running)
    assert running.connection.ask("heartbeat") == {"ok": True}
    assert not gone(running.worker, running.guardian)


def test_the_guardian_sees_the_end_although_the_worker_s_descriptors_leaked(
    machine: Machine,
) -> None:
    running = Running(machine)
    held = []
    for fd in Path(f"/proc/{running.worker}/fd").iterdir():
        with contextlib.suppress(OSError):
            held.append(_steal(running.worker, int(fd.name)))
    os.kill(running.worker, signal.SIGKILL)
    eventually(running.clean)
    eventually(lambda: gone(running.guardian))
    for one in held:
        os.close(one)


def _steal(pid: int, fd: int) -> int:
    """Hold a descriptor of another process, as a leak would (pidfd_getfd)."""
    pidfd = os.pidfd_open(pid)
    try:
        got = ctypes.CDLL(None, use_errno=True).syscall(438, pidfd, fd, 0)
        if got < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
        return int(got)
    finally:
        os.close(pidfd)


def test_the_guardian_holds_neither_listener_nor_connection(machine: Machine) -> None:
    running = Running(machine)

    def holds_only_its_own() -> bool:
        """The guardian closes what it inherited soon after the fork, which nobody waits for."""
        folder = Path(f"/proc/{running.guardian}/fd")
        files = {fd.name: str(fd.readlink()) for fd in folder.iterdir()}
        assert {name: files.pop(name) for name in "01"} == dict.fromkeys("01", "/dev/null")
        del files["2"]
        kinds = sorted(link.split(":")[0].rsplit(".", 1)[-1] for link in files.values())
        assert kinds == ["alive", "socket"]
        return True

    eventually(holds_only_its_own)


def test_when_both_are_killed_the_next_start_sweeps(machine: Machine) -> None:
    running = Running(machine)
    for pid in (running.guardian, running.worker):
        os.kill(pid, signal.SIGSTOP)
    for pid in (running.guardian, running.worker):
        os.kill(pid, signal.SIGKILL)
    eventually(running.ended)
    assert not running.clean()
    other = machine.operator("tilt-10351")
    machine.start("tilt-10351")
    other.helper()
    assert running.clean()


def test_a_second_helper_of_one_instance_does_not_start(machine: Machine) -> None:
    running = Running(machine)
    second = machine.start(patience=0.3)
    _, complaint = second.communicate(timeout=30)
    assert second.returncode == 1
    assert b"Another helper" in complaint
    assert running.connection.ask("heartbeat") == {"ok": True}


def test_without_an_operator_it_ends_and_says_so(machine: Machine) -> None:
    process = machine.start(patience=0.3)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"No operator listens for 0.tilt-10350" in complaint


def test_an_operator_that_does_not_greet_it_is_left(machine: Machine) -> None:
    _ = machine.operator()
    process = machine.start(patience=0.3, silence=600)
    process.communicate(timeout=30)
    assert process.returncode == 1


def test_it_waits_for_an_operator_that_is_not_there_yet(machine: Machine) -> None:
    machine.start()
    eventually((machine.state / "leases").exists)
    machine.operator().helper()


def test_a_wrong_peer_in_the_right_place_is_refused(machine: Machine) -> None:
    machine.run_directory().mkdir(parents=True, mode=0o700)
    wrong = machine.stack.enter_context(socket.socket(socket.AF_UNIX))
    wrong.bind(str(machine.run_directory() / "helper.sock"))
    with acting_as(NOBODY):
        wrong.listen(8)
    wrong.settimeout(30)
    process = machine.start(patience=0.5)
    connection = machine.stack.enter_context(wrong.accept()[0])
    assert connection.recv(1) == b"", "it must not say anything to a wrong peer"
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"not of uid 0" in complaint


def test_a_user_who_is_not_root_is_served_in_his_own_directory(machine: Machine) -> None:
    running = Running(machine, uid=NOBODY)
    assert f"{NOBODY}.tilt-10350".encode() in machine.hosts.read_bytes()
    running.connection.close()
    eventually(running.clean)


def _answers(connection: Connection, data: bytes) -> list[dict[str, Any]]:
    connection.raw(data)
    answers = []
    while answer := connection.read():
        answers.append(answer)
    return answers


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"nonsense\n", id="not JSON"),
        pytest.param(b"x" * (1 << 20) + b"x" * 70_000, id="a line without an end"),
        pytest.param(b"\n", id="an empty line"),
    ],
)
def test_lost_framing_is_answered_and_ends_the_connection(machine: Machine, data: bytes) -> None:
    running = Running(machine, linger=60)
    with contextlib.suppress(ConnectionResetError):
        [answer] = _answers(running.connection, data)
        assert (answer["id"], answer["error"]) == (None, "protocol")
    eventually(running.clean)
    running.operator.helper()  # it lingers, as after any other end


def test_a_refused_request_costs_nothing_else(machine: Machine) -> None:
    running = Running(machine)
    refused: list[tuple[str, dict[str, Any], str]] = [
        ("exec", {"argv": ["/bin/sh"]}, "protocol"),
        ("listen", {"ip": "127.0.0.1", "port": 80}, "foreign"),
        ("listen", {"ip": running.ip, "port": 0}, "protocol"),
        ("hosts", {"entries": [entry("127.18.250.250", "web")]}, "foreign"),
        ("hosts", {"entries": [entry(running.ip, "web")] * 4097}, "limit"),
        ("hosts", {"entries": [{**entry(running.ip, "web"), "name": "x.com"}]}, "protocol"),
    ]
    for verb, fields, code in refused:
        assert running.connection.ask(verb, **fields)["error"] == code
    assert listens(running.ip, 8080)
    assert b"web.shop" in machine.hosts.read_bytes()


def test_several_requests_in_one_packet_are_answered_in_order(machine: Machine) -> None:
    running = Running(machine)
    lines = b"".join(b'{"id": %d, "verb": "heartbeat"}\n' % n for n in range(50))
    for byte in (lines[:7], lines[7:]):
        running.connection.raw(byte)
    assert [running.connection.read() for _ in range(50)] == [
        {"id": n, "ok": True} for n in range(50)
    ]


class Rivals:
    """Two helpers of two users on one machine."""

    def __init__(self, machine: Machine) -> None:
        self.first = Running(machine)
        self.operator = machine.operator(uid=NOBODY)
        machine.start(uid=NOBODY)
        self.second = self.operator.helper()


def test_two_users_never_share_an_address(machine: Machine) -> None:
    rivals = Rivals(machine)
    answer = rivals.second.ask("listen", ip=rivals.first.ip, port=9090)
    assert answer["error"] == "leased"
    assert "0.tilt-10350" in answer["message"]
    assert rivals.second.hosts(entry(rivals.first.ip, "api"))["error"] == "foreign"
    rivals.first.connection.ask("bye")
    rivals.second.listen(rivals.first.ip, 9090).close()


def test_a_name_stays_with_the_first_and_passes_on_at_its_end(machine: Machine) -> None:
    rivals = Rivals(machine)
    ip = next(_addresses)
    rivals.second.listen(ip, 8080).close()
    wanted = [HostsEntry(ip, service, "shop") for service in ("web", "api")]
    assert rivals.second.hosts(*(one._asdict() for one in wanted))["changed"]
    assert {
        (one.name, one.reason, one.holder) for one in withheld(wanted, machine.hosts.read_bytes())
    } == {
        ("web.shop", "held-by-instance", "0.tilt-10350"),
        ("web.shop.svc", "held-by-instance", "0.tilt-10350"),
        ("web.shop.svc.cluster.local", "held-by-instance", "0.tilt-10350"),
    }
    assert f"{ip} api.shop ".encode() in machine.hosts.read_bytes()
    names = ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local")
    assert contested(("web", *names), machine.hosts.read_bytes()) == tuple(
        Contested(name, f"{NOBODY}.tilt-10350") for name in names
    )
    rivals.first.connection.ask("bye")
    assert rivals.second.hosts(*(one._asdict() for one in wanted))["changed"]
    assert withheld(wanted, machine.hosts.read_bytes()) == ()
    rivals.second.ask("bye")
    assert machine.hosts.read_bytes() == rivals.first.before


def test_it_serves_as_many_listeners_as_a_large_cluster_has(machine: Machine) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # what a login has
    try:
        running = Running(machine)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    base = running.ip.rsplit(".", 1)[0]
    for number in range(1500):
        running.connection.listen(f"{base}.{200 + number % 50}", 10_000 + number).close()
    running.connection.close()
    eventually(running.clean)


def test_a_full_hosts_request_is_answered(machine: Machine) -> None:
    running = Running(machine)
    entries = [entry(running.ip, f"service-{n}") for n in range(4096)]
    done = {"ok": True, "changed": True}
    assert running.connection.hosts(*entries) == done
    assert running.connection.hosts() == done
    assert machine.hosts.read_bytes() == running.before


def test_an_operator_that_reads_no_answers_is_silent(machine: Machine) -> None:
    running = Running(machine, silence=1)
    bulk = b'{"id": 1, "verb": "nonsense"}\n' * 20_000
    running.connection.sock.settimeout(5)
    with contextlib.suppress(TimeoutError, ConnectionError):
        while True:
            running.connection.raw(bulk)
    eventually(running.clean)


def test_the_environment_and_the_folder_are_clean(machine: Machine) -> None:
    running = Running(machine)
    for pid in (running.worker, running.guardian):
        assert Path(f"/proc/{pid}/cwd").readlink() == Path("/")
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Umask:\t0077" in status
    worker, guardian = (os.getsid(pid) for pid in (running.worker, running.guardian))
    assert worker != guardian


def test_operator_and_helper_agree_on_what_is_a_helper(machine: Machine) -> None:
    operator = machine.operator()
    machine.start()
    connection = operator.accept()
    credentials = connection.sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    assert int.from_bytes(credentials[4:8], "little") == 0
