"""How the parts are wired: who hears what, who is woken, and in which order they close."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from kubefwd_operator import parts as module
from kubefwd_operator.config import Config
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.model import Desired, Dialled
from kubefwd_operator.core.settings import RootChoice, Settings
from kubefwd_operator.parts import ENGINE_SECONDS, OTHER_SECONDS, Parts
from kubefwd_operator.tilt.session import TiltLocation
from kubefwd_operator.waiting.server import WaitServer

WISH = Desired(generation=1)
PINNED = PinnedKubefwd("/opt/kubefwd", "0" * 64)
SETUP = Config(
    Settings(root=RootChoice.TERMINAL, instance="tilt-1", linger=7, allow_other_users=True),
    TiltLocation(()),
    Path("/c"),
    {"A": "b"},
    PINNED,
)

CLOSED = ["close waiting", "close engine", "close authority", "close catalog"]


class Noting:
    """A part that notes its calls in a list that all share; it may hang or fail when closing."""

    def __init__(self, name: str, notes: list[str], changed: Callable[[], None]) -> None:
        self.name, self.notes, self.changed = name, notes, changed
        self.closing: Callable[[], Any] = lambda: None

    def start(self) -> None:
        self.notes.append(f"start {self.name}")

    def wake(self) -> None:
        self.notes.append(f"wake {self.name}")

    def want(self, desired: Desired) -> None:
        assert desired == WISH
        self.notes.append(f"want {self.name}")

    def seen(self) -> str:
        return self.name

    async def dial(self, address: str, port: int) -> Dialled:
        return Dialled(self.name)

    async def close(self) -> None:
        self.notes.append(f"close {self.name}")
        found = self.closing()
        if found is not None:
            await found


class World:
    """Parts that are built of noting ones."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.notes: list[str] = []
        self.made: dict[str, Noting] = {}
        self.told: dict[str, Any] = {}

        def catalog(*, changed: Callable[[], None]) -> Noting:
            return self.make("catalog", changed)

        def authority(*, changed: Callable[[], None], **more: Any) -> Noting:
            self.told = more
            return self.make("authority", changed)

        def engine(wish: str, *built_on: Any, allow_other_users: bool) -> Noting:
            assert (wish, built_on[0], allow_other_users) == ("auto", PINNED, True)
            assert [part.name for part in built_on[1:3]] == ["catalog", "authority"]
            return self.make("engine", built_on[3])

        def waiting(instance: str, dial: Callable[..., Any]) -> Noting:
            assert (instance, dial) == ("tilt-1", self.made["engine"].dial)
            return self.make("waiting", lambda: None)

        monkeypatch.setattr(WaitServer, "of", waiting)
        for name, factory in (("Catalog", catalog), ("Authority", authority), ("select", engine)):
            monkeypatch.setattr(module, name, factory)
        self.parts = Parts(SETUP, lambda: self.notes.append("wake loop"))

    def make(self, name: str, changed: Callable[[], None]) -> Noting:
        self.made[name] = Noting(name, self.notes, changed)
        return self.made[name]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_the_authority_gets_instance_linger_and_the_developers_environment(world: World) -> None:
    told = {"instance": "tilt-1", "linger": 7, "environ": {"A": "b"}}
    assert world.told == {**told, "kubefwd": PINNED, "hostnames": (), "ways": ()}


def test_everybody_is_started_and_told_and_shown_in_order(world: World) -> None:
    world.parts.start()
    world.parts.want(WISH)
    names = ("catalog", "authority", "engine")
    started = [f"start {name}" for name in (*names, "waiting")]
    assert world.notes == [*started, *(f"want {name}" for name in names)]
    assert [str(shown) for shown in world.parts.seen()] == list(names)


@pytest.mark.parametrize(
    "who, woken",
    [
        ("catalog", ["wake engine", "wake loop"]),
        ("authority", ["wake engine", "wake loop"]),
        ("engine", ["wake loop"]),
    ],
)
def test_who_wakes_whom(world: World, who: str, woken: list[str]) -> None:
    world.made[who].changed()
    assert world.notes == woken


async def test_names_and_listeners_go_before_the_helper_and_the_cluster(world: World) -> None:
    await world.parts.close()
    assert world.notes == CLOSED


async def _fail() -> None:
    raise ZeroDivisionError("as the test wants")


@pytest.mark.looptime(start=0)
@pytest.mark.asyncio
@pytest.mark.parametrize(
    "closing, seconds",
    [
        pytest.param(lambda: asyncio.Event().wait(), ENGINE_SECONDS + 3 * OTHER_SECONDS, id="hang"),
        pytest.param(_fail, 0, id="fail"),
    ],
)
async def test_no_part_keeps_the_next_from_closing(
    world: World, closing: Callable[[], Any], seconds: float
) -> None:
    for part in world.made.values():
        part.closing = closing
    await world.parts.close()
    assert world.notes == CLOSED
    assert asyncio.get_running_loop().time() == pytest.approx(seconds)
