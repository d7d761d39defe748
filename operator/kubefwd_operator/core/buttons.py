"""Buttons: which of ours are to be on Tilt's page, and how each looks. Pure.

Refresh is the Tiltfile's, and always there. These are the operator's, because they come, go and
change: a reload of a Tiltfile would put what it has declared back. A button that changes makes a
click on the page as it was fail, so a spec depends on as little as possible, and is written only
when it differs from what Tilt holds.

Tilt's page (0.37) asks with a window of its own where there are inputs; it sends the first choice
when none was made, and the choice of last time when that is gone. `effects.py` judges what comes.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kubefwd_operator.core.clicks import (
    AUTHORIZE_BUTTON,
    FORWARD_BUTTON,
    PAUSE_BUTTON,
    REPAIR_BUTTON,
    STOP_BUTTON,
    Intent,
)

NAMESPACE, CHOICE, ACTION = "namespace", "choice", "action"
"""Names of inputs: what is typed, what is chosen, and what a button of two meanings said."""

NO_CHOICE = "(the one typed above)"
"""The first choice beside a text input, since the page sends it when nobody has chosen."""

PAUSE, RESUME = "pause", "resume"

MAX_CHOICES = 500

OURS = frozenset({AUTHORIZE_BUTTON, FORWARD_BUTTON, STOP_BUTTON, PAUSE_BUTTON, REPAIR_BUTTON})

Spec = Mapping[str, Any]
"""`spec` of a UIButton."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What the buttons depend on.

    `forwarded` in the order of bare names; `offered` are namespaces that could be, in any order.
    """

    forwarded: tuple[str, ...] = ()
    offered: frozenset[str] = frozenset()
    paused: bool = False
    denied: bool = False


def wanted(situation: Situation) -> dict[str, Spec]:
    """Say which buttons there are to be, by name."""
    buttons = {
        FORWARD_BUTTON: _forward(situation),
        PAUSE_BUTTON: _pause(paused=situation.paused),
        REPAIR_BUTTON: _spec(Intent.REPAIR, "build"),
    }
    if situation.forwarded:
        buttons[STOP_BUTTON] = _stop(situation.forwarded)
    if situation.denied:
        buttons[AUTHORIZE_BUTTON] = _spec(Intent.AUTHORIZE, "lock_open")
    return buttons


def same(one: object, other: object) -> bool:
    """Say whether two specs mean the same: Tilt leaves out, or writes, what is empty."""
    return _full(one) == _full(other)


def choices(spec: object) -> frozenset[str]:
    """Read what a spec offers to choose."""
    inputs = spec.get("inputs") if isinstance(spec, Mapping) else None
    found = (each.get("choice") or {} for each in inputs or ())
    return frozenset(name for each in found for name in each.get("choices") or ()) - {NO_CHOICE}


def _forward(situation: Situation) -> Spec:
    text = {"placeholder": "name of a namespace"}
    inputs = [{"name": NAMESPACE, "label": "Namespace", "text": text}]
    choices = _choices(situation.offered - frozenset(situation.forwarded))
    if choices:
        choice = {"choices": [NO_CHOICE, *choices]}
        inputs.append({"name": CHOICE, "label": "or one of the cluster", "choice": choice})
    return _spec(Intent.FORWARD, "add", inputs)


def _choices(names: Iterable[str]) -> list[str]:
    """Sort names, without those of Kubernetes itself; who wants one of these can type it."""
    return sorted(name for name in names if not name.startswith("kube-"))[:MAX_CHOICES]


def _stop(forwarded: tuple[str, ...]) -> Spec:
    choice = {"choices": list(forwarded[:MAX_CHOICES])}
    inputs = [{"name": CHOICE, "label": "Namespace", "choice": choice}]
    return _spec(Intent.STOP, "remove", inputs, confirmed=True)


def _pause(*, paused: bool) -> Spec:
    action = [{"name": ACTION, "hidden": {"value": RESUME if paused else PAUSE}}]
    if paused:
        return _spec("Resume", "play_arrow", action)
    return _spec("Pause", "pause", action, confirmed=True)


def _spec(
    text: str, icon: str, inputs: Iterable[Spec] = (), *, confirmed: bool = False
) -> dict[str, Any]:
    return {
        "location": {"componentType": "Resource", "componentID": "kubefwd:run"},
        "text": str(text),
        "iconName": icon,
        "requiresConfirmation": confirmed,
        "inputs": list(inputs),
    }


def _full(value: object) -> object:
    """Leave out what is empty, all the way down."""
    if isinstance(value, Mapping):
        full = {key: _full(item) for key, item in value.items()}
        return {key: item for key, item in full.items() if item not in (None, "", False, [], {})}
    if isinstance(value, (list, tuple)):
        return [_full(item) for item in value]
    return value
