"""Who waits for a name that is ours, read from the hosts file as anybody may read it.

A helper that has to leave a name to another instance says so in a comment of its own block,
`# waits for NAMES # kubefwd-operator:UID.INSTANCE`. So the holder can be told of the conflict, too.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

HOSTS = Path("/etc/hosts")
_WAITING = re.compile(rb"(?m)^# waits for ([a-z0-9. -]+) # kubefwd-operator:([0-9.a-z-]+)$")


@dataclass(frozen=True, slots=True)
class Contested:
    """A name that the helper wrote and another instance, `by`, waits for."""

    name: str
    by: str


def waiting(content: bytes) -> dict[str, str]:
    """Return which instance waits for each name that another one holds."""
    found = _WAITING.findall(content)
    return {name: by.decode() for names, by in found for name in names.decode().split()}


def contested(names: Collection[str], hosts: Path = HOSTS) -> tuple[Contested, ...]:
    """Say which of our names somebody else waits for; none when the file cannot be read."""
    try:
        waits = waiting(hosts.read_bytes())
    except OSError:
        return ()
    return tuple(Contested(name, waits[name]) for name in names if name in waits)
