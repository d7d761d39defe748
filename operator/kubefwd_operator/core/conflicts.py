"""Conflicts: everything that two want and one has, as one table.

Whoever finds out that a name or a port is somebody else's says so in a sentence (a Problem), and
beside it in columns (its Clash, see `clashes.py`). Here the columns of all services come together.
Clashes that differ in nothing but the name are one row, so that two namespaces with the same fifty
services, or a service that another Tilt has under all its forms, are one conflict.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from kubefwd_operator.core.model import ServiceSeen
from kubefwd_operator.core.problem import Clash, ClashKind

_ORDER = list(ClashKind)


@dataclass(frozen=True, slots=True)
class Conflict:
    """One row: `over` are names, or places that listen; the rest is as in Clash."""

    kind: ClashKind
    over: tuple[str, ...]
    has: str
    without: str
    remedy: str


def conflicts(services: Iterable[ServiceSeen]) -> tuple[Conflict, ...]:
    """Collect what the problems of all services tell: by kind, else in the order of services."""
    rows: dict[tuple[str, ...], list[Clash]] = {}
    for service in services:
        for problem in service.problems:
            if clash := problem.clash:
                row = (clash.kind.value, clash.has, clash.without, clash.remedy)
                rows.setdefault(row, []).append(clash)
    found = [_row(clashes) for clashes in rows.values()]
    return tuple(sorted(found, key=lambda conflict: _ORDER.index(conflict.kind)))


def _row(clashes: list[Clash]) -> Conflict:
    over = tuple(dict.fromkeys(clash.over for clash in clashes))
    first = clashes[0]
    return Conflict(first.kind, over, first.has, first.without, first.remedy)
