"""Which names the helper has not written, and why: as anybody may read the hosts file.

The helper answers no more than whether the file is another one now. A name that is not there then,
for its address, was withheld. Root's reasons are the rules of `root/helper/names.py`, which this
side shares, and the lines of others.
"""

import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kubefwd_operator.core.names import HostsEntry, judged
from kubefwd_operator.privileged.rivals import holders

_OWNER = re.compile(r"[0-9]{1,10}\.[a-z0-9-]{1,32}")


@dataclass(frozen=True, slots=True)
class Withheld:
    """A name that the helper did not write, and in `message` the sentence why.

    `reason` is refused, held-by-user, held-by-instance or missing. `holder` is who holds it: an
    instance (`UID.INSTANCE`), or the address of a line of the user's.
    """

    name: str
    ip: str
    reason: str
    message: str
    holder: str = ""


def withheld(
    entries: Iterable[HostsEntry],
    content: bytes,
    *,
    machine: str | None = None,
    suffixes: Sequence[str] = (),
) -> tuple[Withheld, ...]:
    """Say which names of these entries are not in the file.

    `machine` is this machine's own name, which root leaves to the machine; `suffixes` are those of
    hostnames that were authorised.
    """
    there = _pairs(content)
    host = (socket.gethostname() if machine is None else machine).lower()
    own = (host, host.split(".")[0])
    missing = {
        (name, entry.ip): why
        for entry in entries
        for name, why in judged(entry, own, suffixes).items()
        if (name, entry.ip) not in there
    }
    held = holders({name for name, _ in missing}, content)
    return tuple(
        _explained(name, ip, why, held.get(name, "")) for (name, ip), why in missing.items()
    )


def _explained(name: str, ip: str, why: str, holder: str) -> Withheld:
    if why:
        return Withheld(name, ip, "refused", why)
    if _OWNER.fullmatch(holder):
        return Withheld(name, ip, "held-by-instance", f"It is in use by {holder}.", holder)
    if holder:
        why = "A line of your own in the hosts file holds it."
        return Withheld(name, ip, "held-by-user", why, holder)
    why = "It was taken out of the hosts file, which another program seems to write, too."
    return Withheld(name, ip, "missing", why)


def _pairs(content: bytes) -> set[tuple[str, str]]:
    """Return the names in the file, each with an address that it leads to."""
    lines = (line.partition(b"#")[0].split() for line in content.split(b"\n"))
    words = ([word.decode("ascii", "replace") for word in line] for line in lines)
    return {(name, address) for address, *names in filter(None, words) for name in names}
