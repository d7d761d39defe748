"""Which sockets listen, and which are in use: read off the system, so that nothing is touched.

To connect would prove less and do harm: kubefwd accepts before it has asked the pod, and one
connection that the pod refuses takes a forward down (measured on kubefwd 1.25.16).
"""

import asyncio
import logging
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path

from kubefwd_operator.engines.kubefwd.truth import Place

PROC = Path("/proc/net/tcp")
"""Where Linux lists IPv4 sockets; everybody may read it."""

NETSTAT = ("/usr/sbin/netstat", "-an", "-p", "tcp", "-f", "inet")
"""What lists them on macOS."""

SECONDS = 3.0
"""How long netstat may take."""

_STATES = {"0A": "LISTEN", "01": "ESTABLISHED"}

_log = logging.getLogger(__name__)
_told: set[str] = set()


@dataclass(frozen=True, slots=True)
class Sockets:
    """Every (address, port) inside 127.0.0.0/8 that listens, and our end of every connection."""

    listening: frozenset[Place] = frozenset()
    connected: frozenset[Place] = frozenset()


async def look() -> Sockets | None:
    """Look at the sockets of this moment. None when they cannot be known; why is logged, once."""
    read, parse = _WAYS.get(sys.platform, _WAYS["linux"])
    try:
        return parse(await asyncio.to_thread(read))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        _tell(f"{error}")
        return None


def parse_proc(text: str) -> Sockets:
    """Read /proc/net/tcp. Raises ValueError when it is something else.

    An address is a number in the machine's byte order: 127.1.27.1 is 011B017F on most.
    """
    heading, *lines = text.splitlines() or [""]
    if "local_address" not in heading:
        raise ValueError(f"{PROC} does not hold a list of sockets")
    rows = [row for line in lines if len(row := line.split()) > 3]
    return _sorted((_place(row[1]), _STATES.get(row[3], "")) for row in rows)


def parse_netstat(text: str) -> Sockets:
    """Read what macOS's netstat prints. Raises ValueError when it is something else.

    A line is `tcp4  0  0  127.1.27.1.80  *.*  LISTEN`.
    """
    if "Local Address" not in text:
        raise ValueError(f"{NETSTAT[0]} does not print a list of sockets")
    rows = (line.split() for line in text.splitlines())
    found = (row for row in rows if row[0:1] == ["tcp4"] and row[5:] and "*" not in row[3])
    return _sorted(((ip, int(port)), row[5]) for row in found for ip, _, port in [_cut(row[3])])


def _sorted(places: Iterable[tuple[Place, str]]) -> Sockets:
    found = [(place, state) for place, state in places if place[0].startswith("127.")]
    return Sockets(
        frozenset(place for place, state in found if state == "LISTEN"),
        frozenset(place for place, state in found if state == "ESTABLISHED"),
    )


def _cut(text: str) -> tuple[str, str, str]:
    return text.rpartition(".")


def _place(text: str) -> Place:
    address, _, port = text.partition(":")
    return str(IPv4Address(int(address, 16).to_bytes(4, sys.byteorder))), int(port, 16)


def _proc() -> str:
    return PROC.read_text()


def _netstat() -> str:
    done = subprocess.run(
        NETSTAT, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SECONDS,
        check=True,
    )  # fmt: skip
    return done.stdout


def _tell(why: str) -> None:
    if why not in _told:
        _told.add(why)
        _log.warning(
            "Which sockets listen cannot be known, so what kubefwd says of itself is believed, and "
            "a service may be shown as ready when it is not: see that this user may read it. %s",
            why,
        )


_WAYS: dict[str, tuple[Callable[[], str], Callable[[str], Sockets]]] = {
    "linux": (_proc, parse_proc),
    "darwin": (_netstat, parse_netstat),
}
