"""The operator writes to no object that Tilt owns, and this test would see it."""

import re

import pytest
from tests.contract.tilt.conftest import StartOperator
from tests.contract.tilt.peer import MAPS, REFRESH, Tilt, says
from tests.contract.tilt.recorder import Recording, recording
from tests.lab.proc import wait_for
from tests.lab.tilt import GROUP

from kubefwd_operator.tilt.client import MEMORY, STATUS

pytestmark = pytest.mark.contract

ROWS, COMMANDS, BUTTONS = (f"{GROUP}/{kind}" for kind in ("uiresources", "cmds", "uibuttons"))
OURS = {
    *(("POST", kind) for kind in (MAPS, ROWS, COMMANDS, BUTTONS)),
    *(("PUT", f"{MAPS}/{name}") for name in (STATUS, MEMORY)),
    ("DELETE", f"{ROWS}/kubefwd:status"),
    ("DELETE", f"{COMMANDS}/kubefwd:say:"),
}


def test_only_our_own_objects_are_written(tilt: Tilt, operate: StartOperator) -> None:
    with recording(tilt) as seen:
        operator = operate(tilt, **seen.env)
        wait_for(tilt.status, "a status")
        for number in (1, 2):
            tilt.click(f"2020-01-01T00:00:00.00000{number}Z")
            says(operator, f"want generation={number}")
        wait_for(lambda: ("PUT", f"{MAPS}/{MEMORY}") in seen.writes, "a write of Memory")
        assert operator.stop(grace=30) == 0
        kinds = {path.split("/")[4] for method, path in seen.requests if path.count("/") == 4}
        assert {"uibuttons", "clusters", "kubernetesapplys", "kubernetesdiscoveries"} <= kinds
        assert written(seen) == OURS


def written(seen: Recording) -> set[tuple[str, str]]:
    """What was written; a command's name ends with a number."""
    return {(method, re.sub(r"(?<=:say:)\w+$", "", path)) for method, path in seen.writes}


def test_a_pass_that_changes_nothing_writes_nothing(tilt: Tilt, operate: StartOperator) -> None:
    with recording(tilt) as seen:
        operate(tilt, **seen.env)
        wait_for(lambda: ("POST", ROWS) in seen.writes, "both ConfigMaps, then a row")
        wait_for(lambda: ring(tilt, seen) and said(tilt), "the end of the command")
        wait_for(lambda: ("PUT", f"{MAPS}/{MEMORY}") in seen.writes, "a note of the buttons")
        before = [request for request in seen.requests if request[0] != "GET"]
        # The second pass follows the first's end.
        assert ring(tilt, seen)
        assert ring(tilt, seen)
        assert [request for request in seen.requests if request[0] != "GET"] == before


def ring(tilt: Tilt, seen: Recording) -> bool:
    """Do something that wakes the operator and means nothing; wait for the pass."""
    before = passes(seen)
    tilt.api.merge(REFRESH, {"metadata": {"annotations": {"somebody": f"else {before}"}}})
    return wait_for(lambda: passes(seen) > before, "a pass")


def said(tilt: Tilt) -> bool:
    """Say whether the command that told the row's log has been deleted."""
    return not [each for each in tilt.api.items(COMMANDS) if ":say:" in each["metadata"]["name"]]


def passes(seen: Recording) -> int:
    """How many have read everything."""
    return seen.requests.count(("GET", f"{MAPS}/{MEMORY}"))


def test_an_update_handler_would_be_seen(tilt: Tilt, operate: StartOperator) -> None:
    with recording(tilt) as seen:
        operator = operate(tilt, "tests.contract.tilt.a_writing_handler", **seen.env)
        wait_for(lambda: written(seen) - OURS, "Kopf's annotation")
        operator.stop()
    assert {("PATCH", REFRESH)} <= written(seen) - OURS
