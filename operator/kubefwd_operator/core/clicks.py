"""Clicks: what the developer asked for with buttons since the last look.

A click is a value, the button's `lastClickedAt`. It comes from the browser's clock, so it is only
ever compared for change with the last one acted on, which is in Memory. Clicks made while the
operator was down are thus found at the next start, several as one.

A button that Memory does not know was either there before us, then its present value is history
and only the baseline; or it came while we run (it was not in our first list), then any value is
a click that we have not acted on. Tilt does not enforce `disabled`, so it is enforced here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from kubefwd_operator.core.facts import Button
from kubefwd_operator.core.memory import Memory


class Intent(StrEnum):
    """What a click asks for."""

    REFRESH = "refresh"
    AUTHORIZE = "authorize"


REFRESH_BUTTON = "kubefwd:refresh"
AUTHORIZE_BUTTON = "kubefwd:authorize"
"""Shown only while root is denied, so it may ask as Refresh does: nothing is forwarded then."""

INTENTS = {REFRESH_BUTTON: Intent.REFRESH, AUTHORIZE_BUTTON: Intent.AUTHORIZE}
"""Which button means what. Other buttons are not ours, and are ignored."""


@dataclass(frozen=True, slots=True)
class Clicked:
    """What was asked for, in the order of `INTENTS`, and the Memory in which that is noted."""

    intents: tuple[Intent, ...]
    memory: Memory


def read(buttons: Iterable[Button], memory: Memory, *, first_pass: bool) -> Clicked:
    """Find the clicks since `memory`. `first_pass`: this is the process's first look at Tilt.

    Any of them raises the generation in the returned Memory by one. Reading again with that Memory
    finds nothing.
    """
    ours = {button.name: button for button in buttons if button.name in INTENTS}
    intents = tuple(
        intent
        for name, intent in INTENTS.items()
        if name in ours and _is_new(ours[name], memory, first_pass)
    )
    clicks = {**memory.clicks, **{name: button.clicked for name, button in ours.items()}}
    generation = memory.generation + bool(intents)
    return Clicked(intents, replace(memory, clicks=clicks, generation=generation))


def _is_new(button: Button, memory: Memory, first_pass: bool) -> bool:
    baseline = memory.clicks.get(button.name, button.clicked if first_pass else "")
    return bool(button.clicked) and button.clicked != baseline and not button.disabled
