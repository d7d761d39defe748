"""The life of the kubefwd process: every phase by every event."""

import pytest

from kubefwd_operator.core.transitions import IllegalTransitionError
from kubefwd_operator.engines.kubefwd.machine import (
    TABLE,
    Action,
    Event,
    Phase,
    transition,
)

LEGAL = {
    ("Stopped", "wanted"): ("Starting", "start it"),
    ("Stopped", "renewed"): ("Stopped", None),
    ("Stopped", "helper gone"): ("Stopped", "do nothing"),
    ("Starting", "started"): ("Running", "use it"),
    ("Starting", "refused"): ("BackingOff", "wait before the next start"),
    ("Starting", "exited"): ("BackingOff", "wait before the next start"),
    ("Starting", "unusable"): ("Failed", "do nothing"),
    ("Starting", "silent"): ("Stopping", "end it"),
    ("Starting", "renewed"): ("Stopping", "end it"),
    ("Starting", "unwanted"): ("Stopping", "end it"),
    ("Starting", "helper gone"): ("Stopped", "do nothing"),
    ("Running", "exited"): ("BackingOff", "wait before the next start"),
    ("Running", "silent"): ("Stopping", "end it"),
    ("Running", "renewed"): ("Stopping", "end it"),
    ("Running", "unwanted"): ("Stopping", "end it"),
    ("Running", "helper gone"): ("Stopped", "do nothing"),
    ("Stopping", "ended"): ("BackingOff", "wait before the next start"),
    ("Stopping", "exited"): ("Stopping", None),
    ("Stopping", "renewed"): ("Stopping", None),
    ("Stopping", "helper gone"): ("Stopped", "do nothing"),
    ("BackingOff", "due"): ("Starting", "start it"),
    ("BackingOff", "renewed"): ("Starting", "start it"),
    ("BackingOff", "unwanted"): ("Stopped", "do nothing"),
    ("BackingOff", "helper gone"): ("Stopped", "do nothing"),
    ("Failed", "renewed"): ("Starting", "start it"),
    ("Failed", "unwanted"): ("Stopped", "do nothing"),
    ("Failed", "helper gone"): ("Stopped", "do nothing"),
}


@pytest.mark.parametrize("event", Event)
@pytest.mark.parametrize("phase", Phase)
def test_every_phase_by_every_event(phase: Phase, event: Event) -> None:
    expected = LEGAL.get((phase.value, event.value))
    if expected is None:
        with pytest.raises(IllegalTransitionError, match=f"{event} in phase {phase}"):
            transition(phase, event)
        return
    to, action = transition(phase, event)
    assert (to.value, action.value if action else None) == expected


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        TABLE[Phase.STOPPED, Event.DUE] = (Phase.RUNNING, None)  # type: ignore[index]


def test_every_phase_can_be_reached_and_left() -> None:
    assert {to for to, _ in TABLE.values()} == set(Phase)
    assert {phase for phase, _ in TABLE} == set(Phase)
    assert {action for _, action in TABLE.values() if action} == set(Action)


def test_whatever_happens_a_lost_helper_ends_it() -> None:
    for phase in Phase:
        assert transition(phase, Event.HELPER_GONE)[0] is Phase.STOPPED
