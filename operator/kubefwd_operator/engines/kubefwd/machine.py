"""The life of the kubefwd process, decided: phase x event -> phase, action. Pure.

    STOPPED ──wanted──> STARTING ──started──> RUNNING
       ^                 │   ^                  │ exited, or silent and then ended
       │ unwanted        │   └──────due─── BACKING_OFF <──┘
       └─ STOPPING <─────┴ unusable ──> FAILED ──renewed──> STARTING

`process.py` drives it. A helper that is gone has taken kubefwd with it, so that event leads to
STOPPED from everywhere.
"""

from enum import StrEnum
from types import MappingProxyType

from kubefwd_operator.core.transitions import follow


class Phase(StrEnum):
    """Where the process stands."""

    STOPPED = "Stopped"
    STARTING = "Starting"
    RUNNING = "Running"
    BACKING_OFF = "BackingOff"
    STOPPING = "Stopping"
    FAILED = "Failed"


class Event(StrEnum):
    """What can happen to it."""

    WANTED = "wanted"
    UNWANTED = "unwanted"
    STARTED = "started"
    """Its API answers, to our key and to no other."""
    REFUSED = "refused"
    """It cannot be started now."""
    UNUSABLE = "unusable"
    """It cannot be started, however often that is tried."""
    EXITED = "exited"
    SILENT = "silent"
    """It lives, and does not answer."""
    RENEWED = "renewed"
    """Another one is wanted in its place."""
    ENDED = "ended"
    """What was to be ended has ended."""
    DUE = "due"
    """The back-off is over."""
    HELPER_GONE = "helper gone"


class Action(StrEnum):
    """What the driver does on a transition. Each ends what ran before."""

    START = "start it"
    SERVE = "use it"
    STOP = "end it"
    BACK_OFF = "wait before the next start"
    REST = "do nothing"


_P, _E, _A = Phase, Event, Action

TABLE: MappingProxyType[tuple[Phase, Event], tuple[Phase, Action | None]] = MappingProxyType(
    {
        (_P.STOPPED, _E.WANTED): (_P.STARTING, _A.START),
        (_P.STOPPED, _E.RENEWED): (_P.STOPPED, None),
        (_P.STARTING, _E.STARTED): (_P.RUNNING, _A.SERVE),
        (_P.STARTING, _E.REFUSED): (_P.BACKING_OFF, _A.BACK_OFF),
        (_P.STARTING, _E.UNUSABLE): (_P.FAILED, _A.REST),
        (_P.STARTING, _E.EXITED): (_P.BACKING_OFF, _A.BACK_OFF),
        (_P.STARTING, _E.SILENT): (_P.STOPPING, _A.STOP),
        (_P.STARTING, _E.RENEWED): (_P.STOPPING, _A.STOP),
        (_P.STARTING, _E.UNWANTED): (_P.STOPPING, _A.STOP),
        (_P.RUNNING, _E.EXITED): (_P.BACKING_OFF, _A.BACK_OFF),
        (_P.RUNNING, _E.SILENT): (_P.STOPPING, _A.STOP),
        (_P.RUNNING, _E.RENEWED): (_P.STOPPING, _A.STOP),
        (_P.RUNNING, _E.UNWANTED): (_P.STOPPING, _A.STOP),
        (_P.STOPPING, _E.ENDED): (_P.BACKING_OFF, _A.BACK_OFF),
        # It may exit of its own accord while it is being ended.
        (_P.STOPPING, _E.EXITED): (_P.STOPPING, None),
        (_P.STOPPING, _E.RENEWED): (_P.STOPPING, None),
        (_P.BACKING_OFF, _E.DUE): (_P.STARTING, _A.START),
        (_P.BACKING_OFF, _E.RENEWED): (_P.STARTING, _A.START),
        (_P.BACKING_OFF, _E.UNWANTED): (_P.STOPPED, _A.REST),
        (_P.FAILED, _E.RENEWED): (_P.STARTING, _A.START),
        (_P.FAILED, _E.UNWANTED): (_P.STOPPED, _A.REST),
    }
    | {(phase, _E.HELPER_GONE): (_P.STOPPED, _A.REST) for phase in _P}
)
"""Every legal transition, and nothing else."""


def transition(phase: Phase, event: Event) -> tuple[Phase, Action | None]:
    """Where `event` leads from `phase`, and what to do. Raises IllegalTransitionError."""
    return follow(TABLE, phase, event)
