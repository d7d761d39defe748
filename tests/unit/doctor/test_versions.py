"""Versions: what is too old, missing or not understood."""

import re
import tomllib
from pathlib import Path

import pytest
from tests.unit.doctor.kit import FAIL, OK, WARN, case, told
from tests.unit.ship.repository import ROOT, text

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.settings import EngineChoice
from kubefwd_operator.doctor import versions
from kubefwd_operator.doctor.finding import Level
from kubefwd_operator.doctor.run import Said

SAYS = Said("v0.37.6, built 2026-01-01", 0)


@pytest.mark.parametrize(
    "path, said, runs, level, words",
    [
        pytest.param("/b/tilt", SAYS, False, OK, "Tilt 0.37.6 at /b/tilt", id="new enough"),
        pytest.param("/b/tilt", Said("v0.37.0", 0), False, OK, "0.37.0", id="the oldest"),
        pytest.param("/b/tilt", Said("v0.36.9", 0), False, FAIL, "0.36.9 at /b/tilt is too old",
                     id="too old"),
        pytest.param("/b/tilt", Said("v1.0.0", 0), False, OK, "1.0.0", id="compared by number"),
        pytest.param("", Said(), False, FAIL, "not on PATH", id="missing"),
        pytest.param("", Said(), True, WARN, "but one runs", id="missing, and one runs"),
        pytest.param("/b/tilt", Said("hello", 0), False, WARN, "it says 'hello'", id="no version"),
        pytest.param("/b/tilt", Said("v0.37.6", 3, "it ends with code 3"), False, WARN,
                     "it ends with code 3", id="it fails"),
        pytest.param("/b/tilt", Said(trouble="it does not end within 5 s"), False, WARN,
                     "does not end within 5 s", id="it hangs"),
    ],
)  # fmt: skip
def test_tilt(path: str, said: Said, runs: bool, level: Level, words: str) -> None:
    told(versions.judge_tilt(path, said, runs=runs), level, words)


@pytest.mark.parametrize(
    "version, level, words",
    [
        pytest.param("1.45.2", OK, "Kopf 1.45.2", id="the oldest"),
        pytest.param("1.45.10", OK, "Kopf 1.45.10", id="newer"),
        pytest.param("1.45.1", FAIL, "1.45.2 or newer, below 1.46", id="too old"),
        pytest.param("1.46.0", FAIL, "1.45.2 or newer, below 1.46", id="too new"),
        pytest.param("", FAIL, "not installed", id="missing"),
    ],
)
def test_kopf(version: str, level: Level, words: str) -> None:
    told(versions.judge_kopf(version), level, words)


def test_kopfs_range_is_that_of_the_project() -> None:
    project = tomllib.loads(text(Path("pyproject.toml")))["project"]
    [wanted] = [one for one in project["dependencies"] if one.startswith("kopf")]
    spelled = re.findall(r"[\d.]+", wanted)
    assert tuple(tuple(map(int, one.split("."))) for one in spelled) == versions.KOPF


def test_the_oldest_tilt_is_that_of_the_readme() -> None:
    oldest = ".".join(map(str, versions.OLDEST_TILT))
    assert f"Tilt {oldest} or newer" in (ROOT / "README.md").read_text()


PINNED = PinnedKubefwd("/b/kubefwd", "a" * 64, "1.25.16")
OLD = NoKubefwd("kubefwd 1.20 at /b/kubefwd is too old.")


@pytest.mark.parametrize(
    "found, engine, is_there, level, words",
    [
        pytest.param(PINNED, "auto", True, OK, "kubefwd 1.25.16 at /b/kubefwd", id="usable"),
        pytest.param(OLD, "auto", True, WARN, "native engine is used, because", id="old, auto"),
        pytest.param(OLD, "auto", False, OK, "not installed", id="missing, auto"),
        pytest.param(
            OLD, "kubefwd", True, FAIL, "1.20 at /b/kubefwd is too old", id="old, kubefwd"
        ),
        pytest.param(OLD, "native", True, OK, "needs none", id="native"),
    ],
)
def test_kubefwd(
    found: PinnedKubefwd | NoKubefwd, engine: str, is_there: bool, level: Level, words: str
) -> None:
    told(versions.judge_kubefwd(found, EngineChoice(engine), is_there), level, words)


async def test_tilt_is_looked_for_on_the_path_that_was_given(tmp_path: Path) -> None:
    tilt = tmp_path / "tilt"
    tilt.write_text("#!/bin/sh\n[ $1 = version ] && echo v0.40.1, built now\n")
    tilt.chmod(0o755)
    told(await versions.tilt(case(environ={"PATH": str(tmp_path)})), OK, f"0.40.1 at {tilt}")
    told(await versions.tilt(case(environ={"PATH": str(tmp_path / "none")})), FAIL, "not on PATH")


async def test_kopf_and_python_are_those_that_run() -> None:
    told(await versions.kopf(case()), OK, "Kopf 1.")
    told(await versions.python(case()), OK, "Python 3.")
