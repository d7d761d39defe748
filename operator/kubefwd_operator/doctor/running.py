"""The operator itself: what the one that runs says of itself, or why there is none."""

import sys
from collections.abc import Mapping
from typing import Any

from kubefwd_operator import __version__
from kubefwd_operator.core.state import State
from kubefwd_operator.doctor.finding import Case, Finding, ok, warn


async def operator(case: Case) -> list[Finding]:
    """Repeat the running operator's word."""
    return judge_operator(case)


def judge_operator(case: Case) -> list[Finding]:
    """Judge the status. That nothing runs is no fault; that it has ended by itself is."""
    if case.status is None:
        if not case.broken:
            return [ok(f"None runs: {case.absence}")]
        return [warn(case.absence, "See the log of kubefwd:run on Tilt's page.")]
    state, message = str(case.status.get("state", "")), str(case.status.get("message", ""))
    if state == State.READY:
        return [ok(f"{state}: {message}"), *_version(case.status)]
    fix = f"What is wrong, part by part: {sys.prefix}/bin/kubefwd-operator status"
    return [warn(f"{state}: {message}", fix), *_version(case.status)]


def _version(status: Mapping[str, Any]) -> list[Finding]:
    version = str(status.get("version", __version__))
    if version == __version__:
        return []
    fix = "Start kubefwd:run again in Tilt."
    return [warn(f"It is {version}, and this command is {__version__}.", fix)]
