"""Which services are to be forwarded, and which cannot be, whatever the engine. Pure."""

from collections.abc import Iterator

from kubefwd_operator.core.model import CatalogSeen, Desired, Problem, Service
from kubefwd_operator.core.reason import Reason


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


def left_out(service: Service) -> Problem | None:
    """Say which ports of a service cannot be forwarded, while others can."""
    others = [f"{port.port}/{port.protocol}" for port in service.ports if port.protocol != "TCP"]
    if not others:
        return None
    return Problem(
        Reason.NOT_FORWARDABLE,
        f"Not forwarded: {', '.join(others)}. Kubernetes forwards TCP only.",
    )
