"""Who needs a loopback address, and who gets which. Pure.

A service has one; a headless service has one for each endpoint too, kept apart by hostname, so
that a StatefulSet's pod has the same one when it is replaced. An address is kept as long as what it
belongs to exists.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from kubefwd_operator.core.addresses import candidates
from kubefwd_operator.core.forwardable import refusal
from kubefwd_operator.core.model import Service
from kubefwd_operator.engines.native.target import endpoint_id

LeaseKey = tuple[str, str, str]
"""(namespace, service, endpoint of a headless service or nothing)."""


def leases(services: Iterable[Service], departed: Collection[LeaseKey] = ()) -> Iterator[LeaseKey]:
    """Yield what needs an address: services, and endpoints of headless ones."""
    for service in services:
        if refusal(service) is None:
            yield (service.namespace, service.name, "")
            for identity in identities(service, departed):
                yield (service.namespace, service.name, identity)


def hostnames(services: Iterable[Service]) -> Iterator[LeaseKey]:
    """Yield the endpoints with names of their own, which may leave for a moment and come back."""
    for service in services:
        if service.headless and refusal(service) is None:
            for endpoint in service.endpoints:
                if endpoint.hostname:
                    yield (service.namespace, service.name, endpoint.hostname)


def assign(
    cluster: str,
    needed: Iterable[LeaseKey],
    current: Mapping[LeaseKey, str],
    barred: Collection[str] = (),
) -> dict[LeaseKey, str]:
    """Give each an address: the one it has, else the next free of its own candidates.

    `barred` addresses are held by another instance. One for whom none is free goes without.
    """
    keys = tuple(dict.fromkeys(needed))
    given = {key: current[key] for key in keys if key in current and current[key] not in barred}
    taken = {*given.values(), *barred}
    for key in keys:
        if key not in given:
            free = next((ip for ip in candidates(cluster, *key) if ip not in taken), "")
            if free:
                given[key] = free
                taken.add(free)
    return given


def identities(service: Service, departed: Collection[LeaseKey]) -> tuple[str, ...]:
    """Return the endpoints of a headless service, those that have just left included."""
    if not service.headless:
        return ()
    here = dict.fromkeys(map(endpoint_id, service.endpoints))
    return (*here, *(key[2] for key in departed if owns(service, key) and key[2] not in here))


def owns(service: Service, key: LeaseKey) -> bool:
    """Say whether an address is of this service or of one of its endpoints."""
    return key[:2] == (service.namespace, service.name)
