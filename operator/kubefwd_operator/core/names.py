"""Names: which of a service's names are published, and who wins one that two services have.

How a name is spelled is the helper's business (`root/helper/names.py`, re-exported here): both
sides of the privilege boundary share it, and root alone turns an entry into text. Decided here are
the two switches of an entry, `bare` and `short`:

- the long forms (`S.N.svc`, `S.N.svc.cluster.local`) are always there and belong to one service;
- the short form `S.N` is left out when root refuses it, or when N is a public top-level domain and
  a policy, not the developer himself, brought the namespace in;
- the bare form `S` goes to the first namespace in order that has such a service, and to none that
  only a policy brought in: it might be what a company calls its own servers;
- hostnames of policies come last, if they end where they may, and the first service has one. Below
  `.localhost`, where machines answer by themselves, those of namespaces that only a policy brought
  in are left out.

Pods of headless services have the same forms with `P.` in front. Two services can come to one name
(pod `web-0` of `db` has the bare name `web-0.db`, service `web-0` of namespace `db` the short one):
the longer form wins, services win over pods, earlier namespaces over later ones, and the loser
goes without. One name never means two services. A namespace that only a policy brought in comes
after all of that, so whoever can write one takes nobody's name or room with it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kubefwd_operator.core import clashes
from kubefwd_operator.core.model import Desired, Source
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.tlds import TLDS
from kubefwd_operator.root.helper.names import (
    HostsEntry,
    is_hostname,
    is_label,
    judged,
    refused,
    spell,
)

__all__ = [
    "HostsEntry",
    "Placed",
    "Published",
    "is_hostname",
    "is_label",
    "judged",
    "publish",
    "refused",
    "spell",
]

MAX_ENTRIES = 4096
"""What the helper accepts in one `hosts` request."""

MAX_BYTES = 900_000
"""What entries may weigh on the wire, so that a request stays below its limit of 1 MiB."""

MAX_HOSTNAMES = 1000
"""Of all services, refused ones counted, so that no policy can fill the hosts file or our time."""

_FRAME_BYTES = 130
"""What the JSON around an entry's values takes, generously."""

ServiceKey = tuple[str, str]
"""(namespace, service)."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A service that an engine has given its addresses.

    `addresses` is what `S...` resolves to: one for an ordinary service, those of all ready
    endpoints for a headless one. `pods` are (hostname, address) of a headless service's endpoints.
    """

    namespace: str
    service: str
    addresses: tuple[str, ...]
    pods: tuple[tuple[str, str], ...] = ()

    @property
    def key(self) -> ServiceKey:
        """(namespace, service), the key of the mappings in `Published`."""
        return (self.namespace, self.service)

    @property
    def every_address(self) -> frozenset[str]:
        """Its own and those of its pods."""
        return frozenset(self.addresses) | {address for _, address in self.pods}


@dataclass(frozen=True, slots=True)
class Published:
    """The whole block of this instance, and by service what it is called and what it lacks."""

    entries: tuple[HostsEntry, ...]
    names: Mapping[ServiceKey, tuple[str, ...]]
    problems: Mapping[ServiceKey, tuple[Problem, ...]]


@dataclass(frozen=True, slots=True)
class _Unit:
    """One owner of names: a service, or one pod of it."""

    entry: HostsEntry
    addresses: tuple[str, ...]

    @property
    def key(self) -> ServiceKey:
        return (self.entry.namespace, self.entry.service)


def publish(services: Iterable[Placed], desired: Desired) -> Published:
    """Decide names for services of desired namespaces; those of other namespaces are left out."""
    order = {namespace.name: place for place, namespace in enumerate(desired.namespaces)}
    placed = sorted(
        (service for service in services if service.namespace in order),
        key=lambda service: (order[service.namespace], service.service),
    )
    desk = _Desk(desired)
    units = desk.decide([unit for service in placed for unit in _units(service)])
    entries = [unit.entry._replace(ip=ip) for unit in units for ip in unit.addresses]
    kept, dropped = _within_limits(entries)
    for entry in dropped:
        desk.report((entry.namespace, entry.service), _LIMIT)
    return Published(
        entries=kept,
        names=_names({service.key for service in placed}, kept),
        problems={service.key: tuple(desk.problems.get(service.key, ())) for service in placed},
    )


def _units(service: Placed) -> Iterable[_Unit]:
    entry = HostsEntry("", service.service, service.namespace, short=False)
    yield _Unit(entry, service.addresses)
    for hostname, address in service.pods:
        yield _Unit(entry._replace(pod=hostname), (address,))


class _Desk:
    """Hands out names: whoever asks first owns one. What a service does not get is reported."""

    def __init__(self, desired: Desired) -> None:
        self.desired = desired
        self.sources = {namespace.name: namespace.source for namespace in desired.namespaces}
        self.owners: dict[str, HostsEntry] = {}
        self.problems: dict[ServiceKey, list[Problem]] = {}
        self.claims = 0

    def decide(self, units: list[_Unit]) -> list[_Unit]:
        """Grant long forms to all, then short ones, then bare ones, then policies' namespaces.

        Services come before pods, so that a limit is first felt by pods, but for those namespaces.
        """
        for unit in units:
            for name in spell(unit.entry):
                self.owners.setdefault(name, _owner(unit.entry))
        ranked = sorted(units, key=lambda unit: bool(unit.entry.pod))
        own = self._shorten(unit for unit in ranked if self._is_invited(unit.entry))
        if self.desired.bare_names:
            own = [self._grant(unit, unit.entry._replace(bare=True)) for unit in own]
        guests = self._shorten(unit for unit in ranked if not self._is_invited(unit.entry))
        return [self._christen(unit) for unit in (*own, *guests)]

    def report(self, key: ServiceKey, problem: Problem) -> None:
        """Note a problem of this service, once."""
        noted = self.problems.setdefault(key, [])
        if problem not in noted:
            noted.append(problem)

    def _christen(self, unit: _Unit) -> _Unit:
        """Grant a service the hostnames of its rule."""
        entry = unit.entry
        rule = self.desired.rules_of(entry.namespace).of(entry.service)
        granted: list[str] = []
        claims = () if entry.pod else rule.hostnames
        self.claims += len(claims)
        if claims and self.claims > MAX_HOSTNAMES:
            self.report(unit.key, _ENOUGH)
            claims = ()
        for name in claims:
            if why := refused(name, suffixes=self.desired.allow_hostnames):
                self.report(unit.key, clashes.no_hostname(name, rule.by, why))
            elif name.endswith(".localhost") and not self._is_invited(entry):
                self.report(unit.key, clashes.own_host(name, rule.by, entry.namespace))
            elif (owner := self.owners.setdefault(name, _owner(entry))) != _owner(entry):
                self.report(unit.key, clashes.elsewhere(name, owner, entry))
            elif name not in spell(entry):
                granted.append(name)
        return replace(unit, entry=entry._replace(hostnames=tuple(granted)))

    def _shorten(self, units: Iterable[_Unit]) -> list[_Unit]:
        return [self._grant(unit, unit.entry._replace(short=True)) for unit in units]

    def _grant(self, unit: _Unit, wanted: HostsEntry) -> _Unit:
        (name,) = set(spell(wanted)) - set(spell(unit.entry))
        problem, granted = self._judge(name, unit.entry)
        if problem and not wanted.pod:
            self.report(unit.key, problem)
        return replace(unit, entry=wanted) if granted else unit

    def _is_invited(self, entry: HostsEntry) -> bool:
        """Whether the developer asked for the namespace, be it by deploying to it."""
        return self.sources[entry.namespace] is not Source.POLICY

    def _judge(self, name: str, entry: HostsEntry) -> tuple[Problem | None, bool]:
        """Say what is wrong with giving this name to this entry, and whether it gets it."""
        if why := refused(name):
            return clashes.refused(name, entry, why), False
        public = _is_public(name)
        if public and not self._is_invited(entry):
            return clashes.uninvited(name, entry), False
        owner = self.owners.setdefault(name, _owner(entry))
        if owner != _owner(entry):
            return clashes.elsewhere(name, owner, entry), False
        return (clashes.shadows(name, entry) if public else None), True


def _owner(entry: HostsEntry) -> HostsEntry:
    return HostsEntry("", entry.service, entry.namespace, entry.pod)


def _is_public(name: str) -> bool:
    first, _, rest = name.partition(".")
    return bool(first and rest) and rest.rpartition(".")[2] in TLDS


_LIMIT = Problem(
    Reason.LIMIT_REACHED,
    f"Not all names are published: the helper takes at most {MAX_ENTRIES} hosts entries. "
    "Forward fewer namespaces: list those that you do not need in the argument `exclude`.",
)

_ENOUGH = Problem(
    Reason.NAME_REFUSED,
    f"Its hostnames are not published: {MAX_HOSTNAMES} of policies count, in the order of the "
    "namespaces. List its namespace earlier in the argument `namespaces`.",
)
"""No fault: whoever can write to the cluster could turn everything red with it."""


def _within_limits(
    entries: list[HostsEntry],
) -> tuple[tuple[HostsEntry, ...], tuple[HostsEntry, ...]]:
    """Split off the last entries, those that do not fit one `hosts` request.

    Hostnames get what is left then, and are left out where they do not fit.
    """
    kept: list[HostsEntry] = []
    room, named = MAX_BYTES, MAX_HOSTNAMES
    for entry in entries[:MAX_ENTRIES]:
        room -= _FRAME_BYTES + len(entry.service) + len(entry.namespace) + len(entry.pod)
        if room < 0:
            break
        kept.append(entry._replace(hostnames=()))
    dropped = entries[len(kept) :]
    for place, entry in enumerate(entries[: len(kept)]):
        room -= sum(len(name) + 4 for name in entry.hostnames)
        named -= len(entry.hostnames)
        if room >= 0 and named >= 0:
            kept[place] = entry
        elif entry.hostnames:
            dropped.append(entry)
    return tuple(kept), tuple(dropped)


def _names(
    keys: Iterable[ServiceKey], entries: Iterable[HostsEntry]
) -> dict[ServiceKey, tuple[str, ...]]:
    names: dict[ServiceKey, dict[str, None]] = {key: {} for key in keys}
    for entry in entries:
        names[(entry.namespace, entry.service)].update(dict.fromkeys(spell(entry)))
    return {key: tuple(own) for key, own in names.items()}
