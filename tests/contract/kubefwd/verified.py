"""Whether the contract, as it is here, was kept by the real kubefwd: `verified.json` says when.

The stand-in is worth what it was compared with. So a pytest in which every test of the contract
has passed on the real kubefwd writes down its version, the date, and what was tried: the hashes of
suite and stand-in. A part of the suite, or one failure, writes nothing.

    python -m tests.contract.kubefwd.verified            fails, and says what has changed since
    python -m tests.contract.kubefwd.verified --warn     says it only
"""

import ast
import hashlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.contract.kubefwd.binary import real
from tests.lab.isolate import REPORTS

FOLDER = Path(__file__).parent
RECORD = "verified.json"
TESTS = ("test_api.py", "test_forwards.py")
PARTS = {"suite": ("conftest.py", "kit.py", *TESTS), "stand_in": ("binary.py", "stand_in/*.py")}
HOW = "put it on PATH and run `make test`, or pytest on tests/contract/kubefwd"

Record = Mapping[str, str]


def hashes(folder: Path) -> dict[str, str]:
    """Return the SHA-256 of each part: names and contents of its files."""
    return {part: _hash(folder, patterns) for part, patterns in PARTS.items()}


def _hash(folder: Path, patterns: Sequence[str]) -> str:
    made = hashlib.sha256()
    for file in sorted(file for pattern in patterns for file in folder.glob(pattern)):
        content = hashlib.sha256(file.read_bytes()).hexdigest()
        made.update(f"{file.relative_to(folder).as_posix()} {content}\n".encode())
    return made.hexdigest()


def stale(record: Record | None, found: Record) -> str:
    """Say what is not as it was when the real kubefwd was tried; "" when everything is."""
    if record is None:
        return f"The contract was never tried on the real kubefwd: {HOW}."
    names = {"suite": "the suite", "stand_in": "the stand-in"}
    changed = [names[part] for part in PARTS if record.get(part) != found[part]]
    if not changed:
        return ""
    when = f"version {record.get('version')} on {record.get('date')}"
    what = " and ".join(changed)
    return f"Since the contract was tried on the real kubefwd ({when}), {what} changed: {HOW}."


def read(folder: Path) -> Record | None:
    """Return what was written down; None for nothing."""
    file = folder / RECORD
    return dict(json.loads(file.read_text())) if file.exists() else None


def named_tests(text: str) -> set[str]:
    """Return the names of the tests of a module."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    named = {node.name for node in ast.walk(ast.parse(text)) if isinstance(node, functions)}
    return {name for name in named if name.startswith("test_")}


class Witness:
    """Sees every report of a pytest, and writes the record at the end if all was well.

    `version` is asked only then: most runs of pytest have nothing to do with kubefwd.
    """

    def __init__(self, folder: Path, version: Callable[[], str]) -> None:
        self._folder, self._version = folder, version
        self._before = hashes(folder)
        self._passed: set[tuple[str, str]] = set()
        self._whole = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take note of a test of the contract on the real kubefwd."""
        file, _, name = report.nodeid.partition("::")
        test, _, case = name.partition("[")
        if Path(file).name not in TESTS or "real" not in re.split(r"[-\]]", case):
            return
        if report.outcome != "passed":
            self._whole = False
        elif report.when == "call":
            self._passed.add((Path(file).name, test))

    def pytest_sessionfinish(self) -> None:
        """Write, unless a test is missing, or what was tried has changed meanwhile."""
        wanted = {(name, test) for name in TESTS for test in named_tests(self._text(name))}
        if not self._whole or not wanted <= self._passed or hashes(self._folder) != self._before:
            return
        found = {"version": self._version(), **self._before}
        if not (read(self._folder) or {}).items() >= found.items():
            self._write({**found, "date": datetime.now(UTC).date().isoformat()})

    def _text(self, name: str) -> str:
        return (self._folder / name).read_text()

    def _write(self, record: Record) -> None:
        text = json.dumps(dict(sorted(record.items())), indent=2)
        (self._folder / RECORD).write_text(text + "\n")


def register(config: pytest.Config) -> None:
    """Be a witness in the one pytest that sees every report, when the real kubefwd is there."""
    program = real()
    if program is None or REPORTS in os.environ or hasattr(config, "workerinput"):
        return
    witness = Witness(FOLDER, lambda: _version(program))
    config.pluginmanager.register(witness, "kubefwd-contract-witness")


def _version(program: str) -> str:
    command = [program, "version", "quiet"]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=10, check=True
    ).stdout.strip()


def main(arguments: Iterable[str], folder: Path = FOLDER) -> int:
    """Tell, on stderr, what has changed; return the exit code."""
    warn = "--warn" in arguments
    if not (problem := stale(read(folder), hashes(folder))):
        return 0
    sys.stderr.write(f"{'warning: ' if warn else ''}{problem}\n")
    return 0 if warn else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
