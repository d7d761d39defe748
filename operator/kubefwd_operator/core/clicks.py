"""Clicks: what the developer asked for with buttons since the last look.

A click is a value, the button's `lastClickedAt`. It comes from the browser's clock, so it is only
ever compared for change with the last one acted on, which is in Memory. Clicks made while the
operator was down are thus found at the next start, several of one button as one. Only among those
that are found together do times count: they are acted on in that order, as somebody made them.

A button that Memory does not know was either there before us, then its present value is history
and only the baseline; or it came while we run (it was not in our first list), then any value is
a click that we have not acted on. Tilt does not enforce `disabled`, so it is enforced here.

What a click changes is in `effects.py`, how the buttons look in `buttons.py`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from types import MappingProxyType

from kubefwd_operator.core.facts import Button
from kubefwd_operator.core.memory import Memory


class Intent(StrEnum):
    """What a click asks for, in the words of its button."""

    REFRESH = "Refresh"
    AUTHORIZE = "Authorize"
    FORWARD = "Forward a namespace"
    STOP = "Stop forwarding"
    PAUSE = "Pause"
    REPAIR = "Repair hosts"


REFRESH_BUTTON = "kubefwd:refresh"
AUTHORIZE_BUTTON = "kubefwd:authorize"
"""Shown only while root is denied, so it may ask as Refresh does: nothing is forwarded then."""

FORWARD_BUTTON, STOP_BUTTON = "kubefwd:forward", "kubefwd:stop"
PAUSE_BUTTON, REPAIR_BUTTON = "kubefwd:pause", "kubefwd:repair"

INTENTS = {
    REFRESH_BUTTON: Intent.REFRESH,
    AUTHORIZE_BUTTON: Intent.AUTHORIZE,
    FORWARD_BUTTON: Intent.FORWARD,
    STOP_BUTTON: Intent.STOP,
    PAUSE_BUTTON: Intent.PAUSE,
    REPAIR_BUTTON: Intent.REPAIR,
}
"""Which button means what. Other buttons are not ours, and are ignored."""


@dataclass(frozen=True, slots=True)
class Click:
    """One thing that was asked for, and what was filled in, by the name of the input."""

    intent: Intent
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Clicked:
    """What was asked for, in the order in which it was, and the Memory in which that is noted."""

    clicks: tuple[Click, ...]
    memory: Memory


def read(buttons: Iterable[Button], memory: Memory, *, first_pass: bool) -> Clicked:
    """Find the clicks since `memory`. `first_pass`: this is the process's first look at Tilt.

    Reading again with the returned Memory finds nothing.
    """
    ours = {button.name: button for button in buttons if button.name in INTENTS}
    fresh = [
        ours[name] for name in INTENTS if name in ours and _is_new(ours[name], memory, first_pass)
    ]
    fresh.sort(key=lambda button: button.clicked)
    clicks = tuple(Click(INTENTS[button.name], button.inputs) for button in fresh)
    noted = {**memory.clicks, **{name: button.clicked for name, button in ours.items()}}
    return Clicked(clicks, replace(memory, clicks=noted))


def _is_new(button: Button, memory: Memory, first_pass: bool) -> bool:
    baseline = memory.clicks.get(button.name, button.clicked if first_pass else "")
    return bool(button.clicked) and button.clicked != baseline and not button.disabled
