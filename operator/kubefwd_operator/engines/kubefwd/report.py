"""What the engine shows of each service. Pure: judgements and names in, `ServiceSeen` out."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from kubefwd_operator.core.forwardable import left_out, refusal
from kubefwd_operator.core.model import Service, ServiceSeen, ServiceState
from kubefwd_operator.core.names import Placed, ServiceKey
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines import hosts
from kubefwd_operator.engines.hosts import Written
from kubefwd_operator.engines.kubefwd.output import PodKey
from kubefwd_operator.engines.kubefwd.remedies import State
from kubefwd_operator.engines.kubefwd.truth import TROUBLES, Judgement, Verdict
from kubefwd_operator.engines.passing import NO_PODS

NO_ENDPOINTS = Problem(
    Reason.NO_ENDPOINTS, "None of its pods is ready: connections are refused until one is."
)

UNMOVED = Problem(
    Reason.POLICY_UNSUPPORTED,
    "A policy gives its ports other numbers, which kubefwd cannot: use the service's own ports, or "
    "engine 'native'.",
)

UNNAMED = Problem(
    Reason.POLICY_UNSUPPORTED,
    "kubefwd forwards whole namespaces, so it opens this service all the same, under no name: with "
    "engine 'native' it stays closed.",
)


@dataclass(frozen=True, slots=True)
class Standing:
    """What stands while kubefwd runs: judgements by service, where names lead, what is written.

    `healing` says how far a service in trouble has come, `failure` what kubefwd said of a pod.
    `taken` are the ports that a program of this machine has.
    """

    judgements: Mapping[ServiceKey, Judgement]
    placed: Mapping[ServiceKey, Placed]
    written: Written
    healing: Callable[[ServiceKey], State]
    failure: Callable[[PodKey], str]
    taken: Mapping[ServiceKey, tuple[Problem, ...]] = field(default_factory=dict)


def services(
    wanted: Iterable[Service], standing: Standing | None, waiting: Problem | None
) -> tuple[ServiceSeen, ...]:
    """Describe every service. Without kubefwd (`standing` None) they wait for `waiting`."""
    return tuple(_service(each, standing, waiting) for each in wanted)


def _service(service: Service, standing: Standing | None, waiting: Problem | None) -> ServiceSeen:
    key = (service.namespace, service.name)
    if why := refusal(service):
        more = (UNNAMED,) if service.withheld else ()
        return ServiceSeen(*key, ServiceState.NOT_FORWARDED, problems=(why, *more))
    found = (left_out(service), UNMOVED if service.local_ports else None)
    notes = tuple(note for note in found if note)
    if standing is None:
        problems = ((waiting,) if waiting else ()) + notes
        return ServiceSeen(*key, ServiceState.WAITING, problems=problems)
    judgement = standing.judgements.get(key)
    if judgement is None:
        return ServiceSeen(*key, ServiceState.WAITING, problems=notes)
    return _judged(judgement, standing, notes)


def _judged(judgement: Judgement, standing: Standing, notes: tuple[Problem, ...]) -> ServiceSeen:
    key, written = judgement.key, standing.written
    placed = standing.placed.get(key, Placed(*key, ()))
    names, lost = hosts.names(written, placed)
    state, trouble = _trouble(judgement, standing, known=bool(placed.addresses))
    if state is ServiceState.READY and not names and not written.problem:
        state = ServiceState.FAILED if lost else ServiceState.WAITING
    return ServiceSeen(
        *key,
        state,
        address=placed.addresses[0] if placed.addresses else "",
        ports=tuple(sorted({port for _, port in judgement.places})),
        names=names,
        problems=(*trouble, *lost, *hosts.notes(written, key, names), *notes),
    )


def _trouble(
    judgement: Judgement, standing: Standing, *, known: bool
) -> tuple[ServiceState, tuple[Problem, ...]]:
    """Return the state of a service and why it is not Ready. `known`: it has answered before."""
    verdict = judgement.verdict
    if verdict is Verdict.READY:
        return ServiceState.READY, ()
    if verdict is Verdict.NO_ENDPOINTS:
        return ServiceState.WAITING, (NO_ENDPOINTS if judgement.service.endpoints else NO_PODS,)
    if taken := standing.taken.get(judgement.key):
        return (ServiceState.READY if judgement.places else ServiceState.FAILED), taken
    said = _said(judgement, standing)
    if "forbidden" in said:
        return ServiceState.FAILED, (Problem(Reason.FORBIDDEN, _FORBIDDEN.format(said)),)
    if standing.healing(judgement.key) is State.GIVEN_UP:
        return ServiceState.FAILED, (_in_vain(judgement, said),)
    if not known:
        return ServiceState.WAITING, ()
    message = f"{_sentence(verdict, said)} It is being mended."
    return ServiceState.RECONNECTING, (Problem(Reason.RECONNECTING, message),)


def _in_vain(judgement: Judgement, said: str) -> Problem:
    exhausted = judgement.verdict is Verdict.EXHAUSTED
    reason = Reason.ADDRESSES_EXHAUSTED if exhausted else Reason.NOT_ANSWERING
    return Problem(
        reason,
        f"{_sentence(judgement.verdict, said)} Deleting and adding it did not help: look at its "
        "pods, or click Refresh, which starts kubefwd anew.",
    )


def _sentence(verdict: Verdict, said: str) -> str:
    sentence = f"It {TROUBLES[verdict]}."
    return f"{sentence} kubefwd says: {said}." if said else sentence


def _said(judgement: Judgement, standing: Standing) -> str:
    """Return what kubefwd last said of a pod that should answer."""
    if judgement.places:
        return ""
    namespace = judgement.service.namespace
    told = (standing.failure((namespace, each.pod)) for each in judgement.service.endpoints)
    return next(filter(None, told), "").rstrip(".")


_FORBIDDEN = (
    "You may not forward to its pods, which takes the right to create pods/portforward. kubefwd "
    "says: {}."
)
