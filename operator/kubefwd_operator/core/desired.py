"""Desired: which namespaces of which cluster are to be forwarded, and in which order.

The order decides who gets bare names: the argument `namespaces` first, then what Tilt has deployed
in order of first deployment, then what was added with the button, then what a policy of the cluster
brings in; never what is in `exclude`, nor what was stopped with the button. What else policies do
is in `invited.py`.

What Tilt has deployed is told by two kinds of objects, and one of them says too much:

- A KubernetesApply's result holds the applied objects with their real namespaces: the truth. While
  a later deployment fails it is empty, although the earlier one is still there; then the last good
  result, which Memory keeps, goes on to count.
- A KubernetesDiscovery's pods say where pods are: true, and it finds what operators in the cluster
  made out of an applied object in another namespace.
- Its watches: one with a uid repeats an applied object, but a cluster-scoped one appears as
  `default`. One without is a namespace that the Tiltfile's YAML spoke of and that no applied object
  is in: the context's (or `default`) for an object without namespace, and that again may be a
  cluster-scoped one, or one that names a namespace it does not have (charts do). So beside a result
  watches without uid count only if every applied object has a namespace, and those with one never.
  Without a result (it failed, and this operator has never seen one) all count, `default` aside.
  In a discovery that somebody wrote by hand every watch is meant as it stands.

A discovery whose KubernetesApply has gone or is disabled is about to be deleted: it does not count.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from kubefwd_operator.core.facts import Applied, Discovery, TiltFacts
from kubefwd_operator.core.invited import follows, invited, rules, told
from kubefwd_operator.core.memory import Memory, prune
from kubefwd_operator.core.model import NO_POLICIES, Desired, DesiredNamespace, PoliciesSeen, Source
from kubefwd_operator.core.names import is_label
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.settings import Settings

_PHANTOM = "default"
"""The namespace that Tilt writes for objects that have none."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What is wanted, what to remember, and what is wrong with Tilt's facts, or with policies."""

    desired: Desired
    memory: Memory
    problems: tuple[Problem, ...] = ()
    policies: tuple[Fault, ...] = ()


def desire(
    facts: TiltFacts, settings: Settings, memory: Memory, policies: PoliciesSeen = NO_POLICIES
) -> Decision:
    """Decide. Deciding again on the same facts with the returned Memory changes nothing."""
    results = _results(facts.applies, memory.results)
    deployed = dict.fromkeys(_in_order(_sightings(facts, results)))
    order = tuple(dict.fromkeys((*memory.order, *deployed)))
    namespaces = _ranked(
        {
            Source.ARGUMENT: settings.namespaces,
            Source.TILT: [name for name in order if name in deployed],
            Source.BUTTON: memory.added,
            Source.POLICY: invited(policies),
        }
    )
    own = frozenset({*settings.namespaces, *memory.added})
    kept_out = settings.exclude | set(memory.stopped)
    kept = tuple(
        each
        for each in namespaces
        if each.name not in kept_out and follows(each.name, own, policies)
    )
    return Decision(
        desired=Desired(
            cluster=facts.cluster,
            namespaces=kept,
            bare_names=settings.bare_names,
            generation=memory.generation,
            paused=memory.paused,
            rules=rules(kept, settings, policies),
            allow_hostnames=settings.allow_hostnames,
            pending=frozenset(each.name for each in kept if not policies.knows(each.name)),
        ),
        memory=replace(memory, order=prune(order, frozenset(deployed)), results=results),
        problems=tuple(_cluster_problems(facts)),
        policies=told(namespaces, settings, own, policies),
    )


def _results(
    applies: Iterable[Applied], remembered: Mapping[str, tuple[str, ...]]
) -> dict[str, tuple[str, ...]]:
    """By enabled KubernetesApply, the namespaces of its last good deployment, if it is known."""
    results = {}
    for applied in applies:
        if applied.disabled:
            continue
        if applied.deployed:
            results[applied.name] = applied.namespaces
        elif applied.name in remembered:
            results[applied.name] = remembered[applied.name]
    return results


def _sightings(
    facts: TiltFacts, results: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[str, str, str]]:
    """Where something of Tilt's is: (time of deployment or empty, resource, namespace)."""
    applies = {applied.name: applied for applied in facts.applies if not applied.disabled}
    for name, namespaces in results.items():
        for namespace in namespaces:
            yield applies[name].last_apply_time, name, namespace
    for discovery in facts.discoveries:
        applied = applies.get(discovery.applied_by)
        if discovery.applied_by and not applied:
            continue
        for namespace in (*_watched(discovery, applied, results), *discovery.pod_namespaces):
            yield applied.last_apply_time if applied else "", discovery.name, namespace


def _watched(
    discovery: Discovery, applied: Applied | None, results: Mapping[str, tuple[str, ...]]
) -> Iterator[str]:
    for watch in discovery.watches:
        if applied is None:
            yield watch.namespace
        elif applied.deployed:
            if not watch.uid and not applied.cluster_scoped:
                yield watch.namespace
        elif applied.name not in results and watch.namespace != _PHANTOM:
            yield watch.namespace


def _in_order(sightings: Iterable[tuple[str, str, str]]) -> list[str]:
    """Sort by earliest time, then resource, then as written; an unknown time is the latest."""
    ranked = sorted(sightings, key=lambda seen: (not seen[0], seen[0], seen[1]))
    return list(dict.fromkeys(namespace for _, _, namespace in ranked if is_label(namespace)))


def _ranked(sources: Mapping[Source, Iterable[str]]) -> list[DesiredNamespace]:
    """One entry per namespace, with the first source that asks for it."""
    found: dict[str, Source] = {}
    for source in Source:
        for name in sources.get(source, ()):
            found.setdefault(name, source)
    return [DesiredNamespace(name, source) for name, source in found.items()]


def _cluster_problems(facts: TiltFacts) -> Iterator[Problem]:
    """No problem while Tilt has a connection, nor while it is still connecting.

    An error beside a connection is Tilt's last check failing; the catalog has its own view of that.
    """
    if not facts.cluster_exists:
        yield Problem(
            Reason.NO_CLUSTER,
            "This Tiltfile deploys nothing to Kubernetes, so there is nothing to forward: add a "
            "resource with `k8s_yaml`, or leave this extension out.",
        )
    elif facts.cluster is None and facts.cluster_error:
        yield Problem(
            Reason.CLUSTER_UNREACHABLE,
            f"Tilt has no connection to its cluster ({facts.cluster_error}): check that the "
            "cluster runs and that `kubectl` reaches it, then restart Tilt.",
        )
