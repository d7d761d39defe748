"""Conditions: what is wanted and what is seen, judged one subject at a time.

`status.py` puts them together. A condition that is not as it should be has a message that names
the remedy; it comes from the part that knows (a Problem), or is written here. What is wrong with
one service or namespace only is gathered by `faults` for the condition `Degraded`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    Desired,
    DesiredNamespace,
    EngineSeen,
    NamespaceSeen,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason

INFORMATIONAL = frozenset(
    {
        Reason.READY,
        Reason.STARTING,
        Reason.SYNCING,
        Reason.NO_ENDPOINTS,
        Reason.NO_PODS,
        Reason.POD_FAILING,
        Reason.RECONNECTING,
        Reason.NOT_FORWARDABLE,
        Reason.NAME_CONTESTED,
        Reason.NAME_ELSEWHERE,
        Reason.NAME_REFUSED,
        Reason.SHADOWS_PUBLIC_NAME,
        Reason.SKIPPED,
        Reason.POLICY_UNSUPPORTED,
    }
)
"""Reasons in a service's row that are no fault of the forwarding."""

GLOBAL = frozenset(
    {
        Reason.SUPERSEDED,
        Reason.NO_CLUSTER,
        Reason.AUTHORIZATION_LOST,
        Reason.AUTHORIZATION_DENIED,
        Reason.WAITING_FOR_AUTHORIZATION,
        Reason.HELPER_UNAVAILABLE,
        Reason.CREDENTIALS_UNSUPPORTED,
        Reason.CREDENTIALS_EXPIRED,
        Reason.CREDENTIALS_FAILED,
        Reason.CLUSTER_UNREACHABLE,
        Reason.ENGINE_UNAVAILABLE,
        Reason.HELD_BY_OTHER_USER,
        Reason.ENGINE_FAILED,
        Reason.ENGINE_RESTARTING,
        Reason.HOSTS_NOT_WRITABLE,
        Reason.PAUSED,
    }
)
"""Reasons that concern everything; a service's row may repeat one, but it is told once."""

NEWS = frozenset({Reason.WAITING_FOR_AUTHORIZATION, Reason.AUTHORIZATION_DENIED})
"""Reasons whose message says what to run, so it is told again when it changes."""

_NO_FAULTS = INFORMATIONAL | GLOBAL
_NO_PODS = (Reason.NO_ENDPOINTS, Reason.NO_PODS, Reason.POD_FAILING)

_CLUSTER_REASONS = frozenset(
    {
        Reason.NO_CLUSTER,
        Reason.CLUSTER_UNREACHABLE,
        Reason.CREDENTIALS_FAILED,
        Reason.CREDENTIALS_EXPIRED,
        Reason.CREDENTIALS_UNSUPPORTED,
    }
)

_MAX_TOLD = 5
"""How many faults the message of `Degraded` spells out."""


class Truth(StrEnum):
    """`status` of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition by Kubernetes' conventions. The time is RFC 3339, when `status` last changed."""

    type: str
    status: Truth
    reason: Reason | str
    message: str
    last_transition_time: str = ""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the parts show now, and what is wrong beside them (Tilt's facts, the loop).

    `policies` is what is to be said of policies and of the argument `skip`, by object.
    """

    catalog: CatalogSeen
    authority: AuthoritySeen
    engine: EngineSeen
    problems: tuple[Problem, ...] = ()
    policies: tuple[Fault, ...] = ()


_AUTHORITY = {
    AuthorityState.ASKING: (Reason.STARTING, "Asking for authorization."),
    AuthorityState.WAITING: (
        Reason.WAITING_FOR_AUTHORIZATION,
        "Root is needed for names and low ports: run `kubefwd-operator authorize` in a terminal.",
    ),
    AuthorityState.DENIED: (
        Reason.AUTHORIZATION_DENIED,
        "Somebody was asked for root and has refused: click Authorize or Refresh to ask again.",
    ),
    AuthorityState.LOST: (
        Reason.AUTHORIZATION_LOST,
        "The privileged helper has ended and its names are gone: click Refresh to ask again.",
    ),
    AuthorityState.SUPERSEDED: (
        Reason.SUPERSEDED,
        "Another operator of this instance has taken over: stop it, or restart this one's Tilt.",
    ),
}


def helper_ready(seen: Seen) -> Condition:
    """`HelperReady`: the privileged helper is there and can do all of its work."""
    authority = seen.authority
    hosts = (p for p in seen.engine.problems if p.reason is Reason.HOSTS_NOT_WRITABLE)
    problem = authority.problem
    if authority.state is AuthorityState.AUTHORIZED:
        problem = problem or next(hosts, None)
        if problem is None:
            way = f" ({authority.way})" if authority.way else ""
            return Condition("HelperReady", Truth.TRUE, Reason.READY, f"Authorized{way}.")
    if problem is None:
        problem = Problem(*_AUTHORITY[authority.state])
    return Condition("HelperReady", Truth.FALSE, problem.reason, problem.message)


def cluster_reachable(desired: Desired, seen: Seen) -> Condition:
    """`ClusterReachable`: Unknown while nobody has asked the cluster anything."""
    kind, catalog = "ClusterReachable", seen.catalog
    for problem in (*seen.problems, *seen.engine.problems, catalog.problem):
        if problem and (problem is catalog.problem or problem.reason in _CLUSTER_REASONS):
            return Condition(kind, Truth.FALSE, problem.reason, problem.message)
    if desired.cluster is None:
        message = "Tilt is still connecting to its cluster."
        return Condition(kind, Truth.UNKNOWN, Reason.STARTING, message)
    context = desired.cluster.context
    if catalog.cluster == desired.cluster and any(map(_answered, catalog.namespaces.values())):
        return Condition(kind, Truth.TRUE, Reason.READY, f"The cluster of '{context}' answers.")
    if desired.namespaces:
        return Condition(kind, Truth.UNKNOWN, Reason.STARTING, f"Connecting to '{context}'.")
    message = "No namespace is wanted, so the cluster is not asked."
    return Condition(kind, Truth.UNKNOWN, Reason.READY, message)


def namespaces_synced(desired: Desired, catalog: CatalogSeen) -> Condition:
    """`NamespacesSynced`: every wanted namespace has been read completely."""
    kind = "NamespacesSynced"
    broken = list(_namespace_faults(desired, catalog))
    if broken:
        return Condition(kind, Truth.FALSE, broken[0].problem.reason, tell(broken))
    waiting = [n.name for n in desired.namespaces if is_syncing(n, catalog)]
    if waiting:
        message = f"Reading the services of {', '.join(waiting)}."
        return Condition(kind, Truth.FALSE, Reason.SYNCING, message)
    return Condition(kind, Truth.TRUE, Reason.READY, "Every wanted namespace has been read.")


def degraded(faults: Sequence[Fault]) -> Condition:
    """`Degraded`: something is wrong with a part of what is wanted, while the rest works."""
    if faults:
        return Condition("Degraded", Truth.TRUE, faults[0].problem.reason, tell(faults))
    return Condition("Degraded", Truth.FALSE, Reason.READY, "Nothing is wrong.")


def faults(desired: Desired, seen: Seen) -> list[Fault]:
    """Everything that makes up `Degraded`: namespaces first, then services, then the engine."""
    found = list(_namespace_faults(desired, seen.catalog))
    for service in seen.engine.services:
        found += [Fault(service.key, problem) for problem in _service_problems(service)]
    overall = (problem for problem in remaining(seen) if problem.reason not in GLOBAL)
    return found + [Fault("forwarding", problem) for problem in overall]


def remaining(seen: Seen) -> Iterator[Problem]:
    """Pass on what the engine and the loop report and no other condition shows."""
    for problem in (*seen.engine.problems, *seen.problems):
        if problem.reason not in _CLUSTER_REASONS | {Reason.HOSTS_NOT_WRITABLE}:
            yield problem


def tell(faults: Sequence[Fault]) -> str:
    """Write the first faults out, and how many more there are."""
    told = " ".join(str(fault) for fault in faults[:_MAX_TOLD])
    more = len(faults) - _MAX_TOLD
    return f"{told} And {more} more: see the services." if more > 0 else told


def namespace_problem(namespace: DesiredNamespace, catalog: CatalogSeen) -> Problem | None:
    """Find what is wrong with a namespace. One that `tilt down` has deleted is nobody's fault."""
    seen = catalog.namespaces.get(namespace.name, NamespaceSeen())
    if seen.problem and seen.problem.reason is Reason.NAMESPACE_NOT_FOUND:
        return None if namespace.source is Source.TILT else seen.problem
    return seen.problem


def is_syncing(namespace: DesiredNamespace, catalog: CatalogSeen) -> bool:
    """Whether its first complete list is still to come."""
    seen = catalog.namespaces.get(namespace.name, NamespaceSeen())
    return not seen.synced and seen.problem is None


def is_fault(reason: Reason | str) -> bool:
    """Whether one subject's reason is a fault of the forwarding, and of that subject alone."""
    return reason not in _NO_FAULTS


def explains(reason: Reason | str) -> bool:
    """Whether a reason tells why a service has no name yet, so that nobody need wait for one."""
    return is_fault(reason) or reason in _NO_PODS


def _answered(namespace: NamespaceSeen) -> bool:
    refusals = (Reason.FORBIDDEN, Reason.NAMESPACE_NOT_FOUND)
    return namespace.synced or (
        namespace.problem is not None and namespace.problem.reason in refusals
    )


def _namespace_faults(desired: Desired, catalog: CatalogSeen) -> Iterator[Fault]:
    for namespace in desired.namespaces:
        if problem := namespace_problem(namespace, catalog):
            yield Fault(f"namespace {namespace.name}", problem)


def _service_problems(service: ServiceSeen) -> Iterator[Problem]:
    if service.state is ServiceState.FAILED and not service.problems:
        yield Problem(Reason.INTERNAL_ERROR, "It failed without a reason: see the log of this row.")
    yield from (problem for problem in service.problems if is_fault(problem.reason))
