"""Starts operators in miniature as the lab's developer, and reads what they tell."""

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
from tests.lab.eventual import TIMEOUT
from tests.lab.user import Dev

SCRIPT = Path(__file__).parent / "operator_side.py"
PACKAGE = Path(__file__).parents[3] / "operator"
Told = Mapping[str, Any]


class Operator:
    """One running operator. `told` is everything it has said so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.told: list[Told] = []
        self._lines: queue.Queue[str] = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line)

    def say(self, command: str) -> None:
        """Give a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(command + "\n")
        self.process.stdin.flush()

    def until(self, **wanted: object) -> Told:
        """Wait for something told from now on that has these values."""
        deadline = time.monotonic() + TIMEOUT
        while time.monotonic() < deadline:
            try:
                line = self._lines.get(timeout=1)
            except queue.Empty:
                continue
            told = json.loads(line)
            self.told.append(told)
            if all(told.get(key) == value for key, value in wanted.items()):
                return dict(told)
        raise AssertionError(f"{wanted} was not told, but {self.told}")

    def said(self, what: str) -> bool:
        """Whether a line of its log contains this."""
        return any(what in told.get("log", "") for told in self.told)

    def states(self) -> list[str]:
        """The states that it has told, in order, repetitions left out."""
        states = [told["state"] for told in self.told if "state" in told]
        return [one for at, one in enumerate(states) if at == 0 or states[at - 1] != one]


def popen(
    dev: Dev, *argv: str, env: Mapping[str, str] | None = None, stdout: int | None = None
) -> "subprocess.Popen[str]":
    """Start something as the developer that reads what we write."""
    return subprocess.Popen(
        argv,
        stdin=subprocess.PIPE,
        stdout=stdout,
        text=True,
        env=dev.environment if env is None else env,
        cwd="/",
        user=dev.uid,
        group=dev.gid,
        extra_groups=[],
    )


@contextmanager
def operator(
    dev: Dev,
    instance: str,
    *,
    linger: int = 0,
    askpass: bool = True,
    loop: str = "",
    also: Mapping[str, str] | None = None,
) -> Iterator[Operator]:
    """Run an operator as the developer; it closes at the end of the block.

    `also`: more for its environment.
    """
    argv = [sys.executable, str(SCRIPT), instance, str(linger), loop]
    env = {"PATH": os.defpath, "HOME": str(dev.home), "PYTHONPATH": str(PACKAGE)}
    env |= also or {}
    if askpass:
        env["SUDO_ASKPASS"] = str(dev.askpass)
    with popen(dev, *argv, env=env, stdout=subprocess.PIPE) as process:
        try:
            yield Operator(process)
        finally:
            # The end of stdin is the end of the operator.
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.wait(TIMEOUT)


def helpers() -> list[psutil.Process]:
    """Worker and guardian, and no sudo."""
    return processes("/usr/bin/python3", "pycache_prefix")


def processes(*words: str) -> list[psutil.Process]:
    """What runs here and begins with the first word and contains the others."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            argv = " ".join(process.cmdline())
            if argv.startswith(words[0]) and all(word in argv for word in words):
                found.append(process)
    return found


def paste(dev: Dev, message: str) -> "subprocess.Popen[str]":
    """Do what the message says, in a terminal of its own: its last line is sudo's."""
    line = message.splitlines()[-1].replace("sudo -- ", "sudo -S -- ")
    assert line.startswith("/usr/bin/sudo -S -- /usr/bin/python3 ")
    process = popen(dev, "sh", "-c", line)
    assert process.stdin is not None
    process.stdin.write(dev.password + "\n")
    process.stdin.flush()
    return process
