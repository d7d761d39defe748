"""What policies do to the list of namespaces, and what is said of policies. Pure.

The developer is trusted more than the cluster: what he asks for by himself, with the argument
`namespaces` or the button, stays whatever a policy says, and what he excludes stays out. A policy's
Never counts against what Tilt has deployed, and its Always brings a namespace in, last of all.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from types import MappingProxyType

from kubefwd_operator.core.model import (
    CatalogSeen,
    Desired,
    DesiredNamespace,
    Forward,
    NamespacePolicy,
    NamespaceSeen,
    PoliciesSeen,
)
from kubefwd_operator.core.policies import SKIP, with_skips
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import NO_RULES, Rules
from kubefwd_operator.core.settings import Settings

MAX_INVITED = 100
"""Namespaces that policies may bring in; each is followed by two watches."""

MAX_TOLD = 100
"""Rows about policies."""


def invited(policies: PoliciesSeen) -> list[str]:
    """Return the namespaces that policies bring in, in the order in which they were told so."""
    always = [
        (policy.created, name)
        for name, policy in policies.namespaces.items()
        if policy.forward is Forward.ALWAYS
    ]
    return [name for _, name in sorted(always)[:MAX_INVITED]]


def follows(namespace: str, own: Collection[str], policies: PoliciesSeen) -> bool:
    """Whether forwarding a namespace is in accord with policies, or the developer's `own` wish."""
    return namespace in own or policies.of(namespace).forward is not Forward.NEVER


def rules(
    namespaces: Iterable[DesiredNamespace], settings: Settings, policies: PoliciesSeen
) -> Mapping[str, Rules]:
    """Return the rules of these namespaces, and of those of which the developer skips services."""
    skips: dict[str, list[str]] = {}
    for namespace, service in settings.skip:
        skips.setdefault(namespace, []).append(service)
    names = dict.fromkeys([*(each.name for each in namespaces), *skips])
    found = {name: with_skips(policies.of(name).rules, skips.get(name, ())) for name in names}
    return MappingProxyType({name: own for name, own in found.items() if own != NO_RULES})


def told(
    asked: Iterable[DesiredNamespace],
    settings: Settings,
    own: Collection[str],
    policies: PoliciesSeen,
) -> tuple[Fault, ...]:
    """Say what is wrong with policies, and which have no effect or a surprising one.

    `asked` are all namespaces that somebody asks for, `own` those of the developer's own wish. What
    policies of others say is told only if something is wrong with it.
    """
    names = dict.fromkeys(each.name for each in asked)
    every = {**names, **dict.fromkeys(policies.namespaces)}
    found: list[Fault] = []
    for name in every:
        policy = policies.of(name)
        found += policy.faults
        found += _effect(name, policy, settings, own, asked=names)
    return tuple(found[:MAX_TOLD])


def _effect(
    name: str,
    policy: NamespacePolicy,
    settings: Settings,
    own: Collection[str],
    *,
    asked: Collection[str],
) -> Iterator[Fault]:
    always, never = (policy.forward is each for each in (Forward.ALWAYS, Forward.NEVER))
    if always and name in settings.exclude:
        yield _overruled(policy, "the argument `exclude` lists the namespace, and wins.")
    elif always and name not in asked:
        message = f"The namespace is not forwarded: policies bring in at most {MAX_INVITED}."
        yield Fault(policy.by, Problem(Reason.LIMIT_REACHED, message))
    elif never and name in own:
        yield _overruled(policy, "you have asked for the namespace yourself, and win.")
    elif never and name in asked and name not in settings.exclude:
        message = (
            f"Namespace '{name}' is not forwarded, although Tilt deploys to it: the policy says "
            "Never. To forward it all the same, click Forward a namespace, or list it in the "
            "argument `namespaces`."
        )
        yield Fault(policy.by, Problem(Reason.POLICY_FOLLOWED, message))


def _overruled(policy: NamespacePolicy, why: str) -> Fault:
    message = f"It says {policy.forward}, but {why}"
    return Fault(policy.by, Problem(Reason.POLICY_OVERRULED, message))


def unmatched(desired: Desired, catalog: CatalogSeen, *, settled: bool) -> Iterator[Fault]:
    """Say which services of the argument `skip` do not exist.

    A namespace that is not forwarded is told of once all is `settled`: Tilt may be about to deploy.
    """
    wanted = {namespace.name for namespace in desired.namespaces}
    for namespace, own in desired.rules.items():
        seen = catalog.namespaces.get(namespace, NamespaceSeen())
        here = {service.name for service in seen.services}
        for name in (name for name, rule in own.services.items() if rule.by == SKIP):
            if namespace not in wanted:
                why = "its namespace is not forwarded." if settled else ""
            else:
                why = "there is no such service." if seen.synced and name not in here else ""
            if why:
                message = f"'{namespace}/{name}' changes nothing: {why} Correct it, or take it out."
                yield Fault("argument skip", Problem(Reason.SKIP_UNMATCHED, message))
