"""Becoming root, decided: state x event -> state, actions. Pure; `authority.py` drives it.

    OPENING ─opened──> LISTENING ──nobody came──> SILENT ──refused──> PROMPTING ──refused──> WAITING
                           │ connected               │ connected          ├──denied───> DENIED  │
                           └──────────────────────> AUTHORIZED <──────────┴────────────────┴────┘
                                                       │ gone
                                    RETRYING <──due── LOST           (refresh asks again: SILENT)

A helper may connect in every state that listens, because a line pasted into a terminal needs
nothing else from us. A person is asked once, and again only after a Refresh: DENIED when somebody
has refused, WAITING when there was nobody to ask. The silent ways ask nobody, so after a loss they
are tried again with back-off.
"""

from enum import StrEnum
from types import MappingProxyType

from kubefwd_operator.core.model import AuthorityState
from kubefwd_operator.core.transitions import follow


class Phase(StrEnum):
    """Where the authority stands, finer than what the status shows."""

    OPENING = "Opening"
    LISTENING = "Listening"
    SILENT = "Silent"
    PROMPTING = "Prompting"
    WAITING = "Waiting"
    DENIED = "Denied"
    AUTHORIZED = "Authorized"
    LOST = "Lost"
    RETRYING = "Retrying"
    SUPERSEDED = "Superseded"
    CLOSED = "Closed"


class Event(StrEnum):
    """What can happen to it."""

    OPENED = "opened"
    NOBODY_CAME = "nobody came"
    """The time for a lingering helper to come back is over."""
    REFUSED = "refused"
    """What was being tried has come to nothing."""
    DENIED = "denied"
    """A person was asked, and root was not given."""
    CONNECTED = "connected"
    GONE = "gone"
    REFRESHED = "refreshed"
    DUE = "due"
    """The back-off is over."""
    SUPERSEDED = "superseded"
    CLOSED = "closed"


class Action(StrEnum):
    """What the driver does on a transition. OPEN to REST each end what ran before."""

    OPEN = "open the socket"
    EXPECT = "wait for a lingering helper"
    TRY_SILENT = "try the ways that ask nobody"
    ASK = "try the ways that ask a person"
    BACK_OFF = "wait before the next try"
    REST = "run nothing"
    LEAVE = "close socket and helper"


_P, _E, _A = Phase, Event, Action

TABLE: MappingProxyType[tuple[Phase, Event], tuple[Phase, Action | None]] = MappingProxyType(
    {
        (_P.OPENING, _E.OPENED): (_P.LISTENING, _A.EXPECT),
        (_P.OPENING, _E.REFUSED): (_P.OPENING, _A.BACK_OFF),
        (_P.OPENING, _E.DUE): (_P.OPENING, _A.OPEN),
        (_P.OPENING, _E.REFRESHED): (_P.OPENING, _A.OPEN),
        (_P.LISTENING, _E.NOBODY_CAME): (_P.SILENT, _A.TRY_SILENT),
        (_P.LISTENING, _E.REFRESHED): (_P.LISTENING, None),
        (_P.SILENT, _E.REFUSED): (_P.PROMPTING, _A.ASK),
        (_P.SILENT, _E.REFRESHED): (_P.SILENT, None),
        (_P.PROMPTING, _E.REFUSED): (_P.WAITING, _A.REST),
        (_P.PROMPTING, _E.DENIED): (_P.DENIED, _A.REST),
        # The dialog is open: one is enough.
        (_P.PROMPTING, _E.REFRESHED): (_P.PROMPTING, None),
        (_P.WAITING, _E.REFRESHED): (_P.SILENT, _A.TRY_SILENT),
        (_P.DENIED, _E.REFRESHED): (_P.SILENT, _A.TRY_SILENT),
        (_P.AUTHORIZED, _E.GONE): (_P.LOST, _A.EXPECT),
        (_P.AUTHORIZED, _E.REFRESHED): (_P.AUTHORIZED, None),
        (_P.LOST, _E.NOBODY_CAME): (_P.RETRYING, _A.TRY_SILENT),
        (_P.LOST, _E.DUE): (_P.RETRYING, _A.TRY_SILENT),
        (_P.LOST, _E.REFRESHED): (_P.SILENT, _A.TRY_SILENT),
        (_P.RETRYING, _E.REFUSED): (_P.LOST, _A.BACK_OFF),
        # The silent round goes on; what follows it is a question now.
        (_P.RETRYING, _E.REFRESHED): (_P.SILENT, None),
        (_P.SUPERSEDED, _E.REFRESHED): (_P.SUPERSEDED, None),
    }
    | {
        (phase, _E.CONNECTED): (_P.AUTHORIZED, _A.REST)
        for phase in (
            *(_P.LISTENING, _P.SILENT, _P.PROMPTING),
            *(_P.WAITING, _P.DENIED, _P.LOST, _P.RETRYING),
        )
    }
    | {
        (phase, _E.SUPERSEDED): (_P.SUPERSEDED, _A.LEAVE)
        for phase in _P
        if phase not in (_P.OPENING, _P.SUPERSEDED, _P.CLOSED)
    }
    | {(phase, _E.CLOSED): (_P.CLOSED, _A.LEAVE) for phase in _P if phase is not _P.CLOSED}
)
"""Every legal transition, and nothing else."""

SHOWN: MappingProxyType[Phase, AuthorityState] = MappingProxyType(
    {
        Phase.OPENING: AuthorityState.ASKING,
        Phase.LISTENING: AuthorityState.ASKING,
        Phase.SILENT: AuthorityState.ASKING,
        Phase.PROMPTING: AuthorityState.ASKING,
        Phase.WAITING: AuthorityState.WAITING,
        Phase.DENIED: AuthorityState.DENIED,
        Phase.AUTHORIZED: AuthorityState.AUTHORIZED,
        Phase.LOST: AuthorityState.LOST,
        Phase.RETRYING: AuthorityState.LOST,
        Phase.SUPERSEDED: AuthorityState.SUPERSEDED,
        Phase.CLOSED: AuthorityState.WAITING,
    }
)
"""The state that the status shows in each phase."""


def transition(phase: Phase, event: Event) -> tuple[Phase, Action | None]:
    """Where `event` leads from `phase`, and what to do. Raises IllegalTransitionError."""
    return follow(TABLE, phase, event)
