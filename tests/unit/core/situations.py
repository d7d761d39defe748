"""Situations: short ways to say what is wanted and what is seen, for the tests of the status."""

from dataclasses import replace
from types import MappingProxyType

from kubefwd_operator.core.conditions import Seen
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    ClusterRef,
    Desired,
    DesiredNamespace,
    EngineSeen,
    NamespaceSeen,
    Service,
    ServicePort,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.status import Process, Status, build

KIND = ClusterRef("/run/kubeconfig", "kind-dev", "kind")
PROCESS = Process(4711, "tilt-10350", "1.2.3")
NOON, LATER = "2026-01-02T12:00:00Z", "2026-01-02T12:00:09Z"

AUTHORIZED = AuthoritySeen(AuthorityState.AUTHORIZED, way="sudo -A", session=1)


def wish(*names: str, source: Source = Source.TILT, generation: int = 1) -> Desired:
    namespaces = tuple(DesiredNamespace(name, source) for name in names)
    return Desired(KIND, namespaces, generation=generation)


def problem(reason: Reason, message: str = "") -> Problem:
    return Problem(reason, message or f"What to do about {reason}.")


def being(state: AuthorityState, reason: Reason | None = None) -> AuthoritySeen:
    return AuthoritySeen(state, problem(reason) if reason else None)


def row(
    key: str,
    *reasons: Reason,
    state: ServiceState = ServiceState.READY,
    ports: tuple[int, ...] = (80,),
    address: str = "127.18.0.3",
) -> ServiceSeen:
    """A service as the engine shows it; with an address it has its names."""
    service, _, namespace = key.partition(".")
    names = (key, f"{key}.svc", f"{key}.svc.cluster.local") if address else ()
    problems = tuple(map(problem, reasons))
    return ServiceSeen(namespace, service, state, address, ports, names, problems)


def read(*services: ServiceSeen) -> NamespaceSeen:
    """A namespace of the catalog that has been read and holds these."""
    found = tuple(
        Service(s.namespace, s.service, tuple(map(ServicePort, s.ports))) for s in services
    )
    return NamespaceSeen(found, synced=True)


def broken(reason: Reason, message: str = "") -> NamespaceSeen:
    return NamespaceSeen(problem=problem(reason, message))


def catalog(**namespaces: NamespaceSeen) -> CatalogSeen:
    return CatalogSeen(KIND, MappingProxyType(namespaces))


def seen(
    *services: ServiceSeen,
    authority: AuthoritySeen = AUTHORIZED,
    generation: int = 1,
    unreadable: Problem | None = None,
    engine: tuple[Problem, ...] = (),
    others: tuple[Problem, ...] = (),
    **namespaces: NamespaceSeen,
) -> Seen:
    """What the parts show; namespaces that are not given are read and hold the services."""
    for name in {service.namespace for service in services} - set(namespaces):
        namespaces[name] = read(*(s for s in services if s.namespace == name))
    return Seen(
        replace(catalog(**namespaces), problem=unreadable),
        authority,
        EngineSeen("native", generation, services, engine),
        others,
    )


def status(
    desired: Desired, now_seen: Seen, previous: Status | None = None, now: str = NOON
) -> Status:
    return build(desired, now_seen, process=PROCESS, previous=previous, now=now)
