"""Writes our ConfigMaps and buttons, and only when they would change.

Tilt sends a MODIFIED event even for a write that changes nothing (Tilt 0.37), so a pass
that has nothing new to say must not write. What the pass has read is the comparison: a ConfigMap
that somebody deleted or edited is put right by the next pass.
"""

from collections.abc import Mapping

from kubefwd_operator.core.clicks import AUTHORIZE_BUTTON
from kubefwd_operator.tilt.client import LABELS, Raw, TiltClient, TiltObjects

BUTTONS = {
    AUTHORIZE_BUTTON: {
        "location": {"componentType": "Resource", "componentID": "kubefwd:run"},
        "text": "Authorize",
        "iconName": "lock_open",
    }
}
"""The buttons that come and go, by name; Refresh is the Tiltfile's, and always there."""


async def publish(
    client: TiltClient, seen: TiltObjects, wanted: Mapping[str, Mapping[str, str]]
) -> tuple[str, ...]:
    """Make our ConfigMaps say what is `wanted`, by name; the names of those that were written.

    Raises TiltConflict when one has changed since `seen`: the caller looks again.
    """
    changed = tuple(name for name, data in wanted.items() if seen.data(name) != dict(data))
    for name in changed:
        await client.write(name, wanted[name], seen.maps.get(name))
    return changed


async def show_buttons(client: TiltClient, seen: TiltObjects, wanted: frozenset[str]) -> None:
    """Have those of our buttons on the page that are `wanted`, and no other of `BUTTONS`.

    A button of that name that is not ours is left alone.
    """
    there = {raw["metadata"]["name"]: raw for raw in seen.buttons}
    for name, spec in BUTTONS.items():
        if name in wanted and name not in there:
            await client.add_button(name, spec)
        elif name in there and name not in wanted and _is_ours(there[name]):
            await client.remove_button(name)


def _is_ours(raw: Raw) -> bool:
    labels = raw["metadata"].get("labels") or {}
    return LABELS.items() <= labels.items()
