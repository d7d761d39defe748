"""One pass: what it tells the parts and Tilt, and what becomes of each thing that goes wrong.

Tilt is a table in here, because the subject is the loop's answer to errors and looptime's clock;
the same loop on a real Tilt is in tests/contract/tilt.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import pytest

from kubefwd_operator.core.clicks import (
    AUTHORIZE_BUTTON,
    FORWARD_BUTTON,
    PAUSE_BUTTON,
    REPAIR_BUTTON,
    STOP_BUTTON,
)
from kubefwd_operator.core.desired import desire
from kubefwd_operator.core.errors import TiltConflict, TiltError, TiltGone
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    Desired,
    EngineSeen,
    Forward,
    NamespacePolicy,
    PoliciesSeen,
)
from kubefwd_operator.core.settings import Settings
from kubefwd_operator.core.status import Process
from kubefwd_operator.loop import NOT_LOADED, REFUSALS, Loop
from kubefwd_operator.tilt.client import MEMORY, STATUS, Raw, TiltObjects
from kubefwd_operator.tilt.kinds import TiltObject, UIButton, UIResource

pytestmark = [pytest.mark.looptime(start=0), pytest.mark.asyncio]

_T = TypeVar("_T")
BUTTON = "kubefwd:refresh"


class Table:
    """Tilt's side: objects that a test moves, errors that it plans, and what was written."""

    def __init__(self) -> None:
        self.maps: dict[str, dict[str, str]] = {}
        self.clicked = ""
        self.loaded = True
        self.reads = 0
        self.read_errors: list[Exception] = []
        self.write_errors: list[Exception] = []
        self.writes: list[str] = []
        self.rows: dict[str, Raw] = {}
        self.buttons: dict[str, Raw] = {}
        self.button_writes: list[str] = []

    async def read(self) -> TiltObjects:
        self.reads += 1
        if self.read_errors:
            raise self.read_errors.pop(0)
        button = {"metadata": {"name": BUTTON}, "status": {"lastClickedAt": self.clicked}}
        ours = self.buttons.values()
        session = {"metadata": {"name": "Tiltfile"}, "status": {"pid": 42}}
        maps: dict[str, Raw] = {name: {"data": dict(data)} for name, data in self.maps.items()}
        return TiltObjects(
            buttons=(*([button] if self.loaded else []), *ours),
            sessions=(session,),
            maps=maps,
            rows=tuple(self.rows.values()),
        )

    async def write(self, name: str, data: Mapping[str, str], seen: Raw | None) -> None:
        if self.write_errors:
            raise self.write_errors.pop(0)
        self.writes.append(name)
        self.maps[name] = dict(data)

    async def change_button(self, seen: Raw, spec: Raw) -> None:
        name = seen["metadata"]["name"]
        self.button_writes.append(name)
        self.buttons[name] = dict(seen) | {"spec": spec}

    def click(self, name: str, time: str, **chosen: str) -> None:
        """Click a button of ours, with what is chosen in its inputs."""
        inputs = [{"name": key, "choice": {"value": value}} for key, value in chosen.items()]
        status = {"lastClickedAt": f"2020-01-01T00:00:00.{time}Z", "inputs": inputs}
        self.buttons[name] = dict(self.buttons[name]) | {"status": status}

    def choices(self, name: str) -> list[str]:
        """Tell what a button offers."""
        inputs = self.buttons[name]["spec"]["inputs"]
        return [choice for each in inputs for choice in each.get("choice", {}).get("choices", ())]

    async def find(self, kind: type[TiltObject], name: str) -> Raw | None:
        return self.rows.get(name)

    async def create(self, kind: type[TiltObject], content: Raw) -> None:
        name = content["metadata"]["name"]
        if kind is UIResource:
            await self.show(kind, content, content["status"])
        elif kind is UIButton:
            assert content["spec"]["text"]
            self.button_writes.append(name)
            self.buttons[name] = content

    async def show(self, kind: type[TiltObject], seen: Raw, status: Raw) -> None:
        name = seen["metadata"]["name"]
        self.writes.append(name)
        self.rows[name] = dict(seen) | {"status": dict(status)}

    async def delete(self, kind: type[TiltObject], name: str) -> None:
        del (self.buttons if kind is UIButton else self.rows)[name]

    async def list_ours(self, kind: type[TiltObject]) -> tuple[Raw, ...]:
        return tuple(self.rows.values()) if kind is UIResource else ()

    async def run(self, function: Callable[[], _T]) -> _T:
        return function()

    @property
    def lights(self) -> dict[str, str]:
        return {name: raw["status"]["runtimeStatus"] for name, raw in self.rows.items()}

    @property
    def status(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.maps[STATUS]["status.json"])
        return document

    @property
    def generation(self) -> int:
        return int(json.loads(self.maps[MEMORY]["memory.json"])["generation"])


class Parts:
    """Parts that note their wishes and show what the test says."""

    def __init__(self) -> None:
        self.wishes: list[Desired] = []
        self.authority = AuthoritySeen(AuthorityState.AUTHORIZED, way="stand-in", session=1)
        self.catalog = CatalogSeen()

    def start(self) -> None:
        raise NotImplementedError

    def want(self, desired: Desired) -> None:
        self.wishes.append(desired)

    def seen(self) -> tuple[CatalogSeen, AuthoritySeen, EngineSeen]:
        return self.catalog, self.authority, EngineSeen("stand-in")

    async def close(self) -> None:
        raise NotImplementedError


class World:
    """A loop between a table and its parts."""

    def __init__(self, settings: Settings) -> None:
        self.tilt, self.parts = Table(), Parts()
        self.met: list[int] = []
        self.gone: list[str] = []
        self.loop = Loop(
            self.tilt,  # type: ignore[arg-type]  # the three calls that the loop makes
            self.parts,
            settings,
            Process(7, "tilt-10350", "1"),
            self.met.append,
            self.gone.append,
            lambda: f"T{asyncio.get_running_loop().time():.0f}",
        )


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[World]:
    world = World(Settings(**settings))
    task = asyncio.create_task(world.loop.run())
    try:
        yield world
        assert not task.done()
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def after(world: World, seconds: float = 5) -> None:
    world.loop.wake()
    await asyncio.sleep(seconds)


def _broken(*_: Any) -> None:
    raise ZeroDivisionError("as the test wants")


async def test_a_pass_tells_the_parts_and_writes_status_and_memory() -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        assert [namespace.name for namespace in world.parts.wishes[-1].namespaces] == ["a"]
        assert world.tilt.status["pid"] == 7
        assert sorted(world.tilt.maps) == [MEMORY, STATUS]
        assert set(world.met) == {42}


async def test_policies_of_the_cluster_are_part_of_the_decision() -> None:
    async with running(exclude=frozenset({"c"})) as world:
        always = NamespacePolicy(Forward.ALWAYS, "ForwardPolicy x/p")
        seen = PoliciesSeen(True, {"b": always, "c": always})
        world.parts.catalog = CatalogSeen(policies=seen)
        await after(world)
        assert [namespace.name for namespace in world.parts.wishes[-1].namespaces] == ["b"]
        (told,) = world.tilt.status["policies"]
        assert (told["object"], told["reason"]) == ("ForwardPolicy x/p", "PolicyOverruled")


async def test_a_pass_that_changes_nothing_writes_nothing_and_says_nothing(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as world:
        await after(world)
        await after(world)  # it takes note of the buttons that the pass before has made
        written, said = list(world.tilt.writes), len(caplog.records)
        shown = list(world.tilt.button_writes)
        for _ in range(5):
            await after(world)
        assert world.tilt.reads > 5
        assert world.tilt.writes == written
        assert world.tilt.button_writes == shown
        assert len(caplog.records) == said


async def test_the_time_of_a_condition_is_that_of_its_change() -> None:
    async with running() as world:
        await after(world, 10)
        before = world.tilt.status["conditions"]
        world.parts.authority = AuthoritySeen(AuthorityState.WAITING)
        await after(world)
        times = {
            new["type"]: (new["lastTransitionTime"], old["lastTransitionTime"])
            for new, old in zip(world.tilt.status["conditions"], before, strict=True)
        }
        assert times["HelperReady"] == ("T10", "T0")
        assert times["Degraded"][0] == times["Degraded"][1]


async def test_a_click_raises_the_generation_once_and_is_remembered() -> None:
    async with running() as world:
        await after(world)
        world.tilt.clicked = "2020-01-01T00:00:00.000001Z"
        await after(world)
        await after(world)
        assert [wish.generation for wish in world.parts.wishes][-1] == 1
        assert world.tilt.generation == 1


async def test_the_button_that_asks_again_is_there_while_root_is_denied_only() -> None:
    async with running() as world:
        for state in (*AuthorityState, AuthorityState.DENIED, AuthorityState.ASKING):
            world.parts.authority = AuthoritySeen(state)
            await after(world)
            if state is not AuthorityState.SUPERSEDED:  # its buttons are the newer operator's
                denied = state is AuthorityState.DENIED
                assert (AUTHORIZE_BUTTON in world.tilt.buttons) is denied, state


async def test_stop_and_forward_change_the_wish_the_buttons_and_what_is_said(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    async with running(namespaces=("a", "b")) as world:
        world.parts.catalog = CatalogSeen(available=("b", "c", "kube-system"))
        await after(world)
        assert world.tilt.choices(STOP_BUTTON) == ["a", "b"]
        assert world.tilt.choices(FORWARD_BUTTON)[1:] == ["c"]
        world.tilt.click(STOP_BUTTON, "000001", choice="b")
        await after(world)
        assert [namespace.name for namespace in world.parts.wishes[-1].namespaces] == ["a"]
        assert world.tilt.choices(STOP_BUTTON) == ["a"]
        assert world.tilt.choices(FORWARD_BUTTON)[1:] == ["b", "c"]
        world.tilt.click(FORWARD_BUTTON, "000002", choice="c")
        await after(world)
        assert [namespace.name for namespace in world.parts.wishes[-1].namespaces] == ["a", "c"]
        world.tilt.click(FORWARD_BUTTON, "000003", namespace="b")
        await after(world)
        assert [namespace.name for namespace in world.parts.wishes[-1].namespaces] == [
            "a",
            "b",
            "c",
        ]
        assert json.loads(world.tilt.maps[MEMORY]["memory.json"])["added"] == ["c"]
        world.tilt.click(STOP_BUTTON, "000004", choice="b")
        await after(world)
        world.tilt.click(STOP_BUTTON, "000005", choice="b")
        await after(world)
        assert world.tilt.status["lastClick"]["refused"]
        said = [(r.levelno, r.message) for r in caplog.records if ": '" in r.message]
        back = "until 'Forward a namespace' brings it back."
        assert said == [
            (logging.INFO, f"Stop forwarding: 'b' is forwarded no more, {back}"),
            (logging.INFO, "Forward a namespace: 'c' is forwarded from now on."),
            (logging.INFO, "Forward a namespace: 'b' is forwarded from now on."),
            (logging.INFO, f"Stop forwarding: 'b' is forwarded no more, {back}"),
            (logging.WARNING, "Stop forwarding: 'b' is not forwarded, so nothing stops."),
        ]


async def test_what_is_offered_stays_until_the_next_operator_has_counted() -> None:
    async with running(namespaces=("a",)) as world:
        world.parts.catalog = CatalogSeen(available=("b", "c"))
        await after(world)
        before = dict(world.tilt.buttons)
    async with running(namespaces=("a",)) as world:
        world.tilt.buttons = dict(before)
        await after(world)
        assert world.tilt.button_writes == []
        world.parts.catalog = CatalogSeen(available=("b",))
        await after(world)
        assert world.tilt.choices(FORWARD_BUTTON)[1:] == ["b"]
        world.parts.catalog = CatalogSeen(available=())
        await after(world)
        assert world.tilt.choices(FORWARD_BUTTON) == []


async def test_the_last_that_is_forwarded_takes_the_button_with_it() -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        world.tilt.click(STOP_BUTTON, "000001", choice="a")
        await after(world)
        assert STOP_BUTTON not in world.tilt.buttons


async def test_pause_flips_its_button_and_resume_flips_it_back() -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        for time, paused, text in (("000001", True, "Resume"), ("000002", False, "Pause")):
            world.tilt.click(PAUSE_BUTTON, time)
            await after(world)
            assert world.parts.wishes[-1].paused is paused
            assert world.tilt.buttons[PAUSE_BUTTON]["spec"]["text"] == text
            assert world.tilt.choices(STOP_BUTTON) == ["a"]


async def test_repair_is_asked_for_once_a_click() -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        for number in (1, 2):
            world.tilt.click(REPAIR_BUTTON, f"00000{number}")
            await after(world)
            await after(world)
            assert world.parts.wishes[-1].repairs == number


async def test_what_was_stopped_and_paused_is_taken_over_from_the_operator_before() -> None:
    async with running(namespaces=("a", "b")) as world:
        await after(world)
        world.tilt.click(STOP_BUTTON, "000001", choice="b")
        world.tilt.click(PAUSE_BUTTON, "000002")
        await after(world)
        kept = dict(world.tilt.maps)
    async with running(namespaces=("a", "b")) as world:
        world.tilt.maps = kept
        await after(world)
        wish = world.parts.wishes[-1]
        assert ([namespace.name for namespace in wish.namespaces], wish.paused) == (["a"], True)
        assert world.tilt.status["stopped"] == ["b"]
        assert wish.repairs == 0


async def test_a_click_survives_a_write_that_fails() -> None:
    async with running() as world:
        await after(world)
        world.tilt.clicked = "2020-01-01T00:00:00.000001Z"
        world.tilt.write_errors = [TiltError("no")] * 2
        await after(world, 10)
        assert world.tilt.generation == 1
        assert world.parts.wishes[-1].generation == 1


async def test_memory_that_somebody_deletes_is_written_again_and_not_begun_anew() -> None:
    async with running() as world:
        await after(world)
        world.tilt.clicked = "2020-01-01T00:00:00.000001Z"
        await after(world)
        world.tilt.maps.clear()
        await after(world)
        assert world.tilt.generation == 1
        assert world.parts.wishes[-1].generation == 1


async def test_memory_of_the_operator_before_is_taken_over() -> None:
    async with running() as world:
        world.tilt.maps[MEMORY] = {
            "memory.json": '{"version":1,"generation":3,"order":[],"results":{},"added":[],'
            f'"clicks":{{"{BUTTON}":"2020-01-01T00:00:00.000001Z"}}}}'
        }
        world.tilt.clicked = "2020-01-01T00:00:00.000001Z"
        await after(world)
        assert world.parts.wishes[-1].generation == 3
        world.tilt.clicked = "2020-01-01T00:00:00.000002Z"
        await after(world)
        assert world.parts.wishes[-1].generation == 4


async def test_a_defect_at_the_first_pass_leaves_the_memory_of_the_operator_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with running() as world:
        world.tilt.maps[MEMORY] = {
            "memory.json": '{"version":1,"generation":3,"order":[],"results":{},"added":[],'
            '"clicks":{}}'
        }
        monkeypatch.setattr("kubefwd_operator.loop.desire", _broken)
        await after(world)
        assert "ZeroDivisionError" in world.tilt.maps[STATUS]["status.json"]
        assert world.tilt.generation == 3
        monkeypatch.setattr("kubefwd_operator.loop.desire", desire)
        await after(world)
        assert world.parts.wishes[-1].generation == 3


async def test_unreadable_memory_is_said_and_begun_anew(caplog: pytest.LogCaptureFixture) -> None:
    async with running() as world:
        world.tilt.maps[MEMORY] = {"memory.json": "{"}
        await after(world)
        assert world.tilt.generation == 0
        assert [r for r in caplog.records if "kubefwd:memory is unreadable" in r.message]


async def test_a_conflict_is_looked_at_again_without_a_word(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as world:
        world.tilt.write_errors = [TiltConflict("changed")]
        await after(world)
        assert world.tilt.status["pid"] == 7
        assert not [r for r in caplog.records if r.levelno > logging.INFO]


async def test_an_error_of_tilt_is_said_once_however_often_it_comes(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as world:
        world.tilt.read_errors = [TiltError("Tilt is slow.")] * 6
        await after(world, 60)
        assert [r.message for r in caplog.records if r.levelno > logging.INFO] == ["Tilt is slow."]
        assert world.tilt.status["pid"] == 7
        world.tilt.read_errors = [TiltError("Tilt is slow.")]
        await after(world)
        said = [r.message for r in caplog.records if r.levelno > logging.INFO]
        assert said == ["Tilt is slow."] * 2
    assert world.gone == []


async def test_several_refusals_in_a_row_mean_that_tilt_is_gone_and_are_told_once() -> None:
    async with running() as world:
        world.tilt.read_errors = [TiltGone("It does not answer.")] * (REFUSALS + 3)
        await after(world, 60)
        assert world.gone == ["It does not answer."]


async def test_refusals_with_an_answer_in_between_do_not_add_up() -> None:
    async with running() as world:
        for _ in range(3):
            world.tilt.read_errors = [TiltGone("It does not answer.")] * (REFUSALS - 1)
            await after(world, 30)
        assert world.gone == []


async def test_an_extension_that_is_taken_out_of_the_tiltfile_forwards_nothing_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        assert "kubefwd:ns:a" in world.tilt.rows
        world.tilt.loaded = False
        await after(world)
        assert [each.name for each in world.parts.wishes[-1].namespaces] == []
        assert not world.tilt.rows
        await after(world, 60)
        assert caplog.messages.count(NOT_LOADED) == 1
        world.tilt.loaded = True
        await after(world)
        assert [namespace.name for namespace in world.parts.wishes[-1].namespaces] == ["a"]
        assert "kubefwd:ns:a" in world.tilt.rows
        assert world.gone == []


async def test_an_extension_that_is_back_at_once_or_was_never_there_stops_nothing() -> None:
    async with running(namespaces=("a",)) as world:
        world.tilt.loaded = False
        await after(world, 60)
        world.tilt.loaded = True
        await after(world)
        for _ in range(3):
            world.tilt.loaded = False
            await after(world, 0.1)
            world.tilt.loaded = True
            await after(world)
        assert all(wish.namespaces for wish in world.parts.wishes)


async def test_a_defect_is_shown_beside_the_last_wish_and_goes_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        wish = world.parts.wishes[-1]
        monkeypatch.setattr("kubefwd_operator.loop.desire", _broken)
        await after(world, 60)
        assert world.parts.wishes[-1] == wish
        problem = world.tilt.status["conditions"]
        assert any("ZeroDivisionError" in condition["message"] for condition in problem)
        tracebacks = [r for r in caplog.records if r.exc_info]
        assert len(tracebacks) == 1
        monkeypatch.setattr("kubefwd_operator.loop.desire", desire)
        await after(world)
        assert "ZeroDivisionError" not in world.tilt.maps[STATUS]["status.json"]


async def test_a_namespace_has_a_row_while_it_is_wanted_and_trouble_while_it_lasts() -> None:
    async with running(namespaces=("a",)) as world:
        world.parts.authority = AuthoritySeen(AuthorityState.DENIED)
        await after(world)
        assert world.tilt.lights == {"kubefwd:status": "error", "kubefwd:ns:a": "pending"}
        world.parts.authority = AuthoritySeen(AuthorityState.AUTHORIZED)
        await after(world)
        assert set(world.tilt.lights) >= {"kubefwd:ns:a"}
        written = list(world.tilt.writes)
        await after(world, 60)
        assert world.tilt.writes == written
        await world.loop.leave()
        assert world.tilt.rows == {}


async def test_a_superseded_operator_leaves_the_rows_to_the_newer_one() -> None:
    async with running(namespaces=("a",)) as world:
        await after(world)
        world.parts.authority = AuthoritySeen(AuthorityState.SUPERSEDED)
        rows = {"kubefwd:ns:b": {"metadata": {"name": "kubefwd:ns:b"}, "by": "the newer"}}
        world.tilt.rows = dict(rows)
        await after(world)
        await world.loop.leave()
        assert world.tilt.rows == rows


async def test_a_superseded_operator_leaves_both_config_maps_to_the_newer_one() -> None:
    async with running() as world:
        await after(world)
        world.parts.authority = AuthoritySeen(AuthorityState.SUPERSEDED)
        world.tilt.maps = {STATUS: {"by": "the newer"}, MEMORY: {"by": "the newer"}}
        await after(world)
        assert world.tilt.maps == {STATUS: {"by": "the newer"}, MEMORY: {"by": "the newer"}}
