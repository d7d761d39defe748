"""Hostile neighbours of a running helper: another local user, and programs of the same user.

Every attack is a row with a name, and its outcome is asserted: what is planted on the way to the
run directory, who listens there, what is sent, what is put into root's folder, and what surrounds
the start. The helper is the real one, as root, on places of the test's own.
"""

import array
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.helper.harness import (
    PYTHON,
    ROOT,
    Connection,
    Machine,
    acting_as,
    entry,
    eventually,
    gone,
)

pytestmark = pytest.mark.contract
USER, STRANGER = 65534, 65533
IP = f"127.19.{os.getpid() % 200 + 20}.210"
PLACES = 'worker.Paths("/etc/hosts", "/var/run/kubefwd-operator", "/run/user")'
Attack = Callable[[Path], None]


def _link(up: int) -> Attack:
    """Put a link to the real thing, which stays the user's, in place of a level of the path."""

    def plant(folder: Path) -> None:
        level = folder.parents[up - 1] if up else folder
        real = level.with_name(f"{level.name}.real")
        level.rename(real)
        level.symlink_to(real)
        os.chown(level, USER, USER, follow_symlinks=False)

    return plant


def _mode(mode: int) -> Attack:
    return lambda folder: folder.chmod(mode)


def _not_a_folder(make: Callable[[Path], object]) -> Attack:
    def plant(folder: Path) -> None:
        folder.rename(folder.with_name("away"))
        make(folder)
        os.chown(folder, USER, USER)

    return plant


def _given_away(folder: Path) -> None:
    os.chown(folder, STRANGER, STRANGER)


@pytest.mark.parametrize(
    "plant",
    [
        pytest.param(_link(2), id="the runtime directory is a link"),
        pytest.param(_link(1), id="kubefwd-operator is a link"),
        pytest.param(_link(0), id="the instance is a link"),
        pytest.param(_not_a_folder(Path.touch), id="the instance is a file"),
        pytest.param(_not_a_folder(os.mkfifo), id="the instance is a pipe that nobody reads"),
        pytest.param(_given_away, id="the instance is another user's"),
        pytest.param(_mode(0o770), id="the group may write"),
        pytest.param(_mode(0o707), id="everybody may write"),
    ],
)
def test_a_planted_path_is_not_walked(machine: Machine, plant: Attack) -> None:
    operator = machine.operator(uid=USER)
    plant(operator.folder)
    process = machine.start(uid=USER, patience=0.4)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert b"No operator listens" in complaint
    operator.sock.settimeout(0)
    with pytest.raises(BlockingIOError):
        operator.sock.accept()


def _sockets_place(machine: Machine) -> Path:
    folder = machine.run_directory(uid=USER)
    with acting_as(USER):
        folder.mkdir(parents=True, mode=0o700)
    return folder / "helper.sock"


def _listen(machine: Machine, place: Path, uid: int) -> socket.socket:
    sock = machine.stack.enter_context(socket.socket(socket.AF_UNIX))
    sock.bind(str(place))
    with acting_as(uid):
        sock.listen(64)
    sock.settimeout(30)
    return sock


def _gets_nothing(sock: socket.socket) -> None:
    """It is told nothing, however it asks."""
    with contextlib.suppress(BrokenPipeError):
        sock.sendall(b'{"id": 1, "verb": "hello", "version": 1, "linger": 300}\n')
    with contextlib.suppress(ConnectionResetError):
        assert sock.recv(1 << 16) == b""


@pytest.mark.parametrize("uid", [STRANGER, 0], ids=["another user's", "root's"])
@pytest.mark.parametrize("linked", [False, True], ids=["in place", "behind a link"])
def test_a_listener_of_another_uid_is_told_nothing(
    machine: Machine, uid: int, linked: bool
) -> None:
    place = _sockets_place(machine)
    listener = _listen(machine, machine.state.parent / "theirs" if linked else place, uid)
    if linked:
        place.symlink_to(machine.state.parent / "theirs")
    process = machine.start(uid=USER, patience=0.5)
    with listener.accept()[0] as accepted:
        _gets_nothing(accepted)
    _, complaint = process.communicate(timeout=30)
    assert process.returncode == 1
    assert f"not of uid {USER}".encode() in complaint


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo, Path.mkdir], ids=["file", "pipe", "dir"])
def test_what_is_no_socket_does_not_hold_it(
    machine: Machine, make: Callable[[Path], object]
) -> None:
    make(_sockets_place(machine))
    process = machine.start(uid=USER, patience=0.3)
    assert process.wait(timeout=30) == 1


def test_a_strangers_listener_that_races_for_the_place_never_gets_an_answer(
    machine: Machine,
) -> None:
    place = _sockets_place(machine)
    theirs = _listen(machine, place, STRANGER)
    machine.start(uid=USER, patience=30)
    for turn in range(5):  # each look of the helper finds the stranger, and goes away again
        with theirs.accept()[0] as accepted:
            _gets_nothing(accepted)
        other = machine.state.parent / f"again-{turn}"
        theirs.close()
        theirs = _listen(machine, other, STRANGER)
        other.replace(place)
    mine = machine.operator(uid=USER).helper()
    assert mine.ask("heartbeat") == {"ok": True}


class Served:
    """A helper with one operator of the user."""

    def __init__(self, machine: Machine, linger: int = 60, **limits: float) -> None:
        self.machine, self.before = machine, machine.hosts.read_bytes()
        self.operator = machine.operator(uid=USER)
        self.process = machine.start(uid=USER, **limits)
        self.connection = self.operator.accept()
        self.answer = self.connection.hello(linger)
        self.worker, self.guardian = self.answer["pid"], self.answer["guardian"]

    def forward(self) -> None:
        self.connection.listen(IP, 8080)
        assert self.connection.hosts(entry(IP, "web"))["changed"]

    def descriptors(self) -> list[str]:
        return sorted(fd.name for fd in Path(f"/proc/{self.worker}/fd").iterdir())

    def clean(self) -> bool:
        leases = list((self.machine.state / "leases").iterdir())
        return self.machine.hosts.read_bytes() == self.before and not leases


def test_a_second_operator_does_not_get_at_what_is_served(machine: Machine) -> None:
    """A program of the same user takes the place; the helper goes on with whom it has."""
    served = Served(machine)
    served.forward()
    rival = machine.operator(uid=USER)
    rival.sock.settimeout(0)
    assert served.connection.ask("heartbeat") == {"ok": True}
    with pytest.raises(BlockingIOError):
        rival.sock.accept()
    assert not served.clean()


def test_a_replayed_hello_is_refused_and_a_replayed_session_finds_no_lease(
    machine: Machine,
) -> None:
    served = Served(machine, linger=60)
    served.forward()
    again = served.connection.ask("hello", version=1, linger=300)
    assert again["error"] == "protocol"
    served.connection.close()
    eventually(served.clean)
    replayed = served.operator.helper(60)
    assert replayed.hosts(entry(IP, "web"))["error"] == "foreign"
    assert served.clean()


def test_descriptors_that_are_sent_to_it_are_not_kept(machine: Machine) -> None:
    served = Served(machine)
    assert served.connection.ask("heartbeat") == {"ok": True}
    before = served.descriptors()
    with Path(os.devnull).open("rb") as null:
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [null.fileno()] * 200))]
        for number in range(1000, 1050):
            line = json.dumps({"id": number, "verb": "heartbeat"}).encode() + b"\n"
            served.connection.sock.sendmsg([line], rights)
            assert served.connection.read() == {"id": number, "ok": True}
    assert served.descriptors() == before


def test_a_writer_that_never_ends_its_line_is_silent(machine: Machine) -> None:
    served = Served(machine, silence=1)
    served.forward()
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while not served.clean():
            served.connection.raw(b" ")
            time.sleep(0.05)  # the pace of the attack, not a wait for anything
            assert time.monotonic() < began + 20
    eventually(served.clean)


def _peak(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    [line] = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(line.split()[1])


def _write_large_lines(connection: Connection) -> None:
    line = b'{"id": 1, "verb": "' + b"x" * ((1 << 20) - 64) + b'"}\n'
    for _ in range(50):
        connection.raw(line)
        answer = connection.read()
        assert answer is not None
        assert answer["error"] == "protocol"


def test_large_lines_without_an_end_cost_no_more_memory_than_a_few(machine: Machine) -> None:
    served = Served(machine)
    _write_large_lines(served.connection)
    assert _peak(served.worker) < 64 * 1024
    assert served.connection.ask("heartbeat") == {"ok": True}


def _plant(folder: Path, seal: Path) -> None:
    """Put own code wherever an import could find it, beside and in place of root's modules."""
    code = f"open({str(seal)!r}, 'w').close()\n"
    for name in ("json", "socket", "errno", "traceback", "linecache", "subprocess", "ctypes"):
        (folder / f"{name}.py").write_text(code)
    for name in ("_json", "fcntl", "_bisect"):
        (folder / f"{name}.so").write_bytes(b"\x7fELF")
    (folder / "encodings").mkdir()
    (folder / "encodings/idna.py").write_text(code)
    cache = folder / "helper/__pycache__"
    cache.mkdir()
    (cache / "names.cpython-311.pyc").write_bytes(b"\0" * 64)
    for module in (folder / "helper").glob("*.py"):
        module.write_text(code + module.read_text().replace("from __future__", "# "))


def _own_copy(machine: Machine) -> Path:
    """Copy root's folder; only the places in its `__main__` are the test's."""
    folder = machine.state.parent / "root"
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("__pycache__"))
    main = folder / "__main__.py"
    places = repr(tuple(str(one) for one in (machine.hosts, machine.state, machine.run_user)))
    text = main.read_text()
    assert PLACES in text
    main.write_text(text.replace(PLACES, f"worker.Paths{places}"))
    return folder


def test_what_is_planted_into_its_folder_after_the_start_is_never_run(machine: Machine) -> None:
    folder, seal = _own_copy(machine), machine.state.parent / "seal"
    before, operator = machine.hosts.read_bytes(), machine.operator(uid=USER)
    command = [*PYTHON, str(folder), "--instance", "tilt-10350", "--uid", str(USER)]
    machine.processes.append(subprocess.Popen(command, env={}, stderr=subprocess.PIPE))
    connection = operator.accept()
    answer = connection.hello(300)
    _plant(folder, seal)
    connection.listen(IP, 8080)
    assert connection.hosts(entry(IP, "web"))["changed"]
    assert connection.ask("nonsense")["error"] == "protocol"
    os.kill(answer["pid"], signal.SIGKILL)  # so that the guardian's undo runs as well
    eventually(lambda: gone(answer["pid"], answer["guardian"]))
    assert machine.hosts.read_bytes() == before
    assert not seal.exists()
    # The plants are good ones: before it is started, the folder is as trustworthy as the account.
    subprocess.run(command, env={}, capture_output=True, timeout=60, check=False)
    assert seal.exists()


HOSTILE = {
    "PATH": "/tmp/evil",
    "PYTHONPATH": "/tmp/evil",
    "PYTHONHOME": "/tmp/evil",
    "PYTHONSTARTUP": "/tmp/evil.py",
    "LD_PRELOAD": "/tmp/evil.so",
    "LD_LIBRARY_PATH": "/tmp/evil",
    "TMPDIR": "/tmp/evil",
    "PKEXEC_UID": "1",
    "SUDO_UID": "1",
    "SUDO_USER": "daemon",
    "HOME": "/tmp/evil",
}


def test_nothing_of_a_hostile_environment_survives_sudo(machine: Machine) -> None:
    sudo = shutil.which("sudo")
    if sudo is None:
        pytest.skip("NOT TESTED: the environment behind sudo needs sudo")
    folder, operator = _own_copy(machine), machine.operator()
    command = [sudo, "-n", "--", *PYTHON, str(folder), "--instance", "tilt-10350"]
    machine.processes.append(subprocess.Popen(command, env=HOSTILE, stderr=subprocess.PIPE))
    answer = operator.accept().hello()  # uid 0: sudo says who asked, not the environment
    text = Path(f"/proc/{answer['pid']}/environ").read_text()
    first = dict(line.split("=", 1) for line in text.split("\0") if line)
    assert first["SUDO_UID"] == "0"
    kept = {name: first[name] for name in HOSTILE if first.get(name) == HOSTILE[name]}
    assert kept == {}
    assert not first.keys() & {"LD_PRELOAD", "LD_LIBRARY_PATH", "PYTHONPATH", "PKEXEC_UID"}


@pytest.mark.parametrize("name", sorted(set(HOSTILE) - {"LD_PRELOAD", "PKEXEC_UID", "SUDO_UID"}))
def test_a_variable_that_gets_through_changes_nothing(machine: Machine, name: str) -> None:
    """As where a sudoers file keeps it, or `sudo -E` is allowed."""
    folder, operator = _own_copy(machine), machine.operator(uid=USER)
    command = [*PYTHON, str(folder), "--instance", "tilt-10350"]
    environ = {"SUDO_UID": str(USER), name: HOSTILE[name]}
    machine.processes.append(subprocess.Popen(command, env=environ, stderr=subprocess.PIPE))
    connection = operator.helper()
    connection.listen(IP, 8080)
    assert connection.hosts(entry(IP, "web"))["changed"]


@pytest.mark.parametrize(
    "environ",
    [
        pytest.param({"SUDO_UID": str(USER), "PKEXEC_UID": str(USER)}, id="both, equal"),
        pytest.param({"SUDO_UID": str(USER), "PKEXEC_UID": "0"}, id="both, different"),
        pytest.param({"SUDO_UID": "0x0"}, id="not a number"),
        pytest.param({"SUDO_UID": ""}, id="empty"),
        pytest.param({"SUDO_UID": "-1"}, id="negative"),
        pytest.param({"SUDO_UID": "4294967295"}, id="nobody's"),
    ],
)
def test_an_uncertain_uid_ends_it_before_it_touches_anything(
    machine: Machine, environ: dict[str, str]
) -> None:
    command = [*PYTHON, str(_own_copy(machine)), "--instance", "tilt-10350"]
    ran = subprocess.run(command, env=environ, capture_output=True, timeout=30, check=False)
    assert ran.returncode == 1
    assert ran.stderr.startswith(b"kubefwd-helper: ")
    assert not machine.state.exists()
