"""The main conversation with the oldest Python that root's code is for: 3.9, as macOS has it.

`make check` looks at the code for what 3.9 has not; here it runs, wherever there is a 3.9.
"""

import os
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.helper.harness import (
    FLAGS,
    ROOT,
    Connection,
    Machine,
    entry,
    eventually,
    gone,
    listens,
)

pytestmark = pytest.mark.contract
OLDEST = (3, 9)
IP = f"127.19.{os.getpid() % 200 + 20}.220"


def _candidates() -> Iterator[str]:
    name = f"python{OLDEST[0]}.{OLDEST[1]}"
    yield from filter(None, [shutil.which(name), f"/usr/bin/{name}"])
    # What pyenv puts on PATH is a script that works where a version was chosen.
    yield from map(str, sorted(Path.home().glob(f".pyenv/versions/3.9*/bin/{name}")))


def _is_oldest(python: str) -> bool:
    command = [python, *FLAGS, "-c", "import sys; print(*sys.version_info[:2])"]
    try:
        ran = subprocess.run(command, env={}, capture_output=True, timeout=30, check=False)
    except OSError:
        return False
    return ran.stdout.split() == [b"%d" % number for number in OLDEST]


@pytest.fixture(scope="module")
def oldest() -> str:
    for python in _candidates():
        if _is_oldest(python):
            return python
    pytest.skip("NOT TESTED: root's code on the oldest Python that it is for needs a python3.9")


@pytest.fixture
def old(machine: Machine, oldest: str) -> Machine:
    machine.python = oldest
    return machine


def _forward(connection: Connection, machine: Machine) -> None:
    listener = connection.listen(IP, 8080)
    with socket.create_connection((IP, 8080), timeout=30), listener.accept()[0]:
        pass
    answer = connection.hosts(entry(IP, "web", bare=True), entry(IP, "web", "corp"))
    assert answer["changed"]
    text = machine.hosts.read_text()
    assert f"{IP} web web.shop web.shop.svc web.shop.svc.cluster.local # " in text
    assert f"\n::ffff:{IP} web web.shop " in text
    assert "web.corp " not in text


def test_it_is_started_as_ever(oldest: str) -> None:
    ran = subprocess.run([oldest, *FLAGS, str(ROOT)], env={}, capture_output=True, check=False)
    assert (ran.returncode, ran.stdout) == (1, b"")
    assert ran.stderr.startswith(b"kubefwd-helper: usage: --instance ID")


def test_from_hello_to_bye(old: Machine) -> None:
    before = old.hosts.read_bytes()
    operator, process = old.operator(), old.start()
    connection = operator.accept()
    worker = connection.hello(linger=30)["pid"]
    assert Path(f"/proc/{worker}/exe").samefile(old.python)
    assert connection.ask("heartbeat") == {"ok": True}
    _forward(connection, old)
    refusals: list[tuple[str, dict[str, Any], str]] = [
        ("listen", {"ip": "127.0.0.1", "port": 80}, "foreign"),
        ("hosts", {"entries": [entry("127.18.250.250", "web")]}, "foreign"),
        ("exec", {}, "protocol"),
        ("hello", {"version": 1, "linger": 0}, "protocol"),
    ]
    for verb, fields, code in refusals:
        assert connection.ask(verb, **fields)["error"] == code
    assert connection.hosts()["changed"]
    assert connection.ask("release", ip=IP, port=8080) == {"ok": True}
    assert not listens(IP, 8080)
    assert connection.ask("bye") == {"ok": True}
    _, complaint = process.communicate(timeout=30)
    assert (process.returncode, complaint) == (0, b"")
    assert old.hosts.read_bytes() == before


@pytest.mark.parametrize("victim", ["pid", "guardian"], ids=["worker", "guardian"])
def test_the_survivor_undoes_everything(old: Machine, victim: str) -> None:
    before, operator = old.hosts.read_bytes(), old.operator()
    process = old.start()
    connection = operator.accept()
    answer = connection.hello(linger=300)
    _forward(connection, old)
    os.kill(answer[victim], signal.SIGKILL)
    eventually(lambda: process.poll() is not None and gone(answer["pid"], answer["guardian"]))
    assert old.hosts.read_bytes() == before
    assert list((old.state / "leases").iterdir()) == []


def test_a_restarted_operator_is_served_again(old: Machine) -> None:
    operator = old.operator()
    old.start()
    first = operator.accept()
    worker = first.hello(linger=60)["pid"]
    _forward(first, old)
    first.close()
    again = operator.accept()
    assert again.hello()["pid"] == worker
    assert "web" not in old.hosts.read_text()
    _forward(again, old)
    assert again.ask("purge") == {"ok": True}
