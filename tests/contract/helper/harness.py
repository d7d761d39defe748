"""The unprivileged side, as plainly as can be, and a real helper on places of the test's own."""

import contextlib
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[3] / "operator/kubefwd_operator/root"
FLAGS = ["-I", "-S", "-B", "-X", "pycache_prefix=/dev/null"]
PYTHON = ["/usr/bin/python3", *FLAGS]
T = TypeVar("T")


def eventually(probe: Callable[[], T], timeout: float = 30) -> T:
    """Return the first true answer of `probe`; fail when there is none in time."""
    until = time.monotonic() + timeout
    while not (answer := probe()):
        assert time.monotonic() < until, f"not within {timeout} s: {probe}"
        time.sleep(0.02)
    return answer


@contextlib.contextmanager
def acting_as(uid: int) -> Iterator[None]:
    """Act as that user: what is made is his, and his are the credentials of listen()."""
    os.setegid(uid)
    os.seteuid(uid)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


class Connection:
    """One helper that has connected."""

    def __init__(self, sock: socket.socket, stack: contextlib.ExitStack) -> None:
        self.sock, self.buffer, self.fds, self.number = sock, b"", list[int](), 0
        self.stack = stack
        stack.callback(sock.close)
        sock.settimeout(30)

    def send(self, verb: str, **fields: Any) -> None:
        self.number += 1
        self.raw(json.dumps({"id": self.number, "verb": verb, **fields}).encode() + b"\n")

    def raw(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self) -> dict[str, Any] | None:
        """Return the next answer, None at the end of the connection."""
        while b"\n" not in self.buffer:
            data, fds, flags, _ = socket.recv_fds(self.sock, 1 << 16, 4)
            assert not flags & socket.MSG_CTRUNC
            self.fds += fds
            if not data:
                return None
            self.buffer += data
        line, self.buffer = self.buffer.split(b"\n", 1)
        answer: dict[str, Any] = json.loads(line)
        return answer

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        self.send(verb, **fields)
        answer = self.read()
        assert answer is not None, f"{verb}: the connection has ended"
        assert answer.pop("id") == self.number
        return answer

    def hello(self, linger: int = 0) -> dict[str, Any]:
        answer = self.ask("hello", version=1, linger=linger)
        assert answer["ok"], answer
        return answer

    def listen(self, ip: str, port: int) -> socket.socket:
        answer = self.ask("listen", ip=ip, port=port)
        assert answer == {"ok": True}, answer
        [fd] = self.fds
        self.fds.clear()
        sock = socket.socket(fileno=fd)
        self.stack.callback(sock.close)
        return sock

    def hosts(self, *entries: dict[str, Any]) -> dict[str, Any]:
        return self.ask("hosts", entries=list(entries))

    def close(self) -> None:
        self.sock.close()


def entry(
    ip: str,
    service: str,
    namespace: str = "shop",
    pod: str = "",
    bare: bool = False,
    short: bool = True,
    hostnames: tuple[str, ...] = (),
) -> dict[str, Any]:
    """One entry of a `hosts` request."""
    return {
        "ip": ip,
        "service": service,
        "namespace": namespace,
        "pod": pod,
        "bare": bare,
        "short": short,
        "hostnames": hostnames,
    }


class Operator:
    """Listens where the helper looks: `folder` is the run directory, made as the operator does."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack, uid: int = 0) -> None:
        self.folder, self.stack = folder, stack
        with acting_as(uid):
            for one in (folder.parent, folder):
                one.mkdir(mode=0o700, exist_ok=True)
            fresh = folder / f"helper.{os.urandom(4).hex()}"
            self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self.sock.bind(str(fresh))
            self.sock.listen(8)
            fresh.rename(folder / "helper.sock")
        stack.callback(self.sock.close)
        self.sock.settimeout(30)

    def accept(self) -> Connection:
        return Connection(self.sock.accept()[0], self.stack)

    def helper(self, linger: int = 0) -> Connection:
        """Accept a helper and greet it."""
        connection = self.accept()
        connection.hello(linger)
        return connection

    def close(self) -> None:
        self.sock.close()
        with contextlib.suppress(FileNotFoundError):
            (self.folder / "helper.sock").unlink()


class Machine:
    """A hosts file (or the namespace's own), a state folder and run directories of the test's."""

    def __init__(self, folder: Path, hosts: Path | None = None) -> None:
        self.hosts, self.state, self.run_user = folder / "etc/hosts", folder / "state", folder / "u"
        self.hosts.parent.mkdir(exist_ok=True)
        self.hosts = hosts or self.hosts
        self.python = PYTHON[0]
        self.crash = ""  # where crash.py kills a helper in a write of the hosts file
        self.hosts.write_bytes(b"127.0.0.1\tlocalhost\n# mine, without an end")
        self.processes: list[subprocess.Popen[bytes]] = []
        self.stack = contextlib.ExitStack()
        for uid in (0, 65534):
            (self.run_user / str(uid)).mkdir(parents=True, mode=0o700)
            os.chown(self.run_user / str(uid), uid, uid)
        folder.chmod(0o755)

    def run_directory(self, instance: str = "tilt-10350", uid: int = 0) -> Path:
        return self.run_user / str(uid) / "kubefwd-operator" / instance

    def operator(self, instance: str = "tilt-10350", uid: int = 0) -> Operator:
        return Operator(self.run_directory(instance, uid), self.stack, uid)

    def start(
        self,
        instance: str = "tilt-10350",
        /,
        *more: str,
        uid: int = 0,
        private: float = True,
        **limits: float,
    ) -> subprocess.Popen[bytes]:
        """Start a helper of that user and instance. `private`: mount namespaces exist."""
        places = {"hosts": self.hosts, "state": self.state, "run_user": self.run_user}
        paths = json.dumps({key: str(path) for key, path in places.items()} | limits)
        arguments = ["--instance", instance, "--uid", str(uid), *more]
        script = Path(__file__).with_name("crash.py" if self.crash else "start.py")
        environment = ({} if private else {"NOT_PRIVATE": "1"}) | (
            {"CRASH": self.crash} if self.crash else {}
        )
        process = subprocess.Popen(
            [self.python, *FLAGS, str(script), str(ROOT), paths, *arguments],
            env=environment,
            stderr=subprocess.PIPE,
        )
        self.processes.append(process)
        return process

    def close(self) -> None:
        self.stack.close()
        for process in self.processes:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            try:
                process.communicate(timeout=30)
            finally:
                process.kill()


def gone(*pids: int) -> bool:
    """Whether none of these processes lives."""
    return not any(_lives(pid) for pid in pids)


def _lives(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state not in "ZX"


def listens(ip: str, port: int) -> bool:
    """Whether somebody accepts connections there."""
    with contextlib.suppress(OSError), socket.create_connection((ip, port), timeout=5):
        return True
    return False


def arguments_of(pids: Sequence[int]) -> list[str]:
    return [Path(f"/proc/{pid}/cmdline").read_text() for pid in pids]
