"""What a check has found, and what doctor was asked about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from kubefwd_operator.core.settings import Settings
from kubefwd_operator.tilt.session import TiltAccess


class Level(StrEnum):
    """How bad it is: as it should be, worth a look, or a reason why it does not work."""

    OK = "ok"
    WARN = "warning"
    FAIL = "fail"


_CODES = {Level.OK: 0, Level.WARN: 1, Level.FAIL: 2}


@dataclass(frozen=True, slots=True)
class Finding:
    """One sentence about one thing. `fix` says what to do; it is empty when all is well."""

    level: Level
    sentence: str
    fix: str = ""


def ok(sentence: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(Level.OK, sentence)


def warn(sentence: str, fix: str) -> Finding:
    """Say that something is worth a look."""
    return Finding(Level.WARN, sentence, fix)


def fail(sentence: str, fix: str) -> Finding:
    """Say why it does not work."""
    return Finding(Level.FAIL, sentence, fix)


def exit_code(findings: Sequence[Finding]) -> int:
    """Return 0 when all is well, 1 with warnings, 2 when it will not work."""
    return max((_CODES[finding.level] for finding in findings), default=0)


@dataclass(frozen=True, slots=True)
class Case:
    """What doctor is asked about.

    `status` is the running operator's status.json, None when there is none; `absence` then says
    why, and `broken` whether that is a fault. `tilt` is the Tilt that runs, if any. `namespaces`
    are those given by hand; `home` is where `.kube/config` is.
    """

    settings: Settings
    environ: Mapping[str, str]
    home: Path
    namespaces: tuple[str, ...] = ()
    tilt: TiltAccess | None = None
    status: Mapping[str, Any] | None = None
    absence: str = ""
    broken: bool = False

    @property
    def wanted(self) -> tuple[str, ...]:
        """The namespaces of the running operator, and those that were given; maybe none."""
        rows = (self.status or {}).get("namespaces") or ()
        return tuple(dict.fromkeys([*(str(row["name"]) for row in rows), *self.namespaces]))

    @property
    def engine(self) -> str:
        """The engine that forwards now, empty when none does."""
        return str((self.status or {}).get("engine") or "")
