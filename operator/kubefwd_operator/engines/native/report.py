"""What the engine shows of each service. Pure: plan and bindings in, `ServiceSeen` out."""

from collections.abc import Mapping
from dataclasses import replace

from kubefwd_operator.core.model import Service, ServiceSeen, ServiceState
from kubefwd_operator.core.names import Placed
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines import hosts
from kubefwd_operator.engines.native.bindings import Bound
from kubefwd_operator.engines.native.plan import Outlook, Place, Plan
from kubefwd_operator.engines.native.target import ServiceKey
from kubefwd_operator.engines.passing import NO_PODS

NO_ENDPOINTS = Problem(
    Reason.NO_ENDPOINTS, "None of its pods is ready: a connection waits up to 30 seconds for one."
)


def services(
    plan: Plan,
    bound: Bound | None,
    *,
    failing: Mapping[ServiceKey, str],
    forbidden: Mapping[str, Problem],
    refused: Mapping[ServiceKey, int],
    waiting: Problem,
) -> tuple[ServiceSeen, ...]:
    """Describe every service of a plan; without a helper (`bound` None) they wait for `waiting`.

    `refused` counts the connections of other users, by service.
    """
    placed = {each.key: each for each in plan.placed}
    shown = (
        _not_forwarded(outlook)
        if outlook.key not in placed
        else _waiting(outlook, placed[outlook.key], waiting)
        if bound is None
        else _forwarded(
            outlook,
            placed[outlook.key],
            bound,
            [*_pods(outlook, failing), *_forbidden(outlook, forbidden)],
        )
        for outlook in plan.outlooks
    )
    return tuple(
        replace(each, refused=refused.get((each.namespace, each.service), 0)) for each in shown
    )


def _not_forwarded(outlook: Outlook) -> ServiceSeen:
    return ServiceSeen(*outlook.key, ServiceState.NOT_FORWARDED, problems=outlook.notes)


def _waiting(outlook: Outlook, placed: Placed, why: Problem) -> ServiceSeen:
    problems = (why, *outlook.notes)
    return ServiceSeen(*outlook.key, ServiceState.WAITING, placed.addresses[0], problems=problems)


def _forwarded(outlook: Outlook, placed: Placed, bound: Bound, pods: list[Problem]) -> ServiceSeen:
    ports = tuple(sorted({port for ip, port in outlook.places if (ip, port) in bound.places}))
    names, withheld = hosts.names(bound.written, placed)
    refused = _refused(outlook.places, bound)
    noted = hosts.notes(bound.written, outlook.key, names)
    problems = (*pods, *refused, *withheld, *noted, *outlook.notes)
    nameless = not names and not bound.written.problem
    if outlook.places and (not ports or nameless):
        state = ServiceState.FAILED if refused or withheld else ServiceState.WAITING
    else:
        state = ServiceState.WAITING if pods else ServiceState.READY
    return ServiceSeen(
        *outlook.key, state, placed.addresses[0], ports, names, tuple(dict.fromkeys(problems))
    )


def _refused(places: tuple[Place, ...], bound: Bound) -> list[Problem]:
    refused = bound.refused or {}
    return [refused[place] for place in places if place in refused]


def _pods(outlook: Outlook, failing: Mapping[ServiceKey, str]) -> list[Problem]:
    service: Service = outlook.service
    if any(endpoint.ready for endpoint in service.endpoints):
        return []
    if why := failing.get(outlook.key):
        return [Problem(Reason.POD_FAILING, f"Its pods are in {why}: look at their logs.")]
    return [NO_ENDPOINTS if outlook.places and service.endpoints else NO_PODS]


def _forbidden(outlook: Outlook, forbidden: Mapping[str, Problem]) -> list[Problem]:
    problem = forbidden.get(outlook.key[0])
    return [problem] if problem else []
