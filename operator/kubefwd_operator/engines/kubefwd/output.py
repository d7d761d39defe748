"""What kubefwd says on its own, which is all that tells of some of its troubles.

Its lines have no date and a level in front, `ERRO[15:04:05] message` (read in its source, run). A
port-forward that fails is named by pod; a connection that finds its link half open only by ports.
"""

import logging
import re
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from kubefwd_operator.engines.kubefwd.rows import Forward

PodKey = tuple[str, str]
"""(namespace, pod)."""

QUIET = 300.0
"""Seconds in which the same line is logged once: kubefwd tries again every second, for ever."""

OFTEN = 3
"""Time-outs at one pair of ports that are enough to blame every pod that has it."""

_LEVEL = re.compile(r"(INFO|WARN|ERRO|FATA|DEBU|TRAC)(?:\[[^]]*\])?\s*")
_LEVELS = {"WARN": logging.INFO, "ERRO": logging.WARNING, "FATA": logging.ERROR}
_FAILED = re.compile(r"PortForward error on ([a-z0-9-]+)/([a-z0-9.-]+): (.+)")
_TIMED_OUT = re.compile(r"for port (\d+) -> (\d+):.*Timeout occurred")
_NUMBERS = re.compile(r"\d+")


@dataclass(frozen=True, slots=True)
class TimedOut:
    """A connection through local `port` to `pod_port` found no answer; `at` in Unix time."""

    port: int
    pod_port: int
    at: float

    def fits(self, ports: tuple[int, int]) -> bool:
        """Say whether it was at these ports."""
        return (self.port, self.pod_port) == ports


class Output:
    """Hears every line, logs what is news, and remembers the last troubles."""

    def __init__(self, log: logging.Logger, wall: Callable[[], float] = time.time) -> None:
        self._log, self._wall = log, wall
        self._said: dict[str, float] = {}
        self._failures: dict[PodKey, str] = {}
        self._timeouts: deque[TimedOut] = deque(maxlen=100)
        self.last = ""
        """The last line that was more than information: why it has ended, if it has."""

    def hear(self, line: str) -> None:
        """Take one line, without colours."""
        found = _LEVEL.match(line)
        level = _LEVELS.get(found[1], logging.DEBUG) if found else logging.INFO
        message = line[found.end() :] if found else line
        if level >= logging.WARNING or (not found and message):
            self.last = message
        if failed := _FAILED.search(message):
            self._failures[failed[1], failed[2]] = failed[3]
        if ports := _TIMED_OUT.search(message):
            self._timeouts.append(TimedOut(int(ports[1]), int(ports[2]), self._wall()))
        self._log.log(self._news(message, level), "kubefwd: %s", message)

    def _news(self, message: str, level: int) -> int:
        """Return the level at which to log it: a repetition is no news."""
        now, kind = self._wall(), _NUMBERS.sub("0", message)
        repeated = now - self._said.get(kind, now - QUIET) < QUIET
        if not repeated:
            self._said = {key: at for key, at in self._said.items() if now - at < QUIET}
            self._said[kind] = now
        return logging.DEBUG if repeated else level

    @property
    def last_words(self) -> str:
        """The same as an end of a sentence, empty when there are none."""
        return f" Its last words: {self.last}" if self.last else ""

    def failure(self, pod: PodKey) -> str:
        """Return what the last port-forward to a pod failed of, in kubefwd's words."""
        return self._failures.get(pod, "")

    def half_open(self, rows: Iterable[Forward]) -> frozenset[PodKey]:
        """Return the pods that time-outs mean, of rows that are older than these.

        kubefwd names ports only. Several pods that fit are meant when it has timed out often: they
        are mended together then, since nothing tells which of them it was.
        """
        counts: dict[PodKey, Counter[tuple[int, int]]] = {}
        for row in rows:
            ports = (row.port, row.pod_port)
            times = sum(each.fits(ports) and row.started < each.at for each in self._timeouts)
            if times:
                counts.setdefault((row.namespace, row.pod), Counter())[ports] += times
        pods = Counter(ports for found in counts.values() for ports in found)
        return frozenset(
            pod
            for pod, found in counts.items()
            for ports, times in found.items()
            if pods[ports] == 1 or times >= OFTEN
        )

    def forget(self) -> None:
        """Begin anew: kubefwd is another one."""
        self._failures.clear()
        self._timeouts.clear()
        self.last = ""
