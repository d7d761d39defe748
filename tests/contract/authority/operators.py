"""Starts operators in miniature on a Machine, and reads what they tell."""

import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from tests.contract.authority.machine import ROOT, USER, Machine

PATIENCE = 60.0
Told = Mapping[str, Any]


class Operator:
    """One running operator. `told` is everything it has said so far."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.pid = 0
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
        deadline = time.monotonic() + PATIENCE
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


@contextmanager
def operator(
    machine: Machine, instance: str, *, linger: int = 0, askpass: bool = True, loop: str = ""
) -> Iterator[Operator]:
    """Run an operator as the throw-away user; it closes at the end of the block."""
    script = str(Path(__file__).parent / "operator_side.py")
    argv = [sys.executable, script, instance, str(linger), loop]
    environ = {"PATH": os.defpath, "HOME": str(machine.home), "PYTHONPATH": str(ROOT / "operator")}
    if askpass:
        environ["SUDO_ASKPASS"] = str(machine.askpass)
    with subprocess.Popen(
        machine.argv(argv, USER),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environ,
        cwd="/",
    ) as process:
        try:
            one = Operator(process)
            one.pid = one.until()["pid"]
            yield one
        finally:
            # The end of stdin is the end of the operator; nsenter itself would leave it behind.
            assert process.stdin is not None
            with suppress(BrokenPipeError):
                process.stdin.close()
            process.send_signal(signal.SIGCONT)  # nsenter stops when what it runs is stopped
            process.wait(PATIENCE)
