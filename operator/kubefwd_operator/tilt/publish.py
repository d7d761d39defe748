"""Writes our ConfigMaps, and only when they would change.

Tilt sends a MODIFIED event even for a write that changes nothing (Tilt 0.37), so a pass
that has nothing new to say must not write. What the pass has read is the comparison: a ConfigMap
that somebody deleted or edited is put right by the next pass.
"""

from collections.abc import Mapping

from kubefwd_operator.tilt.client import TiltClient, TiltObjects


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
