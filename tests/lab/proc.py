"""One server of the lab: healthy, exited or timed out, whichever comes first.

A server's output goes to a file, whose end is shown when it fails. It is stopped by its own
process id, TERM and then KILL, and on Linux the kernel kills it when the process that started it
dies, however that dies.
"""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

HEALTHY_WITHIN = 60.0  # seconds; the slowest server needs three
POLL = 0.02  # seconds
_given: set[int] = set()

T = TypeVar("T")


class ServerError(Exception):
    """A server ended or did not become healthy in time; the message holds its last lines."""


def free_port() -> int:
    """Return a TCP port of 127.0.0.1 that is free now, and that this process never gave before."""
    for _ in range(100):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port: int = probe.getsockname()[1]
        if port not in _given:
            _given.add(port)
            return port
    raise ServerError("no free TCP port on 127.0.0.1")


def listening(port: int, host: str = "127.0.0.1") -> bool:
    """Say whether something accepts connections there."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, port)) == 0


def wait_for(condition: Callable[[], T], what: str, within: float = HEALTHY_WITHIN) -> T:
    """Wait until the answer is true; return it, or raise ServerError that says what was awaited."""
    ends = time.monotonic() + within
    while not (answer := condition()):
        if time.monotonic() > ends:
            raise ServerError(f"{what}: not within {within:.0f} s")
        time.sleep(POLL)
    return answer


def dying_with_parent(command: Sequence[str]) -> list[str]:
    """Return the command so that the kernel kills it when its parent dies (Linux only)."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--", *command] if setpriv else list(command)


class Server:
    """A child process that serves until it is stopped."""

    def __init__(
        self,
        name: str,
        command: Sequence[object],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        user: int | None = None,
        group: int | None = None,
        extra_groups: Iterable[int] | None = None,
    ) -> None:
        self.name, self.log = name, log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                dying_with_parent([str(part) for part in command]),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=env,
                cwd=folder,
                user=user,
                group=group,
                extra_groups=extra_groups,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    @property
    def output(self) -> str:
        """Everything that it wrote so far."""
        return self.log.read_text(errors="replace")

    def wait_healthy(self, check: Callable[[], object], within: float = HEALTHY_WITHIN) -> None:
        """Wait until the check is true; raise ServerError if it exits or time runs out first."""

        def healthy_or_exited() -> bool:
            return bool(check()) or self.exit_code is not None

        try:
            wait_for(healthy_or_exited, f"{self.name} is healthy", within)
        except ServerError as error:
            raise ServerError(f"{error}\n{self._tail()}") from None
        if self.exit_code is not None:
            raise ServerError(f"{self.name} exited with {self.exit_code}\n{self._tail()}")

    def wait_exited(self, within: float = HEALTHY_WITHIN) -> int:
        """Wait for its end and return the exit code; raise ServerError if it goes on."""
        try:
            return self._process.wait(within if within < float("inf") else None)
        except subprocess.TimeoutExpired:
            raise ServerError(
                f"{self.name} did not end in {within:.0f} s\n{self._tail()}"
            ) from None

    def _tail(self) -> str:
        return f"--- {self.log} ---\n" + "\n".join(self.output.splitlines()[-25:])

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.exit_code is None:
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.signal(signal.SIGKILL)
        self._process.wait(10)

    def stop(self, grace: float = 10.0) -> int:
        """SIGTERM, after `grace` seconds SIGKILL; return the exit code."""
        self.signal(signal.SIGTERM)
        try:
            self._process.wait(grace)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(10)
        return self._process.returncode


def stop_all(servers: Iterable[Server]) -> None:
    """Ask all of them to end at once, then wait for each; the last one started goes first."""
    running = list(servers)[::-1]
    for server in running:
        server.signal(signal.SIGTERM)
    for server in running:
        with contextlib.suppress(subprocess.TimeoutExpired):
            server.stop()


def alive(pid: int) -> bool:
    """Say whether a process runs; one that has ended and is only not waited for does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    status = Path(f"/proc/{pid}/stat")
    if not status.exists():
        return not Path("/proc/self").exists()
    with contextlib.suppress(FileNotFoundError):
        return status.read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def has_signal(pid: int, number: signal.Signals, *rows: str) -> bool:
    """Whether the kernel has this signal in one of a process's sets, as in /proc/PID/status."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    sets = dict(line.split(":\t", 1) for line in lines)
    return any(int(sets[row], 16) >> (number - 1) & 1 for row in rows)


def stopped(pid: int) -> bool:
    """Say whether a process is stopped, as by SIGSTOP."""
    return "State:\tT" in Path(f"/proc/{pid}/status").read_text()
