"""Becoming root, state by event: the whole table, legal and illegal."""

import itertools

import pytest

from kubefwd_operator.core.model import AuthorityState
from kubefwd_operator.core.transitions import IllegalTransitionError
from kubefwd_operator.privileged.machine import (
    SHOWN,
    TABLE,
    Action,
    Event,
    Phase,
    transition,
)

P, E, A = Phase, Event, Action

# phase: {event: (next phase, action)}. Whatever is not here is illegal.
LEGAL: dict[Phase, dict[Event, tuple[Phase, Action | None]]] = {
    P.OPENING: {
        E.OPENED: (P.LISTENING, A.EXPECT),
        E.REFUSED: (P.OPENING, A.BACK_OFF),
        E.DUE: (P.OPENING, A.OPEN),
        E.REFRESHED: (P.OPENING, A.OPEN),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.LISTENING: {
        E.NOBODY_CAME: (P.SILENT, A.TRY_SILENT),
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.LISTENING, None),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.SILENT: {
        E.REFUSED: (P.PROMPTING, A.ASK),
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.SILENT, None),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.PROMPTING: {
        E.REFUSED: (P.WAITING, A.REST),
        E.DENIED: (P.DENIED, A.REST),
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.PROMPTING, None),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.WAITING: {
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.SILENT, A.TRY_SILENT),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.DENIED: {
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.SILENT, A.TRY_SILENT),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.AUTHORIZED: {
        E.GONE: (P.LOST, A.EXPECT),
        E.REFRESHED: (P.AUTHORIZED, None),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.LOST: {
        E.NOBODY_CAME: (P.RETRYING, A.TRY_SILENT),
        E.DUE: (P.RETRYING, A.TRY_SILENT),
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.SILENT, A.TRY_SILENT),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.RETRYING: {
        E.REFUSED: (P.LOST, A.BACK_OFF),
        E.CONNECTED: (P.AUTHORIZED, A.REST),
        E.REFRESHED: (P.SILENT, None),
        E.SUPERSEDED: (P.SUPERSEDED, A.LEAVE),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.SUPERSEDED: {
        E.REFRESHED: (P.SUPERSEDED, None),
        E.CLOSED: (P.CLOSED, A.LEAVE),
    },
    P.CLOSED: {},
}
PAIRS = [*itertools.product(Phase, Event)]


@pytest.mark.parametrize("phase, event", PAIRS, ids=[f"{p} {e}" for p, e in PAIRS])
def test_each_state_takes_each_event_as_the_table_says(phase: Phase, event: Event) -> None:
    if event in LEGAL[phase]:
        assert transition(phase, event) == LEGAL[phase][event]
        return
    with pytest.raises(IllegalTransitionError, match=str(event)):
        transition(phase, event)


def test_the_table_has_no_row_that_is_not_tested() -> None:
    assert len(TABLE) == sum(map(len, LEGAL.values()))


def test_a_person_is_asked_only_on_the_way_from_a_start_or_a_refresh() -> None:
    """From a loss or a refusal, no sequence without a refresh leads to a question."""
    reached, todo = set[Phase](), [P.LOST, P.DENIED]
    while todo:
        phase = todo.pop()
        reached.add(phase)
        for event, (following, action) in LEGAL[phase].items():
            assert action is not A.ASK or phase is P.SILENT
            if event is not E.REFRESHED and following not in reached:
                todo.append(following)
    assert P.SILENT not in reached
    assert P.PROMPTING not in reached


def test_every_phase_is_shown_as_a_state() -> None:
    assert set(SHOWN) == set(Phase)
    assert SHOWN[P.RETRYING] is AuthorityState.LOST
    assert SHOWN[P.DENIED] is AuthorityState.DENIED
    assert SHOWN[P.PROMPTING] is AuthorityState.ASKING
