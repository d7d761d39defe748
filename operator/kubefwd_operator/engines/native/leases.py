"""Who needs a loopback address, and who gets which. Pure.

A service has one; a headless service has one for each endpoint too, kept apart by hostname, so
that a StatefulSet's pod has the same one when it is replaced. An address is kept as long as what it
belongs to exists.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping

from kubefwd_operator.core.addresses import candidates
from kubefwd_operator.core.model import CatalogSeen, Desired, Problem, Service
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.target import endpoint_id

LeaseKey = tuple[str, str, str]
"""(namespace, service, endpoint of a headless service or nothing)."""


def wanted(desired: Desired, catalog: CatalogSeen) -> Iterator[Service]:
    """Yield the services of the desired namespaces, in their order.

    Those of another cluster's catalog do not count, and the API server's own service is left out.
    """
    if desired.cluster is None or catalog.cluster != desired.cluster:
        return
    for namespace in desired.namespaces:
        seen = catalog.namespaces.get(namespace.name)
        for service in seen.services if seen else ():
            if (service.namespace, service.name) != ("default", "kubernetes"):
                yield service


def refusal(service: Service) -> Problem | None:
    """Say why a service cannot be forwarded at all."""
    if service.external_name:
        return Problem(
            Reason.NOT_FORWARDABLE,
            f"It is an ExternalName: use '{service.external_name}' itself.",
        )
    if not any(port.protocol == "TCP" for port in service.ports):
        kinds = sorted({port.protocol for port in service.ports})
        says = f"It has {' and '.join(kinds)} ports only" if kinds else "It has no ports"
        return Problem(Reason.NOT_FORWARDABLE, f"{says}, and Kubernetes forwards TCP only.")
    if not service.selector:
        return Problem(
            Reason.NOT_FORWARDABLE,
            "It has no selector, so no pod stands behind it: use the address of its endpoints.",
        )
    return None


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
