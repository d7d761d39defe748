"""How names are spelled, and which ones root refuses. Pure; `core/names.py` imports it too.

Root takes labels and builds every name of the cluster itself. What it refuses are names whose theft
hurts the machine beyond forwarding: its own, and public ones. Ready-made are only the hostnames of
policies, and those end in a suffix that nobody else can own, or that was authorised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
CLUSTER_SUFFIX = ".svc.cluster.local"
RESERVED = frozenset({"localhost", "broadcasthost", "wpad", "isatap"})
# `S.N` in one of these would shadow a public or a local domain.
PUBLIC_SUFFIXES = frozenset(
    "com net org edu gov mil int arpa local localhost internal home lan corp".split()  # noqa: SIM905 - a list is 14 lines
)


class HostsEntry(NamedTuple):
    """One address and whose it is. `bare` publishes `S`, `short` publishes `S.N`."""

    ip: str
    service: str
    namespace: str
    pod: str = ""
    bare: bool = False
    short: bool = True
    hostnames: tuple[str, ...] = ()


def is_label(text: str) -> bool:
    """Whether `text` is a DNS-1123 label: at most 63 of a-z, 0-9 and inner dashes."""
    return _LABEL.fullmatch(text) is not None


def is_hostname(text: str) -> bool:
    """Whether `text` is a DNS-1123 name of two labels or more."""
    return len(text) <= 253 and "." in text and all(map(is_label, text.split(".")))


def spell(entry: HostsEntry) -> tuple[str, ...]:
    """Every name of an entry: as in the cluster (a pod's has the pod in front), and hostnames."""
    head = f"{entry.pod}.{entry.service}" if entry.pod else entry.service
    short = f"{head}.{entry.namespace}"
    bare = (head,) if entry.bare else ()
    shorter = (*bare, *((short,) if entry.short else ()))
    return (*shorter, f"{short}.svc", f"{short}{CLUSTER_SUFFIX}", *entry.hostnames)


def refused(name: str, machine: Iterable[str] = (), suffixes: Iterable[str] | None = None) -> str:
    """Why root does not publish this name, as a sentence; empty when it does.

    `machine` holds the machine's own names, which only the root side knows. `suffixes` are given
    for a hostname: the authorised ones. RFC 6761 keeps `test` and `localhost` free of others'.
    """
    head, *rest = name.split(".")
    if len(name) > 253 or not all(map(is_label, [head, *rest])):
        return "It is not a DNS-1123 name."
    if name in RESERVED or (not rest and head.startswith("ip6-")):
        return "The machine needs this name for itself."
    if name in machine:
        return "It is this machine's own name."
    if suffixes is not None:
        free = any(name.endswith(f".{suffix}") for suffix in ("test", "localhost", *suffixes))
        if free and head not in RESERVED:
            return ""
        return "A hostname ends in .test, in .localhost or in what `allow_hostnames` lists."
    if rest and rest[-1] in PUBLIC_SUFFIXES and not name.endswith(CLUSTER_SUFFIX):
        return f"Names in .{rest[-1]} belong to the internet or the local network."
    return ""


def judged(entry: HostsEntry, machine: Iterable[str], ends: Iterable[str] = ()) -> dict[str, str]:
    """Every name of an entry, with why root does not publish it, or an empty text."""
    return {
        name: refused(name, machine, ends if name in entry.hostnames else None)
        for name in spell(entry)
    }
