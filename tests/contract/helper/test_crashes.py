"""The helper dies in the middle of a write of the real /etc/hosts of a place of its own.

Whether the file is a mount (written in place, from a journal) or not (replaced by rename): the
survivor makes it whole, and when there is none, the next start does. tests/unit/root has the same
at every line of the code.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.helper.harness import Machine, entry, eventually, gone

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
HOSTS = Path("/etc/hosts")
IP = "127.18.0.3"
SPARE = Path("/etc/.hosts.kubefwd-operator")
# Where it dies, whether the file is a mount, and what is there then.
STEPS = [
    pytest.param("spare", False, "before", id="the file beside it is written"),
    pytest.param("journal", True, "before", id="mounted, the journal is not in place yet"),
    pytest.param("untouched", True, "before", id="mounted, the journal is in place"),
    pytest.param("half", True, "torn", id="mounted, half is written"),
    pytest.param("whole", True, "ours", id="mounted, all is written, the journal is there"),
]


@contextlib.contextmanager
def _mounted(mounted: bool) -> Iterator[None]:
    """Make /etc/hosts a mount of its own, so that no rename replaces it."""
    if mounted:
        subprocess.run(["mount", "--bind", HOSTS, HOSTS], check=True)
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", HOSTS], check=True)


@pytest.fixture
def folder() -> Path:
    """A place with a short path, since a socket's has at most 108 bytes."""
    return Path(tempfile.mkdtemp(dir="/run"))


def _kind(before: bytes) -> str:
    now = HOSTS.read_bytes()
    ours = b"web.shop" in now and now.endswith(before)
    return "before" if now == before else "ours" if ours else "torn"


@pytest.mark.parametrize("step, mounted, there", STEPS)
@pytest.mark.parametrize("survived", [True, False], ids=["by the survivor", "at the next start"])
def test_a_crash_in_a_write_is_repaired(
    folder: Path, step: str, mounted: bool, there: str, survived: bool
) -> None:
    with _mounted(mounted):
        machine = Machine(folder, HOSTS)
        try:
            _crash_and_repair(machine, step, there, survived)
        finally:
            machine.close()


def _crash_and_repair(machine: Machine, step: str, there: str, survived: bool) -> None:
    before = HOSTS.read_bytes()
    operator = machine.operator()
    machine.crash = step
    process = machine.start()
    machine.crash = ""
    connection = operator.accept()
    answer = connection.hello(linger=300)
    connection.listen(IP, 8080).close()
    os.kill(answer["guardian"], signal.SIGSTOP)
    connection.send("hosts", entries=[entry(IP, "web")])
    assert process.wait(60) == -signal.SIGKILL
    assert _kind(before) == there
    assert SPARE.exists() == (step == "spare")
    assert (machine.state / "hosts.journal").exists() == (step in ("untouched", "half", "whole"))
    os.kill(answer["guardian"], signal.SIGCONT if survived else signal.SIGKILL)
    eventually(lambda: gone(answer["guardian"]))
    if not survived:
        assert _kind(before) == there
        other = machine.operator("tilt-10351")
        machine.start("tilt-10351")
        other.helper().ask("bye")
    assert HOSTS.read_bytes() == before
    left = {path.name for path in machine.state.iterdir() if "journal" in path.name}
    assert left <= {"hosts.journal.new"}  # root's own, and written anew by the next
    assert not SPARE.exists()
    assert list((machine.state / "leases").iterdir()) == []


def test_a_read_only_file_is_told_and_nothing_is_changed(folder: Path) -> None:
    machine = Machine(folder, HOSTS)
    before, info = HOSTS.read_bytes(), HOSTS.stat()
    with _mounted(mounted=True):
        subprocess.run(["mount", "-o", "remount,bind,ro", HOSTS], check=True)
        try:
            operator = machine.operator()
            machine.start()
            connection = operator.helper()
            connection.listen(IP, 8080).close()
            answer = connection.hosts(entry(IP, "web"))
            assert (answer["ok"], answer["error"]) == (False, "read-only")
            assert answer["message"].startswith("/etc/hosts cannot be written: ")
            assert connection.ask("bye") == {"ok": True}
        finally:
            machine.close()
    assert (HOSTS.read_bytes(), HOSTS.stat()) == (before, info)
    assert not (machine.state / "hosts.journal").exists()
    assert not SPARE.exists()
