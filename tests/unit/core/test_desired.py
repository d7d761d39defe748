"""Desired: which namespaces count, in which order, and what is remembered of them."""

import pytest

from kubefwd_operator.core.desired import desire
from kubefwd_operator.core.facts import Applied, Discovery, TiltFacts, Watch
from kubefwd_operator.core.memory import MAX_REMEMBERED, Memory, decode, encode
from kubefwd_operator.core.model import ClusterRef
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.settings import Settings

KIND = ClusterRef("/run/kubeconfig", "kind-dev", "kind")


def time(second: int) -> str:
    return f"2026-01-02T03:04:{second:02}.000000Z"


def applied(
    name: str, *namespaces: str, at: int = 0, scoped: bool = False, disabled: bool = False
) -> Applied:
    """A KubernetesApply with a result."""
    return Applied(name, f"uid-{name}", True, namespaces, scoped, time(at), disabled)


def failing(name: str, at: int = 50) -> Applied:
    return Applied(name, f"uid-{name}", last_apply_time=time(at))


def found(name: str, *watches: str, pods: tuple[str, ...] = (), by: str | None = None) -> Discovery:
    """A KubernetesDiscovery; a watch that begins with `!` has a uid."""
    parsed = tuple(Watch(w.lstrip("!"), "uid-x" if w.startswith("!") else "") for w in watches)
    return Discovery(name, parsed, pods, name if by is None else by)


def facts(*objects: Applied | Discovery) -> TiltFacts:
    return TiltFacts(
        cluster_exists=True,
        cluster=KIND,
        applies=tuple(item for item in objects if isinstance(item, Applied)),
        discoveries=tuple(item for item in objects if isinstance(item, Discovery)),
    )


def wanted(
    tilt: TiltFacts, settings: Settings | None = None, memory: Memory | None = None
) -> list[str]:
    decision = desire(tilt, settings or Settings(), memory or Memory())
    return [namespace.name for namespace in decision.desired.namespaces]


@pytest.mark.parametrize(
    "tilt, expected",
    [
        pytest.param(facts(), [], id="nothing deployed"),
        pytest.param(facts(applied("web", "a")), ["a"], id="a result, before its discovery"),
        pytest.param(
            facts(applied("web", "a"), found("web", "!a")), ["a"], id="a result and its watches"
        ),
        pytest.param(
            facts(applied("web", "a", "b")), ["a", "b"], id="one resource, two namespaces"
        ),
        pytest.param(
            facts(applied("uncategorized", scoped=True), found("uncategorized", "!default")),
            [],
            id="a Namespace object alone brings no default",
        ),
        pytest.param(
            facts(applied("rbac", "a", scoped=True), found("rbac", "!a", "!default")),
            ["a"],
            id="a cluster-scoped object beside others brings no default",
        ),
        pytest.param(
            facts(applied("rbac", scoped=True), found("rbac", "!default", "team")),
            [],
            id="a cluster-scoped object brings no context namespace",
        ),
        pytest.param(
            facts(applied("web", "default"), found("web", "!default")),
            ["default"],
            id="a real default",
        ),
        pytest.param(
            facts(applied("web", "default", scoped=True), found("web", "!default", "!default")),
            ["default"],
            id="a real default beside a cluster-scoped object",
        ),
        pytest.param(
            facts(applied("web", "a"), found("web", "a")),
            ["a"],
            id="selectors only: watches without uid",
        ),
        pytest.param(
            facts(applied("web", "a"), found("web", "!a", "b")),
            ["a", "b"],
            id="the YAML spoke of one more",
        ),
        pytest.param(
            facts(applied("op", "a"), found("op", "!a", pods=("a", "made"))),
            ["a", "made"],
            id="pods that an operator made elsewhere",
        ),
        pytest.param(
            facts(applied("op", scoped=True), found("op", "!default", pods=("default",))),
            ["default"],
            id="pods in default make it real",
        ),
        pytest.param(facts(applied("web", "a", disabled=True)), [], id="disabled"),
        pytest.param(
            facts(applied("web", "a", disabled=True), found("web", "!a", pods=("a",))),
            [],
            id="disabled, its discovery not yet deleted",
        ),
        pytest.param(
            facts(applied("one", "a"), applied("two", "a", disabled=True)),
            ["a"],
            id="disabled, but another resource is there too",
        ),
        pytest.param(
            facts(found("web", "!a", "b", pods=("c",))), [], id="left the Tiltfile: orphan"
        ),
        pytest.param(
            facts(found("mine", "a", "default", by="")),
            ["a", "default"],
            id="written by hand: as it stands",
        ),
        pytest.param(facts(failing("web")), [], id="never deployed"),
        pytest.param(
            facts(failing("web"), found("web", "!a", "!default")),
            ["a"],
            id="failing since before we came: its watches, default aside",
        ),
        pytest.param(
            facts(failing("web"), found("web", "!default", pods=("default",))),
            ["default"],
            id="failing since before we came: its pods",
        ),
        pytest.param(
            facts(applied("web", "a", "Not_A_Name", "")), ["a"], id="nonsense is left out"
        ),
    ],
)
def test_what_tilt_has_deployed(tilt: TiltFacts, expected: list[str]) -> None:
    assert wanted(tilt) == expected


@pytest.mark.parametrize(
    "tilt, memory, expected",
    [
        pytest.param(
            facts(applied("z", "first", at=1), applied("a", "second", at=2)),
            Memory(),
            ["first", "second"],
            id="by time, not by name",
        ),
        pytest.param(
            facts(applied("b", "second", at=1), applied("a", "first", at=1)),
            Memory(),
            ["first", "second"],
            id="by resource at the same time",
        ),
        pytest.param(
            facts(applied("z", "first", at=9), applied("a", "second", at=2)),
            Memory(order=("first", "second")),
            ["first", "second"],
            id="a later deployment does not change the order",
        ),
        pytest.param(
            facts(applied("a", "new", at=1), applied("b", "old", at=2)),
            Memory(order=("old",)),
            ["old", "new"],
            id="what was there keeps its place before what comes",
        ),
        pytest.param(
            facts(applied("a", "back", at=9), applied("b", "other", at=2)),
            Memory(order=("back", "other")),
            ["back", "other"],
            id="one that was away has its place again",
        ),
        pytest.param(
            facts(found("mine", "unknown", by=""), applied("z", "known", at=9)),
            Memory(),
            ["known", "unknown"],
            id="an unknown time is the latest",
        ),
        pytest.param(
            facts(applied("one", "a", at=9), applied("two", "b", "a", at=1)),
            Memory(),
            ["b", "a"],
            id="the earliest of several deployments counts",
        ),
    ],
)
def test_order_of_first_deployment(tilt: TiltFacts, memory: Memory, expected: list[str]) -> None:
    assert wanted(tilt, memory=memory) == expected


@pytest.mark.parametrize(
    "settings, memory, expected",
    [
        pytest.param(Settings(), Memory(), ["a tilt", "b tilt"], id="tilt only"),
        pytest.param(
            Settings(namespaces=("x", "b")),
            Memory(),
            ["x argument", "b argument", "a tilt"],
            id="argument first",
        ),
        pytest.param(
            Settings(), Memory(added=("x",)), ["a tilt", "b tilt", "x button"], id="button last"
        ),
        pytest.param(
            Settings(),
            Memory(added=("b", "x")),
            ["a tilt", "b tilt", "x button"],
            id="button, there already",
        ),
        pytest.param(Settings(exclude=frozenset("a")), Memory(), ["b tilt"], id="tilt excluded"),
        pytest.param(
            Settings(exclude=frozenset("x")),
            Memory(added=("x",)),
            ["a tilt", "b tilt"],
            id="button excluded",
        ),
        pytest.param(Settings(), Memory(stopped=("a", "z")), ["b tilt"], id="tilt stopped"),
        pytest.param(
            Settings(namespaces=("x", "y")),
            Memory(stopped=("x",)),
            ["y argument", "a tilt", "b tilt"],
            id="argument stopped",
        ),
        pytest.param(
            Settings(namespaces=("x",), exclude=frozenset("ab")),
            Memory(),
            ["x argument"],
            id="all but one",
        ),
    ],
)
def test_sources_and_exclusion(settings: Settings, memory: Memory, expected: list[str]) -> None:
    decision = desire(facts(applied("one", "a"), applied("two", "b")), settings, memory)
    assert [f"{n.name} {n.source}" for n in decision.desired.namespaces] == expected


def test_the_rest_of_the_wish_is_passed_on() -> None:
    decision = desire(facts(), Settings(bare_names=False), Memory(generation=3))
    assert decision.desired.bare_names is False
    assert decision.desired.generation == 3
    assert not decision.desired.paused
    assert desire(facts(), Settings(), Memory(paused=True)).desired.paused
    assert decision.desired.cluster == KIND
    assert decision.problems == ()


def test_a_failing_deployment_takes_nothing_away() -> None:
    good = desire(facts(applied("web", "a", "default", scoped=True)), Settings(), Memory())
    assert [n.name for n in good.desired.namespaces] == ["a", "default"]
    later = desire(facts(failing("web"), found("web", "!a", "!default")), Settings(), good.memory)
    assert later.desired == good.desired


def test_a_failing_deployment_whose_result_is_known_brings_nothing_new() -> None:
    good = desire(facts(applied("web", "a", scoped=True)), Settings(), Memory())
    assert wanted(facts(failing("web"), found("web", "!a", "context")), memory=good.memory) == ["a"]


def test_what_is_remembered_survives_a_restart_while_a_deployment_fails() -> None:
    good = desire(facts(applied("web", "default")), Settings(), Memory())
    memory, _ = decode(encode(good.memory))
    assert wanted(facts(failing("web"), found("web", "!default")), memory=memory) == ["default"]


def test_a_failing_deployment_of_what_was_disabled_brings_nothing_back() -> None:
    good = desire(facts(applied("web", "a")), Settings(), Memory())
    disabled = desire(facts(applied("web", "a", disabled=True)), Settings(), good.memory)
    assert wanted(facts(failing("web")), memory=disabled.memory) == []


def test_a_better_deployment_replaces_the_last_one() -> None:
    good = desire(facts(applied("web", "a")), Settings(), Memory())
    moved = desire(facts(applied("web", "b")), Settings(), good.memory)
    assert [n.name for n in moved.desired.namespaces] == ["b"]
    assert wanted(facts(failing("web")), memory=moved.memory) == ["b"]


def test_memory_does_not_grow_without_bounds() -> None:
    memory = Memory(order=tuple(f"n{number}" for number in range(MAX_REMEMBERED)))
    decision = desire(facts(applied("web", "a")), Settings(), memory)
    assert len(decision.memory.order) == MAX_REMEMBERED
    assert decision.memory.order[-1] == "a"
    assert decision.memory.order[0] == "n1"


@pytest.mark.parametrize(
    "tilt, reason, says",
    [
        pytest.param(TiltFacts(), Reason.NO_CLUSTER, "`k8s_yaml`", id="local resources only"),
        pytest.param(
            TiltFacts(cluster_exists=True, cluster_error="dial tcp: refused"),
            Reason.CLUSTER_UNREACHABLE,
            "dial tcp: refused",
            id="Tilt cannot connect",
        ),
        pytest.param(TiltFacts(cluster_exists=True), None, "", id="Tilt is still connecting"),
        pytest.param(TiltFacts(cluster_exists=True, cluster=KIND), None, "", id="connected"),
        pytest.param(
            TiltFacts(cluster_exists=True, cluster=KIND, cluster_error="timeout"),
            None,
            "",
            id="a check that fails beside a connection interrupts nothing",
        ),
    ],
)
def test_what_is_wrong_with_the_cluster(tilt: TiltFacts, reason: Reason | None, says: str) -> None:
    decision = desire(tilt, Settings(), Memory())
    assert decision.desired.cluster == tilt.cluster
    assert [problem.reason for problem in decision.problems] == ([reason] if reason else [])
    assert all(says in problem.message for problem in decision.problems)


def test_arguments_are_wanted_even_before_tilt_deploys() -> None:
    assert wanted(TiltFacts(), Settings(namespaces=("a",))) == ["a"]
