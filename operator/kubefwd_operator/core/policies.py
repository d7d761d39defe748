"""ForwardPolicy objects: from raw JSON to values, and all of a namespace to one view. Pure.

Whoever can write to the cluster is less trusted than the developer. So everything is checked here
once more, with bounds, whatever the apiserver has let through (the schema may be another one); an
object with anything wrong in it counts for nothing and is named in the status; the others go on.

Where two of a namespace disagree the older one counts, then the first by name, point by point: who
says Always or Never, whose selector it is, whose entry for a service. The other is told.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from kubefwd_operator.core.model import Forward, NamespacePolicy
from kubefwd_operator.core.names import is_hostname, is_label
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Requirement, Rules, Selector, ServiceRule

GROUP = "kubefwd-operator.dev"
PATH = f"/apis/{GROUP}/v1alpha1"
PLURAL = "forwardpolicies"

MAX_SERVICES, MAX_HOSTNAMES, MAX_PORTS, MAX_TERMS = 64, 8, 16, 16
"""Of one object; crds/forwardpolicies.yaml has the same numbers."""

MAX_READ, MAX_READ_EACH = 1000, 100
"""Of a cluster, and of a namespace where not all are or may be read."""

MAX_EACH = 50
"""Namespaces that are asked one by one where there are more than MAX_READ."""

MAX_POLICIES = 32
"""Of one namespace: those beyond, counted from the oldest, count for nothing."""

_KEY = re.compile(r"[A-Za-z0-9./_-]{1,317}")
_VALUE = re.compile(r"[A-Za-z0-9._-]{0,63}")
_NAME = re.compile(r"[a-z0-9.-]{1,253}")
_TIME = re.compile(r"[0-9TZ:.-]{1,40}")


@dataclass(frozen=True, slots=True)
class Policy:
    """One ForwardPolicy. `created` is RFC 3339 as written, so it sorts as text.

    `error` says what is wrong with it; such a one has nothing else.
    """

    namespace: str
    name: str
    created: str = ""
    forward: Forward = Forward.WHEN_DEPLOYED
    selector: Selector | None = None
    services: tuple[ServiceRule, ...] = ()
    error: str = ""

    @property
    def key(self) -> str:
        """What it is called in messages."""
        return f"ForwardPolicy {self.namespace}/{self.name}"


class _Wrong(ValueError):
    """What is wrong with an object, as a sentence."""


# --- one object ------------------------------------------------------------------------------


def parse(raw: Mapping[str, Any]) -> Policy | None:
    """Read one object; None for one whose own name or namespace cannot be right."""
    meta = raw.get("metadata") or {}
    namespace, name = str(meta.get("namespace")), str(meta.get("name"))
    if not is_label(namespace) or not _NAME.fullmatch(name):
        return None
    created = str(meta.get("creationTimestamp"))
    policy = Policy(namespace, name, created if _TIME.fullmatch(created) else "")
    try:
        return _filled(policy, _object("spec", raw.get("spec")))
    except _Wrong as wrong:
        return replace(policy, error=str(wrong))


def _filled(policy: Policy, spec: Mapping[str, Any]) -> Policy:
    forward = spec.get("forward", Forward.WHEN_DEPLOYED)
    if forward not in list(Forward):
        raise _Wrong("spec.forward is one of Always, WhenDeployed and Never.")
    rows = _list("spec.services", spec.get("services"), MAX_SERVICES)
    services = tuple(_service(f"spec.services[{n}]", row, policy.key) for n, row in enumerate(rows))
    _once("spec.services", [service.name for service in services])
    selector = spec.get("serviceSelector")
    if forward == Forward.NEVER and (services or selector is not None):
        raise _Wrong("With forward: Never there is nothing to say about services: leave them out.")
    return replace(
        policy,
        forward=Forward(forward),
        selector=None if selector is None else _selector(selector, policy.key),
        services=services,
    )


def _selector(raw: object, by: str) -> Selector:
    where = "spec.serviceSelector"
    selector = _object(where, raw)
    labels = _object(f"{where}.matchLabels", selector.get("matchLabels") or {})
    if len(labels) > MAX_TERMS:
        raise _Wrong(f"{where}.matchLabels has at most {MAX_TERMS} labels.")
    wanted = [
        Requirement(_text(where, key, _KEY), "In", (_text(f"{where}.{key}", value, _VALUE),))
        for key, value in sorted(labels.items())
    ]
    rows = _list(f"{where}.matchExpressions", selector.get("matchExpressions"), MAX_TERMS)
    found = [_requirement(f"{where}.matchExpressions[{n}]", row) for n, row in enumerate(rows)]
    return Selector((*wanted, *found), by)


def _requirement(where: str, raw: object) -> Requirement:
    row = _object(where, raw)
    values = [
        _text(f"{where}.values", value, _VALUE)
        for value in _list(f"{where}.values", row.get("values"), MAX_TERMS)
    ]
    operator = row.get("operator")
    if operator not in ("In", "NotIn", "Exists", "DoesNotExist"):
        raise _Wrong(f"{where}.operator is one of In, NotIn, Exists and DoesNotExist.")
    if bool(values) != (operator in ("In", "NotIn")):
        raise _Wrong(f"{where}: In and NotIn take values, Exists and DoesNotExist take none.")
    return Requirement(_text(f"{where}.key", row.get("key"), _KEY), operator, tuple(values))


def _service(where: str, raw: object, by: str) -> ServiceRule:
    row = _object(where, raw)
    name, skip = row.get("name"), row.get("skip", False)
    if not isinstance(name, str) or not is_label(name):
        raise _Wrong(f"{where}.name is not the name of a service.")
    if not isinstance(skip, bool):
        raise _Wrong(f"{where}.skip is true or false.")
    hostnames = _list(f"{where}.hostnames", row.get("hostnames"), MAX_HOSTNAMES)
    if not all(isinstance(each, str) and is_hostname(each) for each in hostnames):
        raise _Wrong(f"{where}.hostnames: each has two labels or more, such as web.shop.test.")
    _once(f"{where}.hostnames", hostnames)
    pairs = _list(f"{where}.ports", row.get("ports"), MAX_PORTS)
    ports = tuple(_ports(f"{where}.ports[{n}]", pair) for n, pair in enumerate(pairs))
    for side, numbers in zip(("port", "localPort"), zip(*ports, strict=True), strict=False):
        _once(f"{where}.ports, as {side}", numbers)
    if skip and (hostnames or ports):
        raise _Wrong(f"{where}: one that is skipped has neither hostnames nor ports.")
    return ServiceRule(name, skip, tuple(hostnames), ports, by)


def _ports(where: str, raw: object) -> tuple[int, int]:
    row = _object(where, raw)
    pair = (row.get("port"), row.get("localPort"))
    if not all(type(number) is int and 0 < number < 65536 for number in pair):
        raise _Wrong(f"{where}: port and localPort are whole numbers from 1 to 65535.")
    return (int(row["port"]), int(row["localPort"]))


def _object(where: str, raw: object) -> Mapping[str, Any]:
    if not isinstance(raw, dict):
        raise _Wrong(f"{where} is an object.")
    return raw


def _list(where: str, raw: object, limit: int) -> Sequence[Any]:
    if raw is None:
        return ()
    if not isinstance(raw, list) or len(raw) > limit:
        raise _Wrong(f"{where} is a list of at most {limit}.")
    return raw


def _text(where: str, raw: object, pattern: re.Pattern[str]) -> str:
    if not isinstance(raw, str) or not pattern.fullmatch(raw):
        raise _Wrong(f"{where}: a label's key or value is not as Kubernetes has them.")
    return raw


def _once(where: str, names: Iterable[object]) -> None:
    seen: set[object] = set()
    for name in names:
        if name in seen:
            raise _Wrong(f"{where}: '{name}' is there twice.")
        seen.add(name)


# --- all of a namespace ----------------------------------------------------------------------


SKIP = "the argument `skip`"
"""Who says so, when the developer does."""


def with_skips(rules: Rules, skips: Iterable[str]) -> Rules:
    """Add the services of a namespace that the developer wants to be skipped; he wins."""
    own = {name: ServiceRule(name, skip=True, by=SKIP) for name in skips}
    return replace(rules, services=MappingProxyType({**rules.services, **own})) if own else rules


Merged = Mapping[str, tuple[tuple[Policy, ...], NamespacePolicy]]
"""By namespace, its policies, and what they come to."""


def merge(policies: Iterable[Policy], before: Merged = MappingProxyType({})) -> Merged:
    """Put the policies of each namespace together.

    Those of a namespace in which nothing has changed are taken over from `before`: a cluster may
    hold a thousand, and somebody may change one of them all the time.
    """
    found: dict[str, list[Policy]] = {}
    for policy in policies:
        found.setdefault(policy.namespace, []).append(policy)
    merged = {}
    for name, some in sorted(found.items()):
        known = before.get(name)
        merged[name] = known if known and known[0] == tuple(some) else (tuple(some), _merged(some))
    return merged


def _merged(policies: list[Policy]) -> NamespacePolicy:
    ranked = sorted(policies, key=lambda policy: (not policy.created, policy.created, policy.name))
    faults = list(_invalid(ranked))
    valid = [policy for policy in ranked[:MAX_POLICIES] if not policy.error]
    said, unlike = _first(valid, lambda policy: policy.forward, Forward.WHEN_DEPLOYED)
    faults += [_conflict(one, f"forward: {one.forward}", said) for one in unlike if said]
    chosen, unlike = _first(valid, lambda policy: policy.selector and policy.selector.requirements)
    faults += [_conflict(one, "its serviceSelector", chosen) for one in unlike if chosen]
    services: dict[str, ServiceRule] = {}
    for policy in valid:
        for rule in policy.services:
            first = services.setdefault(rule.name, rule)
            if replace(first, by="") != replace(rule, by=""):
                what = f"what it says of the service {rule.name}"
                faults.append(_conflict(policy, what, first.by))
    return NamespacePolicy(
        said.forward if said else Forward.WHEN_DEPLOYED,
        said.key if said else "",
        said.created if said else "",
        Rules(chosen.selector if chosen else None, MappingProxyType(services)),
        tuple(faults),
    )


def _first(
    policies: Iterable[Policy], say: Callable[[Policy], object], silent: object = None
) -> tuple[Policy | None, list[Policy]]:
    """Return the first that says anything at all, and those that say something else."""
    speakers = [policy for policy in policies if say(policy) != silent]
    first = speakers[0] if speakers else None
    return first, [policy for policy in speakers if first and say(policy) != say(first)]


def _invalid(ranked: Sequence[Policy]) -> Iterator[Fault]:
    for place, policy in enumerate(ranked):
        if policy.error:
            message = f"It counts for nothing: {policy.error} Correct it in the cluster."
            yield Fault(policy.key, Problem(Reason.POLICY_INVALID, message))
        elif place >= MAX_POLICIES:
            message = f"It counts for nothing: a namespace has at most {MAX_POLICIES}. Merge some."
            yield Fault(policy.key, Problem(Reason.POLICY_INVALID, message))


def _conflict(policy: Policy, what: str, winner: Policy | str | None) -> Fault:
    by = winner.key if isinstance(winner, Policy) else winner
    message = (
        f"Not followed is {what}: {by} says something else, and comes first (the older one, "
        "then by name). Change one of the two."
    )
    return Fault(policy.key, Problem(Reason.POLICY_CONFLICT, message))
