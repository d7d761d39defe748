"""The operator writes to no object that Tilt owns, and this test would see it."""

import pytest
from tests.contract.tilt.conftest import StartOperator
from tests.contract.tilt.peer import MAPS, REFRESH, Tilt, says
from tests.contract.tilt.recorder import Recording, recording
from tests.lab.proc import wait_for

from kubefwd_operator.tilt.client import MEMORY, STATUS

pytestmark = pytest.mark.contract

OURS = {("POST", MAPS), ("PUT", f"{MAPS}/{STATUS}"), ("PUT", f"{MAPS}/{MEMORY}")}


def test_only_our_own_config_maps_are_written(tilt: Tilt, operate: StartOperator) -> None:
    with recording(tilt) as seen:
        operator = operate(tilt, **seen.env)
        wait_for(tilt.status, "a status")
        for number in (1, 2):
            tilt.click(f"2020-01-01T00:00:00.00000{number}Z")
            says(operator, f"want generation={number}")
        wait_for(lambda: ("PUT", f"{MAPS}/{MEMORY}") in seen.writes, "a write of Memory")
        operator.stop()
        kinds = {path.split("/")[4] for method, path in seen.requests if path.count("/") == 4}
        assert {"uibuttons", "clusters", "kubernetesapplys", "kubernetesdiscoveries"} <= kinds
        assert seen.writes == OURS


def test_a_pass_that_changes_nothing_writes_nothing(tilt: Tilt, operate: StartOperator) -> None:
    with recording(tilt) as seen:
        operate(tilt, **seen.env)
        wait_for(lambda: {("POST", MAPS)} == seen.writes, "both ConfigMaps")
        wait_for(lambda: passes(seen) >= 1 and tilt.api.exists(f"{MAPS}/{MEMORY}"), "a pass")
        written = [request for request in seen.requests if request[0] != "GET"]
        # Twice something that rings and means nothing: the second pass follows the first's end.
        for number in range(2):
            before = passes(seen)
            tilt.api.merge(REFRESH, {"metadata": {"annotations": {"somebody": f"else {number}"}}})
            wait_for(lambda before=before: passes(seen) > before, "a pass")  # type: ignore[misc]
        assert [request for request in seen.requests if request[0] != "GET"] == written


def passes(seen: Recording) -> int:
    """How many have read everything."""
    return seen.requests.count(("GET", f"{MAPS}/{MEMORY}"))


def test_an_update_handler_would_be_seen(tilt: Tilt, operate: StartOperator) -> None:
    with recording(tilt) as seen:
        operator = operate(tilt, "tests.contract.tilt.a_writing_handler", **seen.env)
        wait_for(lambda: seen.writes - OURS, "Kopf's annotation")
        operator.stop()
    assert any(method == "PATCH" and "/uibuttons/" in path for method, path in seen.writes - OURS)
