"""Which pod, and how long a connection waits for one. Time is looptime's."""

import asyncio
from collections import Counter

import pytest
from tests.unit.native.kit import CLUSTER, Catalog, pod, service

from kubefwd_operator.core.model import CatalogSeen, NamespaceSeen, Service
from kubefwd_operator.engines.native.picker import ASK_AGAIN, Picker, Tries, Unservable
from kubefwd_operator.engines.native.target import Target

pytestmark = [pytest.mark.looptime, pytest.mark.asyncio]

TARGET = Target("shop-a", "web")


def now() -> float:
    return asyncio.get_running_loop().time()


def picker(catalog: Catalog) -> Picker:
    made = Picker(catalog, lot=lambda: 0.0)
    catalog.listeners.append(made.wake)
    return made


def catalog(*pods: str, ready: bool = True) -> Catalog:
    made = Catalog()
    made.put(service("web", *(pod(name, ready=ready) for name in pods)))
    return made


async def test_connections_go_to_the_pod_with_the_fewest() -> None:
    picking = picker(catalog("a", "b", "c"))
    held = []
    for _ in range(6):
        choice = await picking.pick(TARGET, Tries(), now())
        held.append(picking.occupied(choice))
        held[-1].__enter__()
    assert picking.busy == Counter({("shop-a", name): 2 for name in "abc"})
    for each in held:
        each.__exit__(None, None, None)
    assert not picking.busy


async def test_among_equals_the_lot_decides() -> None:
    lots = iter([0.9, 0.1, 0.5])
    picking = Picker(catalog("a", "b", "c"), lot=lambda: next(lots))
    assert (await picking.pick(TARGET, Tries(), now())).pod == "b"


async def test_a_change_of_the_catalog_ends_the_wait_at_once() -> None:
    source = catalog("a", ready=False)
    picking = picker(source)
    waiting = asyncio.create_task(picking.pick(TARGET, Tries(), now() + 30))
    await asyncio.sleep(7)
    source.put(service("web", pod("b")))
    assert (await waiting).pod == "b"
    assert now() == 7


async def test_the_wait_ends_with_the_hold() -> None:
    picking = picker(catalog("a", ready=False))
    with pytest.raises(Unservable):
        await picking.pick(TARGET, Tries(), now() + 30)
    assert now() == 30


async def test_tried_pods_come_last_after_a_pause_that_grows() -> None:
    picking, tries, moments = picker(catalog("a", "b")), Tries(), []
    for _ in range(8):
        pod = (await picking.pick(TARGET, tries, 30)).pod
        moments.append((round(now(), 2), pod))
    assert moments == [
        (0, "a"), (0, "b"),
        (0.1, "a"), (0.1, "b"),
        (0.3, "a"), (0.3, "b"),
        (0.7, "a"), (0.7, "b"),
    ]  # fmt: skip


async def test_a_change_brings_pods_that_were_not_tried_without_a_pause() -> None:
    source = catalog("a")
    picking, tries = picker(source), Tries(pause=20)
    await picking.pick(TARGET, tries, 30)
    waiting = asyncio.create_task(picking.pick(TARGET, tries, 30))
    await asyncio.sleep(1)
    source.put(service("web", pod("a")))  # nothing new: "a" is not tried earlier for it
    await asyncio.sleep(1)
    assert not waiting.done()
    source.put(service("web", pod("a"), pod("b")))
    assert (await waiting).pod == "b"
    assert now() == 2


async def test_failing_pods_end_the_wait_and_many_ask_once() -> None:
    source = catalog("a", ready=False)
    picking = picker(source)
    waiting = [asyncio.create_task(picking.pick(TARGET, Tries(), 30)) for _ in range(20)]
    await asyncio.sleep(1)
    assert source.asked == ["web"]
    source.failures["web"] = "ImagePullBackOff"
    ended = await asyncio.gather(*waiting, return_exceptions=True)
    assert {str(each) for each in ended} == {"its pods are in ImagePullBackOff"}
    assert now() <= 5
    assert picking.failing == {TARGET.key: "ImagePullBackOff"}


async def test_pods_that_fail_no_more_are_not_shown_as_failing() -> None:
    source = catalog("a", ready=False)
    picking = picker(source)
    picking.failing[TARGET.key] = "CrashLoopBackOff"
    waiting = asyncio.create_task(picking.pick(TARGET, Tries(), 30))
    await asyncio.sleep(1)
    assert picking.failing == {}
    waiting.cancel()


@pytest.mark.parametrize(
    "services, failing",
    [
        pytest.param([service("web", pod("a", ready=False))], True, id="none is ready"),
        pytest.param([service("web", pod("a", ready=False), pod("b"))], False, id="one is ready"),
        pytest.param([], False, id="the service is gone"),
    ],
)
async def test_what_the_catalog_shows_outdates_what_a_connection_has_learnt(
    services: list[Service], failing: bool
) -> None:
    source = catalog("a", ready=False)
    picking = picker(source)
    picking.failing[TARGET.key] = "CrashLoopBackOff"
    source.put(*services)
    picking.wake()
    assert (TARGET.key in picking.failing) is failing


async def test_what_is_failing_is_told_once_and_again_when_it_changes() -> None:
    source = catalog("a", ready=False)
    told: list[dict[tuple[str, str], str]] = []
    picking = Picker(source, changed=lambda: told.append(dict(picking.failing)))
    failing = {TARGET.key: "CrashLoopBackOff"}
    for why, expected in [
        ("CrashLoopBackOff", [failing]),
        ("CrashLoopBackOff", [failing]),
        ("", [failing, {}]),
        ("", [failing, {}]),
    ]:
        source.failures["web"] = why
        with pytest.raises(Unservable):
            await picking.pick(TARGET, Tries(), now() + 1)
        await asyncio.sleep(ASK_AGAIN)
        assert told == expected


async def test_a_ready_pod_costs_no_question() -> None:
    source = catalog("a")
    await picker(source).pick(TARGET, Tries(), 30)
    assert source.asked == []


async def test_a_service_that_is_gone_takes_nobody() -> None:
    source = catalog("a", ready=False)
    picking = picker(source)
    waiting = asyncio.create_task(picking.pick(TARGET, Tries(), 30))
    await asyncio.sleep(1)
    source.put(service("other"))
    with pytest.raises(Unservable, match="gone"):
        await waiting
    assert now() == 1


async def test_a_namespace_that_is_being_listed_makes_wait() -> None:
    source = catalog("a")
    source.now = CatalogSeen(CLUSTER, {"shop-a": NamespaceSeen()})
    picking = picker(source)
    waiting = asyncio.create_task(picking.pick(TARGET, Tries(), 30))
    await asyncio.sleep(1)
    source.put(service("web", pod("a")))
    assert (await waiting).pod == "a"


async def test_an_idle_service_takes_nobody_and_lets_go_of_who_waits() -> None:
    picking = picker(catalog())
    waiting = asyncio.create_task(picking.pick(TARGET, Tries(), 30))
    await asyncio.sleep(1)
    picking.idle([TARGET.key])
    with pytest.raises(Unservable, match="no pods"):
        await waiting
    assert now() == 1
