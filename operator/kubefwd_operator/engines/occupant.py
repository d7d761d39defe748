"""Which program listens where a service should: found out as an ordinary user, as far as that goes.

What differs between platforms is here. Linux shows everybody which sockets listen, with their users
and inodes (/proc/net/tcp and tcp6, proc(5)); which process has one open it shows only to that
process's user (/proc/PID/fd). So a program of the developer's is told by name, one of somebody else
by its user. Elsewhere nobody is asked: macOS tells by way of lsof only, which takes seconds.

Only names of programs are told, never arguments, which may hold secrets. The search is bounded in
what it reads, and is made in a thread, after a port has turned out to be taken.
"""

import asyncio
import os
import pwd
import sys
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from ipaddress import IPv4Address
from itertools import islice
from pathlib import Path

Place = tuple[str, int]
"""(address, port)."""

PROC = Path("/proc")

SECONDS = 2.0
"""How long `ask` may take."""

MAX_SOCKETS = 20_000
"""Listening sockets that are read of each list."""

MAX_DESCRIPTORS = 50_000
"""Open files of the developer's processes that are looked at; some 0.1 s."""

_LISTENS = "0A"
_LISTS = ("tcp", "tcp6")


@dataclass(frozen=True, slots=True)
class Occupant:
    """Who listens. `listens` is `address:port` as it was bound; `program` is empty for others'."""

    listens: str
    user: str
    program: str = ""
    pid: int = 0

    def __str__(self) -> str:
        """Name it for people, to follow "taken by"."""
        known = f"{self.program} (process {self.pid})"
        return f"{known if self.pid else f'a program of user {self.user}'} on {self.listens}"


@dataclass(frozen=True, slots=True)
class Listening:
    """A line of the lists. `address` is hexadecimal, as it stands there."""

    address: str
    port: int
    uid: int
    inode: str


def find(places: Collection[Place], proc: Path = PROC) -> dict[Place, Occupant]:
    """Say who listens on places, on each address or on all; whoever cannot be told is left out."""
    if sys.platform != "linux":
        return {}
    listening = _listening({port for _, port in places}, proc)
    found = {place: one for place in places if (one := blocks(place, listening))}
    mine = {one.inode for one in found.values() if one.uid == os.geteuid()}
    programs = _programs(mine, proc)
    return {
        place: _occupant(one, *programs.get(one.inode, ("", 0))) for place, one in found.items()
    }


async def ask(places: Collection[Place]) -> dict[Place, Occupant]:
    """As `find`, in a thread; whoever is not found in time is left out."""
    if not places:
        return {}
    try:
        async with asyncio.timeout(SECONDS):
            return await asyncio.to_thread(find, places)
    except TimeoutError:
        return {}


def blocks(place: Place, listening: Collection[Listening]) -> Listening | None:
    """Return what keeps us from a place: who has the very address, else who has all of them.

    `::` comes last: whether it takes IPv4 as well is not shown.
    """
    by_address = {one.address: one for one in listening if one.port == place[1]}
    own = _hex(place[0])
    every = ("0" * 8, _MAPPED + "0" * 8, "0" * 32)
    addresses = (own, _MAPPED + own, *every)
    return next((by_address[each] for each in addresses if each in by_address), None)


def parse(lines: Iterable[str]) -> Iterator[Listening]:
    """Read /proc/net/tcp or tcp6, where sockets that listen come before all others."""
    for line in islice(lines, 1, MAX_SOCKETS):
        fields = line.split()
        if len(fields) < 10 or fields[3] != _LISTENS:
            return
        address, _, port = fields[1].partition(":")
        yield Listening(address, int(port, 16), int(fields[7]), fields[9])


def _listening(ports: Collection[int], proc: Path) -> list[Listening]:
    found: list[Listening] = []
    for name in _LISTS:
        try:
            with (proc / "net" / name).open() as lines:
                found += [one for one in parse(lines) if one.port in ports]
        except OSError:  # a kernel without IPv6
            continue
    return found


def _programs(inodes: Collection[str], proc: Path) -> dict[str, tuple[str, int]]:
    """Return name and number of the developer's process that has each socket open."""
    wanted = {f"socket:[{inode}]": inode for inode in inodes}
    found: dict[str, tuple[str, int]] = {}
    descriptors = islice(_descriptors(proc), MAX_DESCRIPTORS)
    while len(found) < len(wanted) and (each := next(descriptors, None)):
        pid, target = each
        if (inode := wanted.get(target)) and inode not in found:
            found[inode] = (_name(proc / str(pid)), pid)
    return found


def _descriptors(proc: Path) -> Iterator[tuple[int, str]]:
    """Yield what our processes have open, the newest process first."""
    numbers = sorted(
        (int(each.name) for each in proc.iterdir() if each.name.isdigit()), reverse=True
    )
    for pid in numbers:
        for descriptor in _open(proc / str(pid) / "fd"):
            with suppress(OSError):  # it has been closed meanwhile
                yield pid, str(descriptor.readlink())


def _open(folder: Path) -> list[Path]:
    """List what a process has open; nothing when it is not ours, has ended, or hides it."""
    try:
        return list(folder.iterdir()) if folder.stat().st_uid == os.geteuid() else []
    except OSError:
        return []


def _occupant(one: Listening, program: str, pid: int) -> Occupant:
    try:
        user = pwd.getpwuid(one.uid).pw_name
    except KeyError:
        user = str(one.uid)
    return Occupant(f"{_shown(one.address)}:{one.port}", user, program, pid)


def _name(process: Path) -> str:
    try:
        name = (process / "comm").read_text("utf-8", "replace")
    except OSError:
        name = ""
    return "".join(filter(str.isprintable, name)).strip() or "a program"


def _word(word: bytes) -> str:
    return f"{int.from_bytes(word, sys.byteorder):08X}"


def _hex(address: str) -> str:
    """Write an IPv4 address as the lists do: one number in the machine's byte order."""
    return _word(IPv4Address(address).packed)


_MAPPED = "0" * 16 + _word(b"\0\0\xff\xff")


def _shown(address: str) -> str:
    last = int(address[-8:], 16).to_bytes(4, sys.byteorder)
    if len(address) == 8:
        return str(IPv4Address(last))
    return f"[::ffff:{IPv4Address(last)}]" if address.startswith(_MAPPED) else "[::]"
