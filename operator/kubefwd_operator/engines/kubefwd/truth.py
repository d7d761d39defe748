"""What should be forwarded against what is: services, kubefwd's rows, sockets that listen. Pure.

kubefwd's own word is not enough. Read in its source, 1.25.16: a row is `Active` before anything
listens, a row in trouble disappears within 0.1 s, and a broken service is in no list at all. So a
place is live when it has a row, an address of kubefwd's range, and a socket that listens; and what
its row leads to is compared with what the catalog says of the Service's endpoints.

A service is as well as the best of its addresses: rows that are left over beside one that serves
every port harm nobody, and a remedy would cut connections for nothing. For a headless service that
holds pod by pod, and its row for the first pod under its own name counts as one more row of that
pod: a Pending first pod never gets one, while names need nothing but addresses of ready pods.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from ipaddress import AddressValueError, IPv4Address

from kubefwd_operator.core.forwardable import refusal
from kubefwd_operator.core.model import Service
from kubefwd_operator.core.names import ServiceKey
from kubefwd_operator.engines.kubefwd.rows import Forward

Place = tuple[str, int]
"""(address, port)."""

ADDRESSES = 256
"""How many a namespace has in one life of kubefwd: each name of each pod takes one for good."""

_FIRST, _LAST = IPv4Address("127.1.27.0"), IPv4Address("127.1.255.255")


class Verdict(StrEnum):
    """How a service is. Of several that hold, the first of EXHAUSTED to NOT_LISTENING counts."""

    READY = "Ready"
    NO_ENDPOINTS = "NoEndpoints"
    """Nothing is expected: it has no ready endpoint."""
    EXHAUSTED = "Exhausted"
    """A row has no address of its own (`<nil>`), and listens on everybody's 127.0.0.1 instead."""
    HALF_OPEN = "HalfOpen"
    """Its sockets listen, and connections through them time out."""
    STALE = "Stale"
    """It is forwarded as its Service once was: to a pod that is gone or no longer selected, or to
    another port. kubefwd keeps the Service that it saw first, so only delete and add helps."""
    MISSING = "Missing"
    """A port has no row, although an endpoint is ready."""
    NOT_LISTENING = "NotListening"
    """Every port has a row, and one has no socket."""


TROUBLES = {
    Verdict.MISSING: "is not forwarded",
    Verdict.NOT_LISTENING: "does not listen, although kubefwd says so",
    Verdict.STALE: "is forwarded to where its Service no longer leads",
    Verdict.HALF_OPEN: "lets connections time out",
    Verdict.EXHAUSTED: "has no address, because kubefwd has none left",
}
"""What is wrong with a service, to be said after its name."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """One service: how it is, and what of it can be named.

    `places` listen now. `addresses` are what `S` leads to, the main one first: one for an ordinary
    service, those of every live row of a ready endpoint for a headless one (of any endpoint while
    none is ready). `pods` are (hostname, address) of a headless service's named endpoints.
    `missing` are the ports that lead nowhere, or not where they should. `begun` are all places that
    have a row, live or not. `works` if connections to it succeed, be it at one port of one pod, and
    be that pod not ready: somebody may just hold it in a debugger.
    """

    service: Service
    verdict: Verdict
    places: tuple[Place, ...] = ()
    addresses: tuple[str, ...] = ()
    pods: tuple[tuple[str, str], ...] = ()
    missing: tuple[int, ...] = ()
    begun: tuple[Place, ...] = ()
    works: bool = False

    @property
    def key(self) -> ServiceKey:
        """(namespace, service)."""
        return (self.service.namespace, self.service.name)


def judge(
    services: Iterable[Service],
    rows: Iterable[Forward],
    listening: frozenset[Place] | None,
    timeouts: Collection[tuple[str, str]] = (),
) -> tuple[Judgement, ...]:
    """Judge every service that can be forwarded at all, in order.

    With `listening` None, which sockets listen is not known, and `Active` is believed. `timeouts`
    are (namespace, pod) of half-open connections, which is known from kubefwd's log only.
    """
    own: dict[ServiceKey, list[Forward]] = defaultdict(list)
    for row in rows:
        own[row.namespace, row.service].append(row)
    forwardable = (service for service in services if refusal(service) is None)
    views = (_View(each, own[each.namespace, each.name], listening) for each in forwardable)
    return tuple(_judged(view, timeouts) for view in views)


def burnt(rows: Iterable[Forward]) -> int:
    """Return how far addresses are used up where a restart would help: 0 to 256.

    That is the highest last octet of a namespace that uses at most half of what it has been given;
    where more is in use a restart would soon be due again. The 256th address ends in 0.
    """
    used: dict[str, set[int]] = defaultdict(set)
    for row in rows:
        if _has_address(row):
            used[row.namespace].add(IPv4Address(row.ip).packed[3] or ADDRESSES)
    return max((max(each) for each in used.values() if 2 * len(each) <= max(each)), default=0)


def _has_address(row: Forward) -> bool:
    try:
        return _FIRST <= IPv4Address(row.ip) <= _LAST
    except AddressValueError:
        return False


class _View:
    """One service and the rows that kubefwd has for it."""

    def __init__(
        self, service: Service, rows: Sequence[Forward], listening: frozenset[Place] | None
    ) -> None:
        self.service = service
        self.rows = [row for row in rows if _has_address(row)]
        self.exhausted = len(self.rows) < len(rows)
        self.ports = {port.port for port in service.ports if port.protocol == "TCP"}
        # kubefwd skips UDP alone, so there may be rows for SCTP; where numbers meet, TCP counts.
        in_order = sorted(service.ports, key=lambda port: port.protocol == "TCP")
        self._names = {port.port: port.name for port in in_order}
        self._endpoints = {endpoint.pod: endpoint for endpoint in service.endpoints}
        self._listening = listening

    def is_live(self, row: Forward) -> bool:
        """Say whether a row listens."""
        if self._listening is None:
            return row.status == "Active"
        return (row.ip, row.port) in self._listening

    def is_stale(self, row: Forward) -> bool:
        """Say whether a row leads where the Service no longer does, as far as the catalog knows.

        A pod that is merely not ready is no reason: kubefwd would come back to it.
        """
        endpoint = self._endpoints.get(row.pod)
        if endpoint is None or row.port not in self._names:
            return True
        return endpoint.ports.get(self._names[row.port], row.pod_port) != row.pod_port

    def serves(self, row: Forward) -> bool:
        """Say whether a row listens and leads where it should."""
        return self.is_live(row) and not self.is_stale(row)

    @cached_property
    def units(self) -> list[list[Forward]]:
        """What has to work: the service, or each ready pod of a headless one."""
        if not self.service.headless:
            return [self._best(self.rows)]
        return [self.of(each.pod) for each in self.service.endpoints if each.ready]

    def of(self, pod: str) -> list[Forward]:
        """Return the rows of a pod, at the best of its addresses."""
        return self._best(row for row in self.rows if row.pod == pod)

    def lacking(self, unit: Iterable[Forward]) -> set[int]:
        """Return the ports that these rows, which share an address, do not serve."""
        return self.ports - {row.port for row in unit if self.serves(row)}

    def named(self) -> list[Forward]:
        """Return the live rows that the service's name leads to."""
        rows = self.units[0] if not self.service.headless else self._of_pods()
        live = (row for row in rows if self.is_live(row))
        return sorted(live, key=lambda row: (row.pod_name_in_host, row.pod, row.port))

    def _of_pods(self) -> list[Forward]:
        """Return the rows of the ready pods (of all while none is), each at one address."""
        ready = [endpoint.pod for endpoint in self.service.endpoints if endpoint.ready]
        return [row for pod in ready or self._endpoints for row in self.of(pod)]

    def _best(self, rows: Iterable[Forward]) -> list[Forward]:
        """Return the rows of the address that serves most."""
        groups: dict[str, list[Forward]] = defaultdict(list)
        for row in rows:
            groups[row.ip].append(row)
        return max(groups.values(), key=self._worth, default=[])

    def _worth(self, unit: list[Forward]) -> tuple[float, ...]:
        live = sum(map(self.is_live, unit))
        newest = max(row.started for row in unit)
        return (-len(self.lacking(unit)), live, unit[0].pod_name_in_host, newest)


def _judged(view: _View, timeouts: Collection[tuple[str, str]]) -> Judgement:
    verdict, named = _verdict(view, timeouts), view.named()
    expected = verdict is not Verdict.NO_ENDPOINTS
    missing = {port for unit in view.units for port in view.lacking(unit) if expected}
    return Judgement(
        view.service,
        verdict,
        places=tuple(dict.fromkeys((row.ip, row.port) for row in named)),
        addresses=tuple(dict.fromkeys(row.ip for row in named)),
        pods=_pods(view) if view.service.headless else (),
        missing=tuple(sorted(missing)),
        begun=tuple(dict.fromkeys((row.ip, row.port) for row in view.rows)),
        works=any(
            view.serves(row) and (row.namespace, row.pod) not in timeouts for row in view.rows
        ),
    )


def _verdict(view: _View, timeouts: Collection[tuple[str, str]]) -> Verdict:
    if not any(endpoint.ready for endpoint in view.service.endpoints):
        return Verdict.NO_ENDPOINTS
    if view.exhausted:
        return Verdict.EXHAUSTED
    units = view.units
    if any((row.namespace, row.pod) in timeouts for unit in units for row in unit):
        return Verdict.HALF_OPEN
    if not any(map(view.lacking, units)):
        return Verdict.READY
    if any(map(view.is_stale, view.rows)):
        return Verdict.STALE
    if any(view.ports - {row.port for row in unit} for unit in units):
        return Verdict.MISSING
    return Verdict.NOT_LISTENING


def _pods(view: _View) -> tuple[tuple[str, str], ...]:
    """Return each named endpoint that has a live row, and the address of that."""
    named = ((each.hostname, view.of(each.pod)) for each in view.service.endpoints if each.hostname)
    return tuple((hostname, rows[0].ip) for hostname, rows in named if any(map(view.is_live, rows)))
