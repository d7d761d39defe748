"""What the native engine should have open and named, decided without touching anything.

Given the addresses (`leases.py`), `plan` turns the catalog into listeners and names, and `steps`
compares a plan with what is there: listeners are started before the names that lead to them are
written, and stopped after their names are gone.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from kubefwd_operator.core.forwardable import left_out, listening, refusal, unmoved, wanted
from kubefwd_operator.core.model import CatalogSeen, Desired, Endpoint, Service, Source
from kubefwd_operator.core.names import Placed
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.leases import LeaseKey, identities, owns
from kubefwd_operator.engines.native.target import ServiceKey, Target, endpoint_id

Place = tuple[str, int]
"""(address, port)."""

NO_ADDRESS = Problem(Reason.ADDRESS_TAKEN, "No free loopback address: forward fewer namespaces.")

MAX_GUESTS = 2048
"""Places of namespaces that only policies bring in: a quarter of those that the helper has, so that
nobody who can write to the cluster leaves none for what the developer asked for."""

CROWDED = Problem(
    Reason.SKIPPED,
    "It is not forwarded: namespaces that only policies bring in listen on at most "
    f"{MAX_GUESTS} ports together. List this one in the argument `namespaces`, if you need it.",
)


@dataclass(frozen=True, slots=True)
class Outlook:
    """One service as planned: where it should listen, or why it cannot be forwarded.

    `notes` are problems that leave the rest of the service forwarded.
    """

    service: Service
    address: str = ""
    places: tuple[Place, ...] = ()
    notes: tuple[Problem, ...] = ()

    @property
    def key(self) -> ServiceKey:
        """(namespace, service)."""
        return (self.service.namespace, self.service.name)

    @property
    def forwarded(self) -> bool:
        """Whether there is anything of it to forward."""
        return bool(self.address)


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything that should be open (`listen`) and named (`placed`), service by service."""

    listen: Mapping[Place, Target]
    placed: tuple[Placed, ...]
    outlooks: tuple[Outlook, ...]


NOTHING = Plan({}, (), ())
"""Nothing open, nothing named: what is so while it is paused."""


@dataclass(frozen=True, slots=True)
class Steps:
    """What to do, in this order: start, then the names, then stop."""

    start: tuple[Place, ...]
    stop: tuple[Place, ...]


def plan(
    desired: Desired,
    catalog: CatalogSeen,
    addresses: Mapping[LeaseKey, str],
    idle: Collection[ServiceKey] = (),
    departed: Collection[LeaseKey] = (),
) -> Plan:
    """Decide what should be open and named.

    `idle` services have had no pod for a while: they keep address and names and do not listen.
    `departed` endpoints of headless services have left a moment ago: a StatefulSet's pod that is
    replaced keeps its name, and connections to it wait.
    """
    listen: dict[Place, Target] = {}
    placed: list[Placed] = []
    outlooks: list[Outlook] = []
    guests = {each.name for each in desired.namespaces if each.source is Source.POLICY}
    room = MAX_GUESTS
    for service in wanted(desired, catalog):
        if problem := refusal(service):
            outlooks.append(Outlook(service, notes=(problem,)))
            continue
        own = _listeners(service, addresses, departed)
        if (service.namespace, service.name) in idle:
            own = {}
        if service.namespace in guests:
            if len(own) > room:
                outlooks.append(Outlook(service, notes=(CROWDED,)))
                continue
            room -= len(own)
        outlook = _outlook(service, addresses, own)
        if outlook.forwarded:
            listen |= own
            placed.append(_placed(service, addresses, departed))
        outlooks.append(outlook)
    return Plan(listen, tuple(placed), tuple(outlooks))


def steps(plan: Plan, listening: Collection[Place]) -> Steps:
    """Compare a plan with what listens now."""
    return Steps(
        start=tuple(place for place in plan.listen if place not in listening),
        stop=tuple(place for place in listening if place not in plan.listen),
    )


def _outlook(
    service: Service, addresses: Mapping[LeaseKey, str], own: Mapping[Place, Target]
) -> Outlook:
    address = addresses.get((service.namespace, service.name, ""), "")
    notes = (left_out(service), unmoved(service), None if address else NO_ADDRESS)
    return Outlook(service, address, tuple(own), tuple(note for note in notes if note))


def _listeners(
    service: Service, addresses: Mapping[LeaseKey, str], departed: Collection[LeaseKey]
) -> dict[Place, Target]:
    """Return the places of a service.

    A headless one listens on its endpoints' addresses, and on its own while it has no endpoint.
    """
    key = (service.namespace, service.name)
    ports = _service_ports(service) | (_number_targets(service) if service.headless else {})
    found: dict[Place, Target] = {}
    if not (service.headless and service.endpoints):
        found |= _at(addresses.get((*key, ""), ""), ports, Target(*key))
    inside = {endpoint_id(each): _endpoint_ports(service, each) for each in service.endpoints}
    for identity in identities(service, departed):
        address = addresses.get((*key, identity), "")
        found |= _at(address, inside.get(identity, ports), Target(*key, endpoint=identity))
    return found


def _at(address: str, ports: Mapping[int, str], target: Target) -> dict[Place, Target]:
    if not address:
        return {}
    return {(address, port): replace(target, port=name) for port, name in ports.items()}


def _service_ports(service: Service) -> dict[int, str]:
    return {number: port.name for number, port in listening(service).items()}


def _number_targets(service: Service) -> dict[int, str]:
    """Return target ports that are numbers, unless a service port has the same number."""
    own = _service_ports(service)
    return {
        port.target: port.name
        for port in service.ports
        if port.protocol == "TCP" and isinstance(port.target, int) and port.target
        if port.target not in own
    }


def _endpoint_ports(service: Service, endpoint: Endpoint) -> dict[int, str]:
    """Return service ports and what they are in this very pod, which in-cluster clients use."""
    own = _service_ports(service)
    names = set(own.values())
    inside = {number: name for name, number in endpoint.ports.items() if name in names}
    return inside | own


def _placed(
    service: Service, addresses: Mapping[LeaseKey, str], departed: Collection[LeaseKey]
) -> Placed:
    """Say what a service's names lead to.

    A headless one leads to its ready endpoints; to all while none is ready, so that a connection
    can wait for one; to its own address while there are none.
    """
    key = (service.namespace, service.name)
    named = {endpoint.hostname for endpoint in service.endpoints if endpoint.hostname}
    named |= {lease[2] for lease in departed if owns(service, lease)}
    pods = tuple(
        (identity, addresses[(*key, identity)])
        for identity in identities(service, departed)
        if identity in named and (*key, identity) in addresses
    )
    ready = [endpoint for endpoint in service.endpoints if endpoint.ready]
    several = service.headless and (
        _addresses(service, ready, addresses) or _addresses(service, service.endpoints, addresses)
    )
    return Placed(*key, several or (addresses[(*key, "")],), pods)


def _addresses(
    service: Service, endpoints: Iterable[Endpoint], addresses: Mapping[LeaseKey, str]
) -> tuple[str, ...]:
    key = (service.namespace, service.name)
    found = (addresses.get((*key, endpoint_id(endpoint)), "") for endpoint in endpoints)
    return tuple(dict.fromkeys(address for address in found if address))
