"""Every branch of root's modules is taken by a unit test of this folder, each time they are run."""

import ast
import os
import subprocess
import sys
from pathlib import Path

from tests.unit.root.branches import Probes, Taken

REPOSITORY = Path(__file__).parents[3]
SOURCE = """
def f(items, flag):
    for item in items:
        if item and flag:
            return [one for one in items if one]
    return (lambda: 1) if flag else None
def g():
    try:
        return 1 / 0
    except ZeroDivisionError:
        return 0
"""


def test_all_are_taken() -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "tests.unit.root.branches"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "operator")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr + ran.stdout


def _missing(calls: str) -> list[str]:
    taken = Taken()
    tree = ast.fix_missing_locations(Probes("x", SOURCE, taken).visit(ast.parse(SOURCE)))
    exec(compile(tree, "x", "exec"), space := {"__taken__": taken})
    exec(calls, space)
    return taken.missing()


def test_what_is_not_taken_is_named() -> None:
    assert _missing("f([1], True), f([], True)()") == [
        "x:4: `item and flag` is False",
        "x:4: `item` is False",
        "x:5: `one` is False",
        "x:6: `flag` is False",
        "x:7: g is called",
        "x:10: it is caught",
    ]


def test_nothing_is_missing_when_all_is_taken() -> None:
    assert _missing("f([1, 0], True), f([0], True)(), f([], False), g()") == []
