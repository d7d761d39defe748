"""Status: the one value that says how things stand, made of what is wanted and what is seen.

`build` is called in every pass. Times come from the caller and are carried over from the status
before while a condition's `status` stays, so equal situations give equal values: whoever publishes
compares and writes only what has changed. How it is written down is in `report.py`, what is logged
in `changes.py`.

`state` is the single word for everything (`state.py`). What is wrong with one service or namespace
is in its own row and in the condition `Degraded`; what merely has to be known is in its row only.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from kubefwd_operator.core import conditions as judge
from kubefwd_operator.core.conditions import Condition, Seen, Truth
from kubefwd_operator.core.conflicts import Conflict, conflicts
from kubefwd_operator.core.forwardable import ruled
from kubefwd_operator.core.invited import unmatched
from kubefwd_operator.core.links import Link, links
from kubefwd_operator.core.memory import Answer
from kubefwd_operator.core.model import (
    NOT_REPAIRED,
    AuthorityState,
    CatalogSeen,
    Desired,
    DesiredNamespace,
    NamespaceSeen,
    Repaired,
    ServiceState,
    Source,
)
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import PAUSED, SETTLED, State, count, decide, starting
from kubefwd_operator.core.text import plain

MAX_MESSAGE = 2000
"""Characters of one message; what others wrote into an error may be of any length, and anything."""


@dataclass(frozen=True, slots=True)
class NamespaceStatus:
    """A desired namespace. `ready`: its services are known and nothing is wrong with reading it."""

    name: str
    source: Source
    ready: bool
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class ServiceStatus:
    """A service; `reason` and `message` are empty when all is well.

    `url` is for a browser, the first of `links`. `refused` counts connections of other users of the
    machine.
    """

    namespace: str
    service: str
    names: tuple[str, ...]
    address: str
    ports: tuple[int, ...]
    state: ServiceState
    reason: str = ""
    message: str = ""
    url: str = ""
    refused: int = 0
    links: tuple[Link, ...] = ()

    @property
    def key(self) -> str:
        """`service.namespace`, as people write it."""
        return f"{self.service}.{self.namespace}"


@dataclass(frozen=True, slots=True)
class Process:
    """Who reports: this operator's process."""

    pid: int = 0
    instance: str = ""
    version: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """Everything that is shown. `cluster` is the context's name, `way` how root came.

    `problems` are those of the engine and of the loop that no condition of their own shows;
    `engine_why` says why it is this engine; `starting` are the keys of services that have no name
    yet, and no reason for that but that they are new. `answer` is what was said to the last click,
    `repaired` what became of the last Repair hosts, `stopped` what was taken out with the button.
    """

    state: State
    message: str
    generation: int
    engine: str
    cluster: str
    authorization: AuthorityState
    way: str
    conditions: tuple[Condition, ...]
    namespaces: tuple[NamespaceStatus, ...]
    services: tuple[ServiceStatus, ...]
    problems: tuple[Problem, ...] = ()
    process: Process = Process()
    engine_why: str = ""
    conflicts: tuple[Conflict, ...] = ()
    policies: tuple[Fault, ...] = ()
    starting: tuple[str, ...] = ()
    answer: Answer | None = None
    repaired: Repaired = NOT_REPAIRED
    stopped: tuple[str, ...] = ()

    def condition(self, kind: str) -> Condition:
        """Find the condition of this type. Raises KeyError when there is none."""
        for condition in self.conditions:
            if condition.type == kind:
                return condition
        raise KeyError(kind)


def build(
    desired: Desired,
    seen: Seen,
    *,
    process: Process,
    previous: Status | None,
    now: str,
    answer: Answer | None = None,
    stopped: tuple[str, ...] = (),
) -> Status:
    """Put the status together. `now` is RFC 3339; `previous` the status of the pass before."""
    services = tuple(_services(desired, seen))
    opening = tuple(sorted(starting(desired, seen)))
    judged = (
        judge.helper_ready(seen),
        judge.cluster_reachable(desired, seen),
        judge.namespaces_synced(desired, seen.catalog),
        judge.degraded(judge.faults(desired, seen)),
    )
    state, message = decide(desired, seen, judged, opening, _summary(services, stopped))
    ready = Truth.TRUE if state is State.READY else Truth.FALSE
    conditions = (Condition("Ready", ready, state.value, message), *judged)
    return Status(
        state=state,
        message=_cut(message),
        generation=seen.engine.generation,
        engine=seen.engine.name,
        cluster=desired.cluster.context if desired.cluster else "",
        authorization=seen.authority.state,
        way=seen.authority.way,
        conditions=tuple(_timed(condition, previous, now) for condition in conditions),
        namespaces=tuple(_namespace(n, desired, seen.catalog) for n in desired.namespaces),
        services=services,
        problems=tuple(judge.remaining(seen)),
        process=process,
        engine_why=seen.engine.why,
        conflicts=conflicts(seen.engine.services),
        policies=(*seen.policies, *unmatched(desired, seen.catalog, settled=state in SETTLED)),
        starting=opening,
        answer=answer,
        repaired=_repaired(seen.engine.repaired, previous),
        stopped=stopped,
    )


def _repaired(engine: Repaired, previous: Status | None) -> Repaired:
    """Keep the latest: an engine that takes over begins without any."""
    before = previous.repaired if previous else NOT_REPAIRED
    return engine if engine.number >= before.number else before


def _summary(services: tuple[ServiceStatus, ...], stopped: tuple[str, ...]) -> str:
    forwarded = [service for service in services if service.address and service.names]
    namespaces = {service.namespace for service in forwarded}
    if not forwarded:
        stops = f": {count(len(stopped), 'namespace')} stopped with the button" if stopped else ""
        return f"Nothing needs forwarding{stops or ' yet'}."
    return (
        f"Forwarding {count(len(forwarded), 'service')} of {count(len(namespaces), 'namespace')}."
    )


def _timed(condition: Condition, previous: Status | None, now: str) -> Condition:
    time = now
    for before in previous.conditions if previous else ():
        if (before.type, before.status) == (condition.type, condition.status):
            time = before.last_transition_time
    return replace(condition, message=_cut(condition.message), last_transition_time=time)


def _namespace(
    namespace: DesiredNamespace, desired: Desired, catalog: CatalogSeen
) -> NamespaceStatus:
    problem = judge.namespace_problem(namespace, catalog)
    if problem is None and desired.paused:
        problem = PAUSED
    if problem is None and judge.is_syncing(namespace, catalog):
        problem = Problem(Reason.SYNCING, "Reading its services.")
    if problem is None:
        services = catalog.namespaces.get(namespace.name, NamespaceSeen()).services
        message = count(len(services), "service")
        return NamespaceStatus(namespace.name, namespace.source, True, Reason.READY, message)
    return NamespaceStatus(
        namespace.name, namespace.source, False, problem.reason, _cut(problem.message)
    )


def _services(desired: Desired, seen: Seen) -> Iterator[ServiceStatus]:
    """In the order of namespaces; those of namespaces that are on their way out come last."""
    order = {namespace.name: place for place, namespace in enumerate(desired.namespaces)}
    known = {
        (service.namespace, service.name): ruled(service, desired)
        for namespace in seen.catalog.namespaces.values()
        for service in namespace.services
    }
    for service in sorted(
        seen.engine.services,
        key=lambda s: (order.get(s.namespace, len(order)), s.namespace, s.service),
    ):
        problems = sorted(service.problems, key=lambda p: p.reason in judge.INFORMATIONAL)
        offered = links(service, known.get((service.namespace, service.service)))
        yield ServiceStatus(
            namespace=service.namespace,
            service=service.service,
            names=service.names,
            address=service.address,
            ports=tuple(sorted(service.ports)),
            state=service.state,
            reason=problems[0].reason if problems else "",
            message=_cut(" ".join(problem.message for problem in problems)),
            url=offered[0].url if offered else "",
            refused=service.refused,
            links=offered,
        )


def _cut(message: str) -> str:
    message = plain(message)
    return message if len(message) <= MAX_MESSAGE else message[: MAX_MESSAGE - 1] + "…"
