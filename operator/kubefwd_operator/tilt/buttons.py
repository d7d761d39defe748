"""Puts our buttons on Tilt's page, and keeps them as `core/buttons.py` wants them.

The page clicks by writing the button as it has read it, so a button that was written meanwhile
refuses the click (409; Tilt 0.37). Hence one is written only when it does not say what is wanted,
and Tilt's own annotation on it, a hash of its spec, is neither compared nor taken away.
"""

from collections.abc import Mapping

from kubefwd_operator.core.buttons import OURS, Spec, choices, same
from kubefwd_operator.core.clicks import FORWARD_BUTTON
from kubefwd_operator.tilt.client import LABELS, Raw, TiltClient, TiltObjects
from kubefwd_operator.tilt.kinds import UIButton


async def show_buttons(client: TiltClient, seen: TiltObjects, wanted: Mapping[str, Spec]) -> None:
    """Have those of our buttons on the page that are `wanted`, by name, and no other of `OURS`.

    A button of that name that is not ours is left alone. Raises TiltConflict when one has changed
    since `seen`: the caller looks again.
    """
    there = {raw["metadata"]["name"]: raw for raw in seen.buttons}
    for name, spec in wanted.items():
        if name not in there:
            metadata = {"name": name, "labels": LABELS}
            await client.create(UIButton, {"metadata": metadata, "spec": spec})
        elif _is_ours(there[name]) and not same(there[name].get("spec"), spec):
            await client.change_button(there[name], spec)
    for name in OURS - wanted.keys():
        if name in there and _is_ours(there[name]):
            await client.delete(UIButton, name)


def offers(seen: TiltObjects) -> frozenset[str]:
    """Read which namespaces our button offers to forward."""
    for raw in seen.buttons:
        if raw["metadata"]["name"] == FORWARD_BUTTON and _is_ours(raw):
            return choices(raw.get("spec"))
    return frozenset()


def _is_ours(raw: Raw) -> bool:
    labels = raw["metadata"].get("labels") or {}
    return LABELS.items() <= labels.items()
