"""Which services are to be forwarded, and which cannot be, whatever the engine. Pure."""

from collections.abc import Iterator
from dataclasses import replace

from kubefwd_operator.core.model import CatalogSeen, Desired, Service, ServicePort, Source
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason

MAX_GUESTS = 1000
"""Services of namespaces that only policies bring in: each costs a bit of every pass."""

CROWDED = Problem(
    Reason.SKIPPED,
    f"It is not forwarded: of namespaces that only policies bring in, the first {MAX_GUESTS} "
    "services are. List this namespace in the argument `namespaces`, if you need it.",
)


def wanted(desired: Desired, catalog: CatalogSeen) -> Iterator[Service]:
    """Yield the services of the desired namespaces, in their order, each as the rules have it.

    Those of another cluster's catalog do not count, and the API server's own service is left out.
    """
    if desired.cluster is None or catalog.cluster != desired.cluster:
        return
    guests = 0
    for namespace in desired.namespaces:
        seen = catalog.namespaces.get(namespace.name)
        for service in (
            seen.services if seen and not _waits(namespace.name, desired, catalog) else ()
        ):
            if (service.namespace, service.name) != ("default", "kubernetes"):
                guests += namespace.source is Source.POLICY
                full = guests > MAX_GUESTS and namespace.source is Source.POLICY
                yield replace(service, withheld=CROWDED) if full else ruled(service, desired)


def _waits(namespace: str, desired: Desired, catalog: CatalogSeen) -> bool:
    """Whether it is not known yet what policies say of a namespace.

    That there are none need not be decided first, so that most people wait for nobody.
    """
    policies = catalog.policies
    unruled = policies.knows(namespace) and namespace not in policies.namespaces
    return namespace in desired.pending and not unruled


def ruled(service: Service, desired: Desired) -> Service:
    """Put in what the rules say of a service."""
    rules = desired.rules_of(service.namespace)
    if why := rules.skipped_by(service.name, service.labels):
        return replace(service, withheld=Problem(Reason.SKIPPED, f"It is not forwarded: {why}."))
    ports = rules.of(service.name).ports
    return replace(service, local_ports=ports) if ports else service


def listening(service: Service) -> dict[int, ServicePort]:
    """Return the ports that listen here, by the number that they listen on.

    A port that is to listen where another one of the service does stays on its own number.
    """
    own = {port.port: port for port in service.ports if port.protocol == "TCP"}
    moved = {port: local for port, local in service.local_ports if port in own}
    kept = own.keys() - moved.keys()
    moved = {port: port if local in kept else local for port, local in moved.items()}
    return {moved.get(number, number): port for number, port in own.items()}


def unmoved(service: Service) -> Problem | None:
    """Say which ports cannot listen on the number that a policy gives them."""
    listens = {port.port: number for number, port in listening(service).items()}
    wrong = [pair for pair in service.local_ports if listens.get(pair[0]) != pair[1]]
    if not wrong:
        return None
    pairs = ", ".join(f"{port} on {local}" for port, local in wrong)
    return Problem(
        Reason.POLICY_UNSUPPORTED,
        f"A policy wants {pairs}, but there is no such TCP port, or another one of this service "
        "listens there: correct the policy's `ports`.",
    )


def refusal(service: Service) -> Problem | None:
    """Say why a service cannot be forwarded at all, or is not to be."""
    if service.withheld:
        return service.withheld
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


def left_out(service: Service) -> Problem | None:
    """Say which ports of a service cannot be forwarded, while others can."""
    others = [f"{port.port}/{port.protocol}" for port in service.ports if port.protocol != "TCP"]
    if not others:
        return None
    return Problem(
        Reason.NOT_FORWARDABLE,
        f"Not forwarded: {', '.join(others)}. Kubernetes forwards TCP only.",
    )
