"""Desired: what holds for any facts, arguments and memory."""

from hypothesis import given
from hypothesis import strategies as st

from kubefwd_operator.core.desired import desire
from kubefwd_operator.core.facts import Applied, Discovery, TiltFacts, Watch
from kubefwd_operator.core.memory import Memory
from kubefwd_operator.core.model import ClusterRef, DesiredNamespace, Source
from kubefwd_operator.core.settings import Settings

KIND = ClusterRef("/run/kubeconfig", "kind-dev", "kind")

EARLY, LATE = "2026-01-02T03:04:01.000000Z", "2026-01-02T03:04:02.000000Z"

name = st.sampled_from(["a", "b", "c", "default", "dev", "Bad"])
some = st.lists(name, max_size=3).map(tuple)
any_applied = st.builds(
    Applied,
    name=name,
    deployed=st.booleans(),
    namespaces=some,
    cluster_scoped=st.booleans(),
    last_apply_time=st.sampled_from(["", EARLY, LATE]),
    disabled=st.booleans(),
)
any_discovery = st.builds(
    Discovery,
    name=name,
    watches=st.lists(st.builds(Watch, name, st.sampled_from(["", "uid"])), max_size=3).map(tuple),
    pod_namespaces=some,
    applied_by=st.one_of(st.just(""), name),
)
any_facts = st.builds(
    TiltFacts,
    cluster_exists=st.booleans(),
    cluster=st.one_of(st.none(), st.just(KIND)),
    applies=st.lists(any_applied, max_size=4, unique_by=lambda item: item.name).map(tuple),
    discoveries=st.lists(any_discovery, max_size=4, unique_by=lambda item: item.name).map(tuple),
)
any_settings = st.builds(
    Settings,
    namespaces=st.lists(st.sampled_from("abx"), unique=True).map(tuple),
    exclude=st.frozensets(st.sampled_from("cy")),
)
any_memory = st.builds(
    Memory,
    order=st.lists(name, unique=True).map(tuple),
    added=st.lists(name, unique=True).map(tuple),
    results=st.dictionaries(name, some),
    stopped=st.lists(name, unique=True).map(tuple),
)


@given(any_facts, any_settings, any_memory)
def test_deciding_again_changes_nothing(
    tilt: TiltFacts, settings: Settings, memory: Memory
) -> None:
    once = desire(tilt, settings, memory)
    assert desire(tilt, settings, once.memory) == once


@given(any_facts, any_settings, any_memory)
def test_every_namespace_is_wanted_once_and_none_that_is_excluded(
    tilt: TiltFacts, settings: Settings, memory: Memory
) -> None:
    namespaces = desire(tilt, settings, memory).desired.namespaces
    names = [namespace.name for namespace in namespaces]
    assert len(names) == len(set(names))
    assert not settings.exclude & set(names)
    order = [list(Source).index(namespace.source) for namespace in namespaces]
    assert order == sorted(order)


@given(any_facts, any_settings, any_memory, any_facts)
def test_namespaces_that_stay_never_change_their_order(
    tilt: TiltFacts, settings: Settings, memory: Memory, later: TiltFacts
) -> None:
    once = desire(tilt, settings, memory)
    twice = desire(later, settings, once.memory)
    stayed = set(once.desired.namespaces) & set(twice.desired.namespaces)

    def order(namespaces: tuple[DesiredNamespace, ...]) -> list[DesiredNamespace]:
        return [namespace for namespace in namespaces if namespace in stayed]

    assert order(once.desired.namespaces) == order(twice.desired.namespaces)
