"""Which engine a wish gets, and when `auto` goes over to another one."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

import pytest
from tests.unit.native.kit import Authority, Catalog, eventually, wish

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.model import Desired, Dialled, EngineSeen
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.engine import RunningEngine
from kubefwd_operator.engines.fallback import SWITCHING, Fallback
from kubefwd_operator.engines.kubefwd.engine import KubefwdEngine
from kubefwd_operator.engines.native.engine import NativeEngine
from kubefwd_operator.engines.select import OPEN_TO_ALL, NoEngine, select

PINNED = PinnedKubefwd("/opt/kubefwd", "0" * 64, "1.25.16")
NONE = NoKubefwd("kubefwd is not on PATH. Install it; engine='native' needs none.")


def select_for(
    asked: str, kubefwd: PinnedKubefwd | NoKubefwd, *, allow_other_users: bool = False
) -> RunningEngine:
    catalog, authority = cast("Any", Catalog()), cast("Any", Authority())
    catalog.access = None
    return select(
        asked, kubefwd, catalog, authority, lambda: None, allow_other_users=allow_other_users
    )


@pytest.mark.parametrize(
    "asked, kubefwd, kind, why",
    [
        ("native", NONE, NativeEngine, NONE.why),
        ("auto", NONE, NativeEngine, NONE.why),
        ("auto", PINNED, Fallback, "version 1.25.16, /opt/kubefwd"),
        ("kubefwd", PINNED, KubefwdEngine, "version 1.25.16, /opt/kubefwd"),
    ],
)
async def test_a_wish_gets_its_engine_and_says_why(
    asked: str,
    kubefwd: PinnedKubefwd | NoKubefwd,
    kind: type[RunningEngine],
    why: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    made = select_for(asked, kubefwd)
    assert isinstance(made, kind)
    assert made.seen().why == why
    assert "Forwarding with" in caplog.text


@pytest.mark.parametrize(
    "asked, allowed, warned",
    [("kubefwd", False, True), ("kubefwd", True, False), ("native", False, False)],
)
async def test_a_warning_is_logged_where_other_users_get_in_unasked(
    asked: str, allowed: bool, warned: bool, caplog: pytest.LogCaptureFixture
) -> None:
    select_for(asked, PINNED if asked == "kubefwd" else NONE, allow_other_users=allowed)
    assert (OPEN_TO_ALL in caplog.messages) is warned


async def test_a_wish_that_cannot_be_met_forwards_nothing_and_says_what_to_do() -> None:
    made = select_for("kubefwd", NONE)
    assert isinstance(made, NoEngine)
    made.start()
    made.want(wish())
    made.wake()
    (problem,) = made.seen().problems
    assert problem.reason is Reason.ENGINE_UNAVAILABLE
    assert problem.message == NONE.why
    assert made.seen().services == ()
    assert await made.dial("127.18.0.1", 80) == Dialled(NONE.why, ours=False)
    await made.close()


class Engine:
    """An engine that notes what it is told."""

    def __init__(self, name: str, notes: list[str], changed: Callable[[], None]) -> None:
        self.name, self.notes, self.changed = name, notes, changed
        self.hopeless = ""
        self.ended = asyncio.Event()
        self.ended.set()

    def start(self) -> None:
        self.notes.append(f"start {self.name}")

    def wake(self) -> None:
        self.notes.append(f"wake {self.name}")

    def want(self, desired: Desired) -> None:
        self.notes.append(f"want {self.name} {desired.generation}")

    def seen(self) -> EngineSeen:
        return EngineSeen(self.name, why="because")

    async def dial(self, address: str, port: int) -> Dialled:
        return Dialled(f"{self.name} {address}:{port}")

    async def close(self) -> None:
        self.notes.append(f"close {self.name}")

    async def end(self) -> None:
        await self.ended.wait()
        self.notes.append(f"end {self.name}")


class Pair:
    """A Fallback over two noting engines."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.first: list[Engine] = []
        self.woken = 0
        self.both = Fallback(self._first, self._second, self._changed)

    def _changed(self) -> None:
        self.woken += 1

    def _first(self, changed: Callable[[], None]) -> Engine:
        self.first.append(Engine("kubefwd", self.notes, changed))
        return self.first[-1]

    def _second(self, changed: Callable[[], None]) -> Engine:
        return Engine("native", self.notes, changed)

    def give_up(self, why: str) -> None:
        self.first[-1].hopeless = why
        self.first[-1].changed()

    async def until(self, name: str) -> None:
        await eventually(lambda: f"start {name}" in self.notes)


@pytest.fixture
async def pair() -> Pair:
    made = Pair()
    made.both.start()
    made.both.want(Desired(generation=1))
    return made


async def test_while_there_is_hope_nothing_changes(pair: Pair) -> None:
    pair.first[0].changed()
    pair.both.wake()
    assert await pair.both.dial("127.1.27.1", 80) == Dialled("kubefwd 127.1.27.1:80")
    assert pair.notes == ["start kubefwd", "want kubefwd 1", "wake kubefwd"]
    assert pair.both.seen() == EngineSeen("kubefwd", why="because")
    assert pair.woken == 1


async def test_the_second_begins_when_the_first_has_ended(pair: Pair) -> None:
    pair.first[0].ended.clear()
    pair.give_up("a kubefwd of another user runs.")
    await asyncio.sleep(0)
    pair.both.want(Desired(generation=1, bare_names=False))
    assert pair.both.seen().name == "kubefwd"
    assert "start native" not in pair.notes
    assert await pair.both.dial("127.1.27.1", 80) == SWITCHING
    pair.first[0].ended.set()
    await pair.until("native")
    assert pair.notes[2:] == ["end kubefwd", "start native", "want native 1"]
    assert pair.both.seen().why == "kubefwd cannot be used: a kubefwd of another user runs."


async def test_a_refresh_gives_the_first_another_chance(pair: Pair) -> None:
    pair.give_up("it fails.")
    await pair.until("native")
    pair.notes.clear()
    pair.both.want(Desired(generation=2))
    await pair.until("kubefwd")
    assert pair.notes == ["close native", "start kubefwd", "want kubefwd 2"]
    assert pair.both.seen() == EngineSeen("kubefwd", why="because")
    assert len(pair.first) == 2
    pair.give_up("it fails again.")
    await pair.until("native")


async def test_the_active_one_is_closed(pair: Pair) -> None:
    pair.give_up("it fails.")
    await pair.until("native")
    await pair.both.close()
    assert pair.notes[-1] == "close native"


async def test_a_change_of_engines_can_be_cut_short(pair: Pair) -> None:
    pair.first[0].ended.clear()
    pair.give_up("it fails.")
    await asyncio.sleep(0)
    await pair.both.close()
    assert "start native" not in pair.notes
