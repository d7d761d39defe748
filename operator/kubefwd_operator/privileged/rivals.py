"""Who has a name that we want, and who waits for one of ours: as anybody may read the hosts file.

A helper that has to leave a name to another instance says so in a comment of its own block,
`# waits for NAMES # kubefwd-operator:UID.INSTANCE`. So the holder can be told of the conflict, too.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass

from kubefwd_operator.privileged.leftovers import owners

_WAITING = re.compile(rb"(?m)^# waits for ([a-z0-9. -]+) # kubefwd-operator:([0-9.a-z-]+)$")


@dataclass(frozen=True, slots=True)
class Contested:
    """A name that the helper wrote and another instance, `by`, waits for."""

    name: str
    by: str


def holders(names: Collection[str], content: bytes) -> dict[str, str]:
    """Say who holds names: an instance (`UID.INSTANCE`), or the address of a line of the user's.

    A name that two lines hold is told as the helper sees it: the user's counts.
    """
    found: dict[str, str] = {}
    for line in content.split(b"\n") if names else ():
        address, *words = line.partition(b"#")[0].decode("ascii", "replace").lower().split() or [""]
        owner = next(iter(owners(line)), "")
        for name in (word.rstrip(".") for word in words):
            if name in names and not (owner and name in found):
                found[name] = owner or address
    return found


def waiting(content: bytes) -> dict[str, str]:
    """Return which instance waits for each name that another one holds."""
    found = _WAITING.findall(content)
    return {name: by.decode() for names, by in found for name in names.decode().split()}


def contested(names: Collection[str], content: bytes) -> tuple[Contested, ...]:
    """Say which of our names somebody else waits for."""
    waits = waiting(content)
    return tuple(Contested(name, waits[name]) for name in names if name in waits)
