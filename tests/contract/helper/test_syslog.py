"""What the helper says to the system's log, read where the log's daemon reads it: /dev/log."""

import contextlib
import os
import re
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.helper.harness import Machine, entry, eventually

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
DEV = Path("/dev")
NULL = os.makedev(1, 3)
IP = "127.18.0.3"
AUTHPRIV, INFO = 10, 6  # of RFC 3164


@pytest.fixture
def log() -> Iterator[socket.socket]:
    """A daemon's socket, in a /dev that nobody outside this namespace sees."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=0755", "dev", DEV], check=True)
    try:
        os.mknod(DEV / "null", stat.S_IFCHR | 0o666, NULL)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as daemon:
            daemon.bind(str(DEV / "log"))
            daemon.settimeout(60)
            yield daemon
    finally:
        subprocess.run(["umount", "-l", DEV], check=True)


def _lines(daemon: socket.socket) -> list[str]:
    """Return what was logged so far: a datagram is there when syslog() has returned."""
    lines = []
    daemon.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            lines.append(daemon.recv(1 << 16).decode())
    return lines


def test_each_privileged_action_is_one_line_of_authpriv(
    log: socket.socket,
) -> None:
    machine = Machine(Path(tempfile.mkdtemp(dir="/run")))  # a socket's path is short
    operator = machine.operator()
    process = machine.start()
    connection = operator.accept()
    connection.hello(30)
    connection.listen(IP, 8080).close()
    connection.hosts(entry(IP, "web"))
    assert connection.ask("heartbeat") == {"ok": True}
    assert connection.ask("listen", ip="127.0.0.1", port=80)["error"] == "foreign"
    assert connection.ask("bye") == {"ok": True}
    eventually(lambda: process.poll() is not None)
    machine.close()
    said = [re.fullmatch(r"<(\d+)>.{15} kubefwd-helper\[(\d+)\]: (.*?)\0?", x) for x in _lines(log)]
    rows = [match.groups() for match in said if match]
    assert [text for _, _, text in rows] == [
        "0.tilt-10350: hello linger=30 done",
        f"0.tilt-10350: listen ip={IP} port=8080 done",
        "0.tilt-10350: hosts entries=1 done",
        "0.tilt-10350: bye done",
    ]
    for priority, pid, _ in rows:
        assert divmod(int(priority), 8) == (AUTHPRIV, INFO)
        assert int(pid) == process.pid
