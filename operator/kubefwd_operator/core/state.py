"""The single word for how everything stands, and its message.

Every state that holds is a candidate, and the first in the order of `State` is shown: what keeps
all of it from working comes before what concerns a part.
"""

from collections.abc import Iterator, Sequence
from enum import StrEnum

from kubefwd_operator.core import conditions as judge
from kubefwd_operator.core.conditions import Condition, Seen, Truth
from kubefwd_operator.core.model import AuthorityState, Desired, NamespaceSeen, ServiceState
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason

PAUSED = Problem(
    Reason.PAUSED,
    "Nothing is forwarded: click Resume on `kubefwd:run` to go on.",
)
"""What to say of everything while it is paused."""


class State(StrEnum):
    """The single word, in order of priority: the first that holds is shown."""

    SUPERSEDED = "Superseded"
    NO_CLUSTER = "NoCluster"
    AUTHORIZATION_LOST = "AuthorizationLost"
    AUTHORIZATION_DENIED = "AuthorizationDenied"
    WAITING_FOR_AUTHORIZATION = "WaitingForAuthorization"
    CREDENTIALS_UNSUPPORTED = "CredentialsUnsupported"
    CREDENTIALS_EXPIRED = "CredentialsExpired"
    CREDENTIALS_FAILED = "CredentialsFailed"
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    HELD_BY_OTHER_USER = "HeldByOtherUser"
    ENGINE_FAILED = "EngineFailed"
    ENGINE_RESTARTING = "EngineRestarting"
    HOSTS_NOT_WRITABLE = "HostsNotWritable"
    PAUSED = "Paused"
    STARTING = "Starting"
    DEGRADED = "Degraded"
    READY = "Ready"


_PRIORITY = list(State)

_NEVER_SHOWN = {("default", "kubernetes")}

_BY_AUTHORITY = {
    AuthorityState.SUPERSEDED: State.SUPERSEDED,
    AuthorityState.LOST: State.AUTHORIZATION_LOST,
    AuthorityState.DENIED: State.AUTHORIZATION_DENIED,
    AuthorityState.WAITING: State.WAITING_FOR_AUTHORIZATION,
    AuthorityState.ASKING: State.STARTING,
}

SETTLED = frozenset({State.DEGRADED, State.READY})
"""What is deployed is forwarded, or cannot be."""

Judged = tuple[Condition, Condition, Condition, Condition]
"""`HelperReady`, `ClusterReachable`, `NamespacesSynced` and `Degraded`."""


def decide(
    desired: Desired, seen: Seen, judged: Judged, starting: Sequence[str], well: str
) -> tuple[State, str]:
    """Return the state and its message; `well` is the message of Ready."""
    candidates = (*_candidates(desired, seen, judged, starting), (State.READY, well))
    return min(candidates, key=lambda candidate: _PRIORITY.index(candidate[0]))


def starting(desired: Desired, seen: Seen) -> Iterator[str]:
    """Find services that are known, with nothing wrong with them, and not yet named.

    An engine shows every service but the API server's own; one that it does not show it has not
    come to yet.
    """
    accounted = _NEVER_SHOWN | {(row.namespace, row.service) for row in seen.engine.services}
    for namespace in desired.namespaces:
        for service in seen.catalog.namespaces.get(namespace.name, NamespaceSeen()).services:
            if (service.namespace, service.name) not in accounted:
                yield service.key
    for row in seen.engine.services:
        unnamed = row.state is ServiceState.WAITING and not row.names
        if unnamed and not any(judge.explains(problem.reason) for problem in row.problems):
            yield row.key


def opening(keys: Sequence[str]) -> str:
    """Say which services are on their way."""
    return f"Opening {count(len(keys), 'service')}, first {keys[0]}."


def count(number: int, noun: str) -> str:
    """Write a number with its noun: `1 service`, `2 services`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _candidates(
    desired: Desired, seen: Seen, judged: Judged, starting: Sequence[str]
) -> Iterator[tuple[State, str]]:
    """Every state other than Ready that holds, with its message."""
    helper, cluster, synced, degraded = judged
    if helper.status is Truth.FALSE:
        by_authority = _BY_AUTHORITY.get(seen.authority.state)
        yield by_authority or _state_of(helper.reason), helper.message
    if cluster.reason is not Reason.READY:
        yield _state_of(cluster.reason), cluster.message
    if desired.paused:
        yield _pausing(seen)
    if synced.reason is Reason.SYNCING:
        yield State.STARTING, synced.message
    for problem in (*seen.engine.problems, *seen.problems):
        if problem.reason in judge.GLOBAL:
            yield _state_of(problem.reason), problem.message
    if seen.engine.generation < desired.generation:
        yield State.STARTING, "Starting the forwarding anew."
    if starting:
        yield State.STARTING, opening(starting)
    if degraded.status is Truth.TRUE:
        yield State.DEGRADED, degraded.message


def _pausing(seen: Seen) -> tuple[State, str]:
    """Paused is what has no name any more; until then it is on its way there."""
    named = sum(bool(service.names) for service in seen.engine.services)
    if named:
        return State.STARTING, f"Pausing: {count(named, 'service')} still to be released."
    return State.PAUSED, PAUSED.message


def _state_of(reason: str) -> State:
    return State(reason) if reason in _PRIORITY else State.DEGRADED
