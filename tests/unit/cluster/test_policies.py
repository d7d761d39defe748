"""Reading policies: all at once, by namespace where that is forbidden, and where there are none."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from tests.unit.cluster.source import Source

from kubefwd_operator.cluster.policies import Policies
from kubefwd_operator.core.errors import ClusterUnreachable, Forbidden, NotFound
from kubefwd_operator.core.model import Forward, NamespacePolicy, PoliciesSeen

pytestmark = pytest.mark.looptime

ALL = "/apis/kubefwd-operator.dev/v1alpha1/forwardpolicies"


def of(namespace: str) -> str:
    return f"/apis/kubefwd-operator.dev/v1alpha1/namespaces/{namespace}/forwardpolicies"


def policy(namespace: str, name: str = "web", forward: str = "Always") -> dict[str, Any]:
    return {"metadata": {"namespace": namespace, "name": name}, "spec": {"forward": forward}}


class Subject:
    def __init__(self, source: Source) -> None:
        self.source, self.told, self.lost = source, 0, set[str]()
        self.known: set[str] = set()
        self.policies = Policies(source, self._changed)

    def _changed(self) -> None:
        self.told += 1
        seen = self.policies.seen()
        now = {name for name in ("shop", "bank") if seen.knows(name)}
        self.lost |= self.known - now
        self.known = now

    def said(self) -> dict[str, Forward]:
        return {name: each.forward for name, each in self.policies.seen().namespaces.items()}

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(300):
            while not condition():  # noqa: ASYNC110 - what is waited for has no event
                await asyncio.sleep(0.1)


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    one = Subject(Source())
    yield one
    await one.policies.close()


async def test_all_are_followed_at_once(subject: Subject) -> None:
    subject.source.put(ALL, policy("shop"))
    assert subject.policies.seen() == PoliciesSeen()
    subject.policies.start()
    subject.policies.want(("shop",))
    await subject.until(lambda: subject.policies.seen().known)
    assert subject.said() == {"shop": Forward.ALWAYS}
    subject.source.put(ALL, policy("bank", "b", "Never"))
    await subject.until(lambda: subject.said().get("bank"))
    assert subject.said() == {"bank": Forward.NEVER, "shop": Forward.ALWAYS}
    subject.source.remove(ALL, "web")
    await subject.until(lambda: "shop" not in subject.said())
    assert {path for _, _, path in subject.source.calls} == {ALL}


async def test_two_namespaces_may_have_policies_of_one_name(subject: Subject) -> None:
    subject.policies.start()
    await subject.until(lambda: subject.policies.seen().known)
    for namespace in ("shop", "bank"):
        raw = policy(namespace)
        raw["metadata"]["resourceVersion"] = "20"
        subject.source.tell(ALL, {"type": "ADDED", "object": raw})
    await subject.until(lambda: len(subject.said()) == 2)


async def test_without_the_kind_nothing_is_special_and_it_is_tried_again(subject: Subject) -> None:
    subject.source.errors[ALL] = NotFound("no such kind")
    subject.policies.start()
    await subject.until(lambda: subject.policies.seen().known)
    assert subject.policies.seen().of("shop") == NamespacePolicy()
    del subject.source.errors[ALL]
    subject.source.put(ALL, policy("shop"))
    await subject.until(lambda: subject.said() == {"shop": Forward.ALWAYS})


async def test_it_is_tried_less_and_less_often(subject: Subject) -> None:
    subject.source.errors[ALL] = NotFound("no such kind")
    subject.policies.start()
    await asyncio.sleep(600)
    assert len(subject.source.calls) < 30
    assert subject.told == 1, "once, and not at every attempt"


async def test_policies_that_go_with_their_kind_do_not_count_any_more(subject: Subject) -> None:
    subject.source.put(ALL, policy("shop"))
    subject.policies.start()
    await subject.until(subject.said)
    subject.source.errors[ALL] = NotFound("no such kind")
    subject.source.tell(ALL, NotFound("gone"))
    await subject.until(lambda: not subject.said())


async def test_an_unreachable_cluster_changes_nothing(subject: Subject) -> None:
    subject.source.put(ALL, policy("shop"))
    subject.policies.start()
    await subject.until(subject.said)
    subject.source.errors[ALL] = ClusterUnreachable("no route")
    subject.source.tell(ALL, ClusterUnreachable("no route"))
    await asyncio.sleep(60)
    assert subject.said() == {"shop": Forward.ALWAYS}


async def test_where_all_are_forbidden_those_of_wanted_namespaces_are_read(
    subject: Subject,
) -> None:
    subject.source.errors[ALL] = Forbidden("not for you")
    subject.source.errors[of("vault")] = Forbidden("not for you")
    subject.source.put(of("shop"), policy("shop"))
    subject.source.put(of("bank"), policy("bank"))
    subject.policies.start()
    subject.policies.want(("shop", "vault"))
    await subject.until(subject.said)
    assert subject.said() == {"shop": Forward.ALWAYS}
    subject.policies.want(("bank",))
    await subject.until(lambda: subject.said() == {"bank": Forward.ALWAYS})


async def test_a_namespace_more_leaves_the_others_known(subject: Subject) -> None:
    """Were they unknown again, what works would be taken back."""
    subject.source.errors[ALL] = Forbidden("not for you")
    subject.policies.start()
    subject.policies.want(("shop",))
    await subject.until(lambda: subject.policies.seen().knows("shop"))
    subject.policies.want(("shop", "bank"))
    assert subject.policies.seen().knows("shop")
    assert not subject.policies.seen().knows("bank")
    await subject.until(lambda: subject.policies.seen().knows("bank"))
    assert subject.lost == set()


async def test_a_right_that_is_taken_leaves_namespaces_known(subject: Subject) -> None:
    subject.policies.start()
    subject.policies.want(("shop",))
    await subject.until(lambda: subject.policies.seen().knows("shop"))
    assert subject.policies.seen().knows("bank")
    subject.source.errors[ALL] = Forbidden("not for you")
    subject.source.tell(ALL, Forbidden("not for you"))
    await subject.until(lambda: not subject.policies.seen().knows("bank"))
    assert subject.lost == {"bank"}


async def test_a_cluster_full_of_policies_is_read_in_part(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(1200):
        subject.source.put(ALL, policy(f"n{number:04}", f"p{number:04}"))
    subject.policies.start()
    await subject.until(lambda: subject.policies.seen().known)
    assert len(subject.said()) == 1000
    subject.source.put(ALL, policy("late", "late"))
    subject.source.put(ALL, policy("n0000", "p0000", "Never"))
    await subject.until(lambda: subject.said()["n0000"] is Forward.NEVER)
    assert "late" not in subject.said()
    assert caplog.text.count("Only the first 1000 ForwardPolicy objects") == 1


async def test_whoever_fills_a_cluster_with_policies_keeps_no_others_from_counting(
    subject: Subject,
) -> None:
    """Lists are in the order of namespaces: `a` comes first, and keeps making more."""
    for number in range(1200):
        subject.source.put(ALL, policy("a", f"p{number:04}"))
    for path in (ALL, of("shop")):
        subject.source.put(path, policy("shop", "team", "Never"))
    subject.source.put(of("bank"), policy("bank", "team", "Never"))
    subject.policies.start()
    subject.policies.want(("shop", "bank"))
    await subject.until(lambda: {"shop", "bank"} <= subject.said().keys())
    assert subject.said() == {
        "a": Forward.ALWAYS,
        "shop": Forward.NEVER,
        "bank": Forward.NEVER,
    }
    assert subject.lost == set()
    subject.source.put(of("shop"), policy("shop", "team", "Always"))
    await subject.until(lambda: subject.said()["shop"] is Forward.ALWAYS)


async def test_policies_that_are_made_meanwhile_keep_no_others_from_counting(
    subject: Subject,
) -> None:
    for number in range(1000):
        subject.source.put(ALL, policy("a", f"p{number:04}"))
    subject.policies.start()
    subject.policies.want(("shop",))
    await subject.until(lambda: subject.policies.seen().known)
    for path in (ALL, of("shop")):
        subject.source.put(path, policy("shop", "team", "Never"))
    await subject.until(lambda: subject.said().get("shop") is Forward.NEVER)


async def test_policies_are_listed_in_pages(subject: Subject) -> None:
    """A thousand of them may weigh a gigabyte."""
    for number in range(1200):
        subject.source.put(ALL, policy(f"n{number:04}", f"p{number:04}"))
    subject.policies.start()
    await subject.until(lambda: subject.policies.seen().known)
    assert len(subject.source.times("list")) == 20


async def test_what_an_earlier_session_knew_counts_until_there_is_an_answer() -> None:
    source = Source()
    before = PoliciesSeen(True, {"shop": NamespacePolicy(Forward.NEVER)})
    policies = Policies(source, lambda: None, before)
    assert policies.seen() == before
    policies.start()
    async with asyncio.timeout(60):
        while policies.seen() == before:  # noqa: ASYNC110 - the loop's clock does not wait
            await asyncio.sleep(0.1)
    assert policies.seen() == PoliciesSeen(known=True)
    await policies.close()
