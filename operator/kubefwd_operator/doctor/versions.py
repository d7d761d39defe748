"""Versions: Tilt, Kopf and Python, and which kubefwd would be used.

What is needed of Tilt is in the README; Kopf's range is pyproject.toml's (a test compares them).
"""

import re
import shutil
import sys
from collections.abc import Mapping
from importlib import metadata

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.settings import EngineChoice
from kubefwd_operator.doctor.finding import Case, Finding, fail, ok, warn
from kubefwd_operator.doctor.run import Said, run
from kubefwd_operator.engines.kubefwd.find import find

OLDEST_TILT = (0, 37, 0)
KOPF = ((1, 45, 2), (1, 46))
"""The oldest Kopf, and the first that is too new."""

_NUMBERS = re.compile(r"v?(\d+)\.(\d+)(?:\.(\d+))?")
_TILT = "Install Tilt {} or newer: https://docs.tilt.dev/install".format(
    ".".join(map(str, OLDEST_TILT))
)


def numbers(text: str) -> tuple[int, ...]:
    """Read the first version in a text; empty when there is none."""
    match = _NUMBERS.search(text)
    return tuple(int(part or 0) for part in match.groups()) if match else ()


# --- Tilt ------------------------------------------------------------------------------------


async def tilt(case: Case) -> list[Finding]:
    """Look at the Tilt on PATH."""
    path = shutil.which("tilt", path=case.environ.get("PATH"))
    if path is None:
        return judge_tilt("", Said(), runs=case.tilt is not None)
    return judge_tilt(path, await run([path, "version"], case.environ), runs=case.tilt is not None)


def judge_tilt(path: str, said: Said, *, runs: bool) -> list[Finding]:
    """Judge what `tilt version` says; `runs` when there is a Tilt that runs, wherever it is."""
    if not path:
        found = "Tilt is not on PATH"
        return [warn(f"{found}, but one runs.", _TILT) if runs else fail(f"{found}.", _TILT)]
    version = numbers(said.text)
    if said.code != 0 or not version:
        why = said.trouble or f"it says {said.text[:80]!r}"
        return [warn(f"The version of {path} is not known: {why}.", f"Try {path} version. {_TILT}")]
    spelled = ".".join(map(str, version))
    if version < OLDEST_TILT:
        return [fail(f"Tilt {spelled} at {path} is too old.", _TILT)]
    return [ok(f"Tilt {spelled} at {path}.")]


# --- Python and Kopf -------------------------------------------------------------------------


async def python(case: Case) -> list[Finding]:  # noqa: ARG001 - every check takes a case
    """Look at what the operator itself runs on."""
    version = ".".join(map(str, sys.version_info[:3]))
    return [ok(f"Python {version} at {sys.executable}.")]


async def kopf(case: Case) -> list[Finding]:  # noqa: ARG001 - every check takes a case
    """Look at the installed Kopf, without loading it."""
    try:
        return judge_kopf(metadata.version("kopf"))
    except metadata.PackageNotFoundError:
        return judge_kopf("")


def judge_kopf(version: str) -> list[Finding]:
    """Judge Kopf's version, empty when it is not installed."""
    fix = "Remove the cache (kubefwd-operator cleanup) and start kubefwd:run again in Tilt."
    oldest, newest = KOPF
    if not version:
        return [fail("Kopf is not installed beside this command.", fix)]
    if not oldest <= numbers(version) < newest:
        wanted = f"{'.'.join(map(str, oldest))} or newer, below {'.'.join(map(str, newest))}"
        return [fail(f"Kopf is {version}: {wanted} is needed.", fix)]
    return [ok(f"Kopf {version}.")]


# --- kubefwd ---------------------------------------------------------------------------------


async def kubefwd(case: Case) -> list[Finding]:
    """Look for the kubefwd that would be used; it is run once to say its version."""
    found = await find(case.settings.kubefwd, case.environ)
    return judge_kubefwd(
        found, case.settings.engine, _is_there(case.environ, case.settings.kubefwd)
    )


def _is_there(environ: Mapping[str, str], path: str) -> bool:
    return bool(path or shutil.which("kubefwd", path=environ.get("PATH")))


def judge_kubefwd(
    found: PinnedKubefwd | NoKubefwd, engine: EngineChoice, is_there: bool
) -> list[Finding]:
    """Judge what was found; `is_there` when there is a program of that name at all."""
    if isinstance(found, PinnedKubefwd):
        return [ok(f"kubefwd {found.version} at {found.path}.")]
    if engine is EngineChoice.KUBEFWD:
        return [fail(f"engine='kubefwd' cannot work: {found.why}", "Do that, or take 'auto'.")]
    if is_there and engine is EngineChoice.AUTO:
        fix = "Upgrade it, or take engine='native' if you do not want it."
        return [warn(f"The native engine is used, because: {found.why}", fix)]
    return [ok("kubefwd is not installed; the native engine needs none.")]
