"""Every way in which our Tilt can be gone, and those in which it is not."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.unit.tilt.test_session import entry, written

from kubefwd_operator.tilt import life as module
from kubefwd_operator.tilt.life import Life, process_exists
from kubefwd_operator.tilt.session import TiltLocation, read_access


class World:
    """What Life looks at, each part movable."""

    def __init__(self, folder: Path) -> None:
        self.file = written(folder / "config", entry("tilt-default"), entry("tilt-7"))
        self.parent = 100
        self.processes = {7777}
        location = TiltLocation((self.file,))
        self.life = Life(
            location,
            read_access(location),
            lambda: self.parent,
            self.processes.__contains__,
        )
        self.life.met(7777)
        assert self.life.look() == ""

    def reparent(self) -> None:
        self.parent = 1

    def kill(self) -> None:
        self.processes.clear()

    def take_away(self) -> None:
        written(self.file, entry("tilt-7"))

    def take_over(self) -> None:
        written(self.file, entry("tilt-default", server="https://127.0.0.1:2"))

    def remove(self) -> None:
        self.file.unlink()

    def neighbour_starts(self) -> None:
        written(self.file, entry("tilt-default"), entry("tilt-7"), entry("tilt-8"))

    def half_written(self) -> None:
        self.file.write_text("clusters: [")

    def truncated(self) -> None:
        self.file.write_text("")

    def look(self) -> str:
        """Look twice, as what lacks the entry may be on its way to having it."""
        return self.life.look() or self.life.look()


@pytest.mark.parametrize(
    "happens, sentence",
    [
        pytest.param(World.reparent, "started this operator", id="parent gone"),
        pytest.param(World.kill, "process 7777", id="process gone"),
        pytest.param(World.take_away, "taken its entry tilt-default away", id="clean end"),
        pytest.param(World.take_over, "Another Tilt", id="another Tilt on that port"),
        pytest.param(World.remove, "taken its entry", id="no file any more"),
        pytest.param(World.neighbour_starts, "", id="another Tilt beside ours"),
        pytest.param(World.half_written, "", id="being written"),
    ],
)
def test_what_is_the_end(tmp_path: Path, happens: Callable[[World], None], sentence: str) -> None:
    world = World(tmp_path)
    happens(world)
    reason = world.look()
    assert sentence in reason
    assert bool(reason) == bool(sentence)


def test_after_half_written_the_finished_file_is_looked_at(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.half_written()
    assert world.life.look() == ""
    world.take_away()
    assert "away" in world.look()


def test_a_file_that_is_being_written_anew_is_not_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.truncated()
    assert world.life.look() == ""
    world.neighbour_starts()
    assert world.look() == ""
    world.truncated()
    assert world.life.look() == ""
    assert "away" in world.life.look()


def test_a_process_never_seen_alive_is_not_judged(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.life.met(8888)
    assert world.life.look() == ""


def test_nothing_is_parsed_while_the_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(tmp_path)
    monkeypatch.setattr(module, "read_access", None)
    assert world.life.look() == ""


@pytest.mark.looptime(start=0)
@pytest.mark.asyncio
async def test_ended_waits_until_the_end(tmp_path: Path) -> None:
    world = World(tmp_path)
    asyncio.get_running_loop().call_later(5, world.kill)
    assert "process 7777" in await world.life.ended()
    assert 5 <= asyncio.get_running_loop().time() <= 5.3


def test_process_exists_tells_the_living_from_the_dead() -> None:
    assert process_exists(1)
    assert not process_exists(2**22 + 1)  # above Linux's largest process id
