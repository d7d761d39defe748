"""Changes: the log lines between two statuses, one per change.

    web.storefront  http://web.storefront  127.18.0.3:80
    web.storefront  PortTaken: Port 80 of 127.18.0.3 is taken by ...
    web.storefront  gone

Told is what a developer would act on or wait for. Not told is what comes and goes by itself:
pods that are replaced, a short Starting in between, and the same trouble once per service when it
concerns everything. The order is stable: the whole, then namespaces, then services.
"""

from collections.abc import Iterator

from kubefwd_operator.core.clicks import Intent
from kubefwd_operator.core.conditions import NEWS, Condition, Truth, is_fault
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import State
from kubefwd_operator.core.status import NamespaceStatus, ServiceStatus, Status

_TOLD_CONDITIONS = ("HelperReady", "ClusterReachable")

_NOTICES = frozenset({Reason.NO_PODS, Reason.POD_FAILING, Reason.NOT_FORWARDABLE})
"""Of what is no fault, that which explains why a connection does not work."""

_MAX_FAULTS = 10
"""Lines about policies at a time: somebody may make wrong ones all the time."""

REFUSED = (
    "A connection of another user of this machine was refused, and is counted in the status: with "
    "`allow_other_users` they may connect."
)


def lines(previous: Status | None, current: Status) -> tuple[str, ...]:
    """Tell what has changed since `previous` (None: nothing has been told yet)."""
    return (
        *_overall(previous, current),
        *_problems(previous, current),
        *_namespaces(previous, current),
        *_policies(previous, current),
        *_services(previous, current),
        *_repaired(previous, current),
        *_settled(previous, current),
    )


def _overall(previous: Status | None, current: Status) -> Iterator[str]:
    if previous and previous.engine and current.engine != previous.engine:
        why = f": {current.engine_why}" if current.engine_why else "."
        yield f"The engine is now {current.engine}{why}"
    if previous and _has_started_anew(previous, current):
        yield f"Forwarding has started anew (generation {current.generation})."
    for kind in _TOLD_CONDITIONS:
        yield from _condition(
            previous.condition(kind) if previous else None, current.condition(kind)
        )


def _has_started_anew(previous: Status, current: Status) -> bool:
    """Not so while it is paused, nor of an engine that shows itself for the first time."""
    had_begun = previous.generation > 0 or any(map(_offer, previous.services))
    forwards = any(map(_offer, current.services))
    return had_begun and forwards and current.generation > previous.generation


def _condition(before: Condition | None, now: Condition) -> Iterator[str]:
    same = before is not None and (before.status, before.reason) == (now.status, now.reason)
    if same and not (before and now.reason in NEWS and before.message != now.message):
        return
    if now.status is Truth.TRUE:
        yield now.message
    elif now.status is Truth.FALSE and now.reason != Reason.STARTING:
        yield f"{now.reason}: {now.message}"


def _problems(previous: Status | None, current: Status) -> Iterator[str]:
    before = {problem.reason for problem in previous.problems} if previous else set()
    after = {problem.reason for problem in current.problems}
    for problem in current.problems:
        if problem.reason not in before:
            yield f"{problem.reason}: {problem.message}"
    for reason in sorted(before - after):
        yield f"{reason}: over"


def _policies(previous: Status | None, current: Status) -> Iterator[str]:
    before = frozenset(previous.policies if previous else ())
    fresh = [fault for fault in current.policies if fault not in before]
    for fault in fresh[:_MAX_FAULTS]:
        yield f"{fault.subject}  {fault.problem.reason}: {fault.problem.message}"
    if len(fresh) > _MAX_FAULTS:
        yield f"And more of policies: `kubefwd-operator status` lists all {len(current.policies)}."


def _namespaces(previous: Status | None, current: Status) -> Iterator[str]:
    before = {namespace.name: namespace for namespace in previous.namespaces} if previous else {}
    after = {namespace.name: namespace for namespace in current.namespaces}
    for name, namespace in after.items():
        yield from _namespace(before.get(name), namespace)
    for name in before:
        if name not in after:
            yield f"namespace {name}  no longer forwarded"


def _namespace(before: NamespaceStatus | None, now: NamespaceStatus) -> Iterator[str]:
    if before is None:
        yield f"namespace {now.name}  wanted ({now.source})"
    if before and before.reason == now.reason:
        return
    recovered = before is not None and is_fault(before.reason) and now.ready
    if is_fault(now.reason) or recovered:
        yield f"namespace {now.name}  {now.reason}: {now.message}"


def _services(previous: Status | None, current: Status) -> Iterator[str]:
    before = {service.key: service for service in previous.services} if previous else {}
    after = {service.key for service in current.services}
    wanted = {namespace.name for namespace in current.namespaces}
    for service in current.services:
        yield from _service(before.get(service.key), service)
    if previous and current.generation > previous.generation:
        return  # an engine that begins anew may know of no service for a moment
    for key, service in before.items():
        if key not in after and service.namespace in wanted:
            yield f"{key}  gone"


def _service(before: ServiceStatus | None, now: ServiceStatus) -> Iterator[str]:
    changed = before is None or _offer(before) != _offer(now)
    recovered = before is not None and _is_fault(before) and not _is_fault(now)
    if _offer(now) and (changed or recovered):
        yield "  ".join(filter(None, (now.key, now.url, f"{now.address}:{_ports(now)}")))
    taken_out = now.reason == Reason.SKIPPED and before is not None and _offer(before) is not None
    told = _is_fault(now) or now.reason in _NOTICES or taken_out
    if told and (before is None or before.reason != now.reason):
        yield f"{now.key}  {now.reason}: {now.message}"
    if now.refused and not (before and before.refused):
        yield f"{now.key}  {REFUSED}"


def _offer(service: ServiceStatus) -> tuple[str, str] | None:
    """Pick what a developer can use of it. The address of a headless service follows its pods."""
    if not (service.address and service.ports and service.names):
        return None
    return service.url or service.key, _ports(service)


def _ports(service: ServiceStatus) -> str:
    return ",".join(map(str, service.ports))


def _is_fault(service: ServiceStatus) -> bool:
    return bool(service.reason) and is_fault(service.reason)


def _repaired(previous: Status | None, current: Status) -> Iterator[str]:
    """Tell what became of Repair hosts."""
    repaired = current.repaired
    if repaired.number <= (previous.repaired.number if previous else 0):
        return
    if repaired.problem:
        yield f"{Intent.REPAIR}: not done. {repaired.problem.message}"
    elif repaired.names:
        are = "name is" if repaired.names == 1 else "names are"
        yield f"{Intent.REPAIR}: {repaired.names} {are} in /etc/hosts."
    else:
        yield f"{Intent.REPAIR}: no name of ours belongs into /etc/hosts now, and none is there."


def _settled(previous: Status | None, current: Status) -> Iterator[str]:
    """Tell that all is as wanted, at the end; not after a short Starting while others went on."""
    if current.state is State.PAUSED and not (previous and previous.state is State.PAUSED):
        yield f"{current.state}: {current.message}"
    if current.state is not State.READY or (previous and previous.state is State.READY):
        return
    went_on = previous and any(map(_offer, previous.services))
    if not (previous and previous.state is State.STARTING and went_on):
        yield f"{current.state}: {current.message}"
