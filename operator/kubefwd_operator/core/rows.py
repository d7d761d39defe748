"""Rows: what Tilt's page shows of the forwarding, and what is said in a row's own log.

One row per wanted namespace, `kubefwd:ns:<namespace>`, with a link to every web service in it, and
`kubefwd:status` while something is wrong that concerns everything. A row is red for what is wrong
with its own namespace or services, and pending while those are on their way or while something that
concerns everything is wrong: that is red once, on its own row. What is no fault of the forwarding
(a service without pods, say) makes no row red.

Causes are one sentence each. A row's log is told a cause when it comes and once more when it has
ended; which ones it has been told is read off the row itself, so a restarted operator repeats
nothing.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from kubefwd_operator.core.conditions import (
    GLOBAL,
    INFORMATIONAL,
    NEWS,
    Condition,
    Truth,
    is_fault,
)
from kubefwd_operator.core.links import Link
from kubefwd_operator.core.model import AuthorityState, ServiceState
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import count, opening
from kubefwd_operator.core.status import MAX_MESSAGE, NamespaceStatus, ServiceStatus, Status
from kubefwd_operator.core.text import plain

OPERATOR = "kubefwd:run"
"""The operator's own row, which Tilt makes."""

NAMESPACE_PREFIX, STATUS_ROW = "kubefwd:ns:", "kubefwd:status"
"""What our rows are called."""

_FIRST = 10_000
"""Order of the first: Tilt numbers its own rows from 1, and ours come after them."""

_MAX_TOLD = 10
"""How many causes a row tells; they travel in one variable of an environment (128 KiB on Linux)."""

_MORE = "And more: `kubefwd-operator status` lists them all."

_MAX_LINKS = 50
"""Of a row: six lines of the page. With hundreds its log, and so the reason, is out of sight."""

_BY_ITSELF = frozenset({Reason.STARTING, Reason.ENGINE_RESTARTING})
"""Of what concerns everything, that which nobody has to do anything about."""


class Light(StrEnum):
    """What a row looks like, in Tilt's words for `runtimeStatus`."""

    OK = "ok"
    PENDING = "pending"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the page.

    `reason` is for machines; `sentences` say why it is red, one per cause, or how things stand. A
    line in one that is not its first is indented. `waits_on` names the row that it waits for.
    """

    name: str
    light: Light
    reason: str
    sentences: tuple[str, ...]
    order: int = _FIRST
    links: tuple[Link, ...] = ()
    waits_on: str = ""


def rows(status: Status) -> tuple[Row, ...]:
    """Say which rows there should be. They are ordered as the page lists them."""
    wrong = tuple(_concerning_everything(status))
    held = next((each for each in wrong if each.reason in _HOLDING), None)
    shown = [each for each in wrong if each.reason != Reason.STARTING]
    services, starting = _by_namespace(status)
    namespaces = [
        _namespace_row(each, services[each.name], starting[each.name], held)
        for each in status.namespaces
    ]
    if not shown:
        return tuple(namespaces)
    waiting = (
        replace(row, waits_on=STATUS_ROW) if held and row.light is Light.PENDING else row
        for row in namespaces
    )
    return (_status_row(shown, status), *waiting)


def news(before: Row | None, now: Row | None) -> tuple[str, ...]:
    """Say what a row's log is to be told; None is a row that is not there.

    That a namespace is no longer wanted ends its row and no cause.
    """
    if now is None and before and before.name != STATUS_ROW:
        return ()
    told = _causes(before)
    current = _causes(now)
    ended = (f"{key}: over" for key in map(_key, told) if key not in set(map(_key, current)))
    known = {*told, *(_key(cause) for cause in told if not _is_news(cause))}
    return (*ended, *(cause for cause in current if not {cause, _key(cause)} & known))


_HOLDING = GLOBAL | {Reason.STARTING}
"""Reasons that concern everything and keep all of it from being forwarded."""


def _concerning_everything(status: Status) -> Iterator[Condition | Problem]:
    told = set()
    for kind in ("HelperReady", "ClusterReachable"):
        condition = status.condition(kind)
        if condition.status is Truth.FALSE:
            told.add(condition.reason)
            yield condition
    for problem in status.problems:
        if problem.reason not in INFORMATIONAL and problem.reason not in told:
            yield problem


def _status_row(wrong: Sequence[Condition | Problem], status: Status) -> Row:
    asking = {Reason.WAITING_FOR_AUTHORIZATION} if _is_asking(status) else set()
    by_itself = all(each.reason in _BY_ITSELF | asking for each in wrong)
    return Row(
        name=STATUS_ROW,
        light=Light.PENDING if by_itself else Light.ERROR,
        reason=wrong[0].reason,
        sentences=_shown([_sentence("", each.reason, each.message) for each in wrong]),
    )


def _is_asking(status: Status) -> bool:
    """Whether somebody sees a question right now: that is no news for the page."""
    return status.authorization is AuthorityState.ASKING


def _by_namespace(
    status: Status,
) -> tuple[Mapping[str, list[ServiceStatus]], Mapping[str, list[str]]]:
    """Group services, and the keys of those that are on their way."""
    services: defaultdict[str, list[ServiceStatus]] = defaultdict(list)
    starting: defaultdict[str, list[str]] = defaultdict(list)
    for service in status.services:
        services[service.namespace].append(service)
    for key in status.starting:
        starting[key.partition(".")[2]].append(key)
    return services, starting


def _namespace_row(
    namespace: NamespaceStatus,
    services: Sequence[ServiceStatus],
    starting: Sequence[str],
    held: Condition | Problem | None,
) -> Row:
    light, reason, sentences = _judge(namespace, services, starting, held)
    return Row(
        name=NAMESPACE_PREFIX + namespace.name,
        light=light,
        reason=reason,
        sentences=sentences,
        order=_FIRST + 1,  # all the same: the page sorts them by name, and none moves another
        links=tuple(link for service in services for link in service.links)[:_MAX_LINKS],
    )


def _judge(
    namespace: NamespaceStatus,
    services: Sequence[ServiceStatus],
    starting: Sequence[str],
    held: Condition | Problem | None,
) -> tuple[Light, str, tuple[str, ...]]:
    if faults := list(_faults(namespace, services)):
        return Light.ERROR, faults[0][1], _shown([_sentence(*fault) for fault in faults])
    if held:
        return Light.PENDING, held.reason, _shown([held.message])
    if not namespace.ready:
        return Light.PENDING, namespace.reason, _shown([namespace.message])
    if starting:
        return Light.PENDING, Reason.STARTING, _shown([opening(starting)])
    forwarded = sum(1 for service in services if service.address and service.names)
    return Light.OK, Reason.READY, (f"Forwarding {count(forwarded, 'service')}.",)


def _faults(
    namespace: NamespaceStatus, services: Sequence[ServiceStatus]
) -> Iterator[tuple[str, str, str]]:
    """Give what makes it red: (service or empty, reason, message)."""
    if is_fault(namespace.reason):
        yield "", namespace.reason, namespace.message
    for service in services:
        if service.reason and is_fault(service.reason):
            yield service.key, service.reason, service.message
        elif service.state is ServiceState.FAILED and not service.reason:
            message = f"It failed without a reason: see the log of {OPERATOR}."
            yield service.key, Reason.INTERNAL_ERROR, message


def _sentence(subject: str, reason: str, message: str) -> str:
    return f"{subject} {reason}: {message}" if subject else f"{reason}: {message}"


def _shown(sentences: Sequence[str]) -> tuple[str, ...]:
    """Cut to what is told. Further lines of a sentence, which hold what to run, are indented."""
    cut = (sentence[:MAX_MESSAGE] for sentence in sentences[:_MAX_TOLD])
    told = ["\n  ".join(map(plain, sentence.splitlines())) for sentence in cut]
    return (*told, _MORE) if len(sentences) > _MAX_TOLD else tuple(told)


def _causes(row: Row | None) -> tuple[str, ...]:
    return row.sentences if row and row.light is Light.ERROR else ()


def _key(cause: str) -> str:
    """Say what a cause is about: `web.storefront PortTaken`."""
    return cause.partition(": ")[0]


def _is_news(cause: str) -> bool:
    return _key(cause) in NEWS
