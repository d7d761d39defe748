"""Ports that are taken: who has each is asked once, and not for long."""

import socket
import threading
from collections.abc import Collection

import pytest
from tests.unit.native.kit import Helper, pod, seen, service, wish

from kubefwd_operator.core.problem import ClashKind, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines import occupant
from kubefwd_operator.engines.native.bindings import Bindings
from kubefwd_operator.engines.native.plan import Place, Plan, plan
from kubefwd_operator.engines.native.target import Target
from kubefwd_operator.engines.occupant import Occupant

WEB = ("127.18.0.3", 80)
NODE = Occupant("0.0.0.0:80", "dev", "node", 4711)
PLAN = plan(wish(), seen(service("web", pod("web-1"))), {("shop-a", "web", ""): WEB[0]})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[set[Place]]:
    """Who is asked for, each time; the answer is NODE."""
    asked: list[set[Place]] = []

    def find(places: Collection[Place]) -> dict[Place, Occupant]:
        asked.append(set(places))
        return dict.fromkeys(places, NODE)

    monkeypatch.setattr(occupant, "find", find)
    return asked


def accepted(_: socket.socket, __: Target) -> None:
    raise AssertionError


@pytest.fixture
def made() -> Bindings:
    helper = Helper()
    helper.refuse[WEB] = "in-use"
    return Bindings(helper, accepted, lambda _: None)


async def taken(made: Bindings, planned: Plan = PLAN, *, retry: bool = False) -> Problem:
    """What is said of web's port after it was tried, or not tried again."""
    await made.listen(planned, retry=retry)
    await made.blame()
    refused = made.bound.refused
    assert refused
    return refused[WEB]


async def test_who_has_a_port_is_told_with_what_to_do(
    made: Bindings, asked: list[set[Place]]
) -> None:
    problem = await taken(made)
    assert problem.reason is Reason.PORT_TAKEN
    assert "127.18.0.3:80 is taken by node (process 4711) on 0.0.0.0:80." in problem.message
    assert "list 'shop-a/web' in the argument `skip`" in problem.message
    assert "every 30 seconds" in problem.message
    assert problem.clash
    assert (problem.clash.kind, problem.clash.over) == (ClashKind.PORT, "127.18.0.3:80")
    assert (problem.clash.has, problem.clash.without) == (str(NODE), "web.shop-a")


async def test_it_is_asked_once_each_time_that_the_port_is_tried(
    made: Bindings, asked: list[set[Place]]
) -> None:
    first = await taken(made)
    assert await taken(made) == first
    assert asked == [{WEB}]
    assert await taken(made, retry=True) == first
    assert asked == [{WEB}, {WEB}]


async def test_nobody_asks_while_no_port_is_taken(made: Bindings, asked: list[set[Place]]) -> None:
    assert isinstance(made.helper, Helper)
    made.helper.refuse[WEB] = "leased"
    await taken(made)
    assert asked == []


async def test_a_search_that_takes_long_is_given_up(
    made: Bindings, monkeypatch: pytest.MonkeyPatch
) -> None:
    over = threading.Event()

    def find(_: Collection[Place]) -> dict[Place, Occupant]:
        assert over.wait(60)
        return {WEB: NODE}

    monkeypatch.setattr(occupant, "find", find)
    monkeypatch.setattr(occupant, "SECONDS", 0.05)
    problem = await taken(made)
    over.set()
    assert "is taken by another program." in problem.message
