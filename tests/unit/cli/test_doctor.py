"""The command `doctor`: what it prints, its exit codes, and what it asks about."""

import io
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from kubefwd_operator.cli import doctor, look, main
from kubefwd_operator.core.errors import TiltGone
from kubefwd_operator.doctor.examine import Check, Examined
from kubefwd_operator.doctor.finding import Case, Finding, fail, ok, warn
from kubefwd_operator.tilt.session import TiltAccess

WELL, ODD, BAD = ok("It is."), warn("It is [odd].", "Look at it."), fail("It is not.", "Mend it.")
Call = Callable[..., Result]


@pytest.fixture
def asked() -> list[Case]:
    return []


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, asked: list[Case], tmp_path: Path) -> Call:
    """Run the command with one check that finds this, on a machine where no Tilt runs."""
    monkeypatch.setenv("TILT_CONFIG", str(tmp_path / "none"))

    def run(findings: list[Finding], *arguments: str) -> Result:
        async def check(known: Case) -> list[Finding]:
            asked.append(known)
            return findings

        monkeypatch.setattr(doctor, "CHECKS", (Check("thing", check),))
        return CliRunner().invoke(main, ["doctor", *arguments])

    return run


@pytest.mark.parametrize(
    "findings, code",
    [
        pytest.param([WELL], 0, id="well"),
        pytest.param([WELL, ODD], 1, id="a warning"),
        pytest.param([BAD, ODD], 2, id="will not work"),
    ],
)
def test_the_exit_code_tells(call: Call, findings: list[Finding], code: int) -> None:
    assert call(findings).exit_code == code
    result = call(findings, "--json")
    assert result.exit_code == code
    assert json.loads(result.stdout)["code"] == code


def test_json_is_the_findings_whole_and_alone(call: Call) -> None:
    found = json.loads(call([ODD], "--json").stdout)
    assert found["checks"] == [
        {
            "name": "thing",
            "findings": [{"level": "warning", "message": "It is [odd].", "fix": "Look at it."}],
        }
    ]
    assert set(found) == {"code", "version", "checks"}


def test_the_table_has_a_line_per_finding_and_its_fix() -> None:
    output = io.StringIO()
    shown = [Examined("one", (WELL,)), Examined("two", (ODD, BAD))]
    doctor.show(shown, Console(file=output, width=100, highlight=False))
    lines = [line.rstrip() for line in output.getvalue().splitlines()]
    text = "\n".join(lines)
    assert "one     ok        It is." in text
    assert "two     warning   It is [odd].\n                   fix: Look at it.\n" in text
    assert "two     FAIL      It is not.\n                   fix: Mend it.\n" in text


def test_namespaces_are_given_by_hand(call: Call, asked: list[Case]) -> None:
    call([WELL], "-n", "shop", "--namespace", "billing")
    assert asked[0].wanted == ("shop", "billing")
    assert (asked[0].status, asked[0].tilt, asked[0].broken) == (None, None, False)
    assert "No Tilt runs on port 10350" in asked[0].absence


def test_a_wrong_call_is_said(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    result = call([WELL], "-n", "No/Name")
    assert (result.exit_code, "'No/Name' is not the name" in result.output) == (2, True)
    monkeypatch.setenv("TILT_PORT", "web")
    result = call([WELL])
    assert (result.exit_code, "TILT_PORT: 'web'" in result.output) == (2, True)


@pytest.mark.parametrize(
    "document, wanted, broken",
    [
        pytest.param({"pid": os.getpid(), "namespaces": [{"name": "shop"}]}, ("shop",), False,
                     id="it runs"),
        pytest.param({"pid": 2**22 + 1, "namespaces": [{"name": "shop"}]}, (), True, id="it ended"),
        pytest.param(None, (), True, id="it never spoke"),
    ],
)  # fmt: skip
def test_the_running_operator_says_which_namespaces(
    call: Call, asked: list[Case], monkeypatch: pytest.MonkeyPatch,
    document: dict[str, Any] | None, wanted: tuple[str, ...], broken: bool,
) -> None:  # fmt: skip
    access = TiltAccess("tilt-default", "https://127.0.0.1:1", "", "")
    data = None if document is None else {"status.json": json.dumps(document)}
    for module in (doctor, look):
        monkeypatch.setattr(module, "read_access", lambda _: access)
    monkeypatch.setattr(doctor, "find", lambda *_: {})
    monkeypatch.setattr(look, "glance", lambda *_: data)
    call([WELL])
    assert (asked[0].wanted, asked[0].broken, asked[0].tilt) == (wanted, broken, access)


def test_a_tilt_that_does_not_answer_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    access = TiltAccess("tilt-default", "https://127.0.0.1:1", "", "")

    def gone(*_: object) -> None:
        raise TiltGone("Nobody answers.")

    for module in (doctor, look):
        monkeypatch.setattr(module, "read_access", lambda _: access)
    monkeypatch.setattr(doctor, "find", gone)
    monkeypatch.setattr(look, "glance", gone)
    found = doctor.case_of(None)
    assert (found.tilt, found.broken, found.absence) == (None, False, "Nobody answers.")


HANGS = """
import asyncio, sys, threading
from kubefwd_operator.cli import doctor, main
from kubefwd_operator.doctor.examine import Check
async def hangs(_): await asyncio.to_thread(threading.Event().wait)
doctor.CHECKS = (Check("stuck", hangs, 0.1),)
main(["doctor", "--json"])
"""


def test_the_command_ends_although_a_check_hangs() -> None:
    """In a process of its own: a thread that cannot be ended must not keep that from ending."""
    done = subprocess.run(
        [sys.executable, "-c", HANGS], capture_output=True, text=True, timeout=60, check=False,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    [check] = json.loads(done.stdout)["checks"]
    assert "within 0.1 s" in check["findings"][0]["message"]


@pytest.mark.parametrize("module", ["handlers", "cli.status", "cli.ready"])
def test_nobody_else_loads_it(module: str) -> None:
    code = f"import sys, kubefwd_operator.{module}; print('kubefwd_operator.doctor' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True,
        env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.stdout.strip() == "False"


def test_no_thread_is_left(call: Call) -> None:
    call([WELL])
    assert [one.name for one in threading.enumerate() if one.name.startswith("doctor ")] == []
