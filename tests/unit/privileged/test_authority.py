"""Becoming root, driven: real processes, real sockets, a helper that is not root."""

import asyncio
import dataclasses
import logging
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from tests.lab.eventual import eventually_async
from tests.unit.privileged import fake_helper

from kubefwd_operator.core.errors import HelperGone, SettingsError
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.model import AuthoritySeen, AuthorityState, Desired
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.privileged.authority import Authority
from kubefwd_operator.privileged.listening import Listening
from kubefwd_operator.privileged.machine import Phase
from kubefwd_operator.privileged.rundir import RunDirectory
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.timing import Timing
from kubefwd_operator.privileged.ways import Launch, Obstacle, Way

ASKING, WAITING = AuthorityState.ASKING, AuthorityState.WAITING
DENIED = AuthorityState.DENIED
AUTHORIZED, LOST = AuthorityState.AUTHORIZED, AuthorityState.LOST
SUPERSEDED = AuthorityState.SUPERSEDED
QUICK = Timing(
    grace=0.15,
    grace_after_another=0.6,
    check=0.05,
    hello=0.5,
    silent=0.5,
    pause=0.05,
    back_off=(0.05, 0.1),
)


class Place:
    """A run directory, and the ways that lead to a helper there."""

    def __init__(self, base: Path) -> None:
        self.base = base
        self.tried: list[str] = []
        self.works: set[str] = set()
        self.fault = ""
        self.outdated = ""
        self.kubefwd = ""
        self.pasted: list[subprocess.Popen[bytes]] = []

    @property
    def folder(self) -> Path:
        return self.base / "ours" / "tilt-1"

    def helper(self, linger: float = 0.3) -> tuple[str, ...]:
        return (sys.executable, fake_helper.__file__, str(self.folder), str(linger), self.kubefwd)

    def way(self, name: str, asks: bool = False, fails: str = "echo no; exit 1") -> Way:
        def plan(_: Surroundings) -> Launch | Obstacle:
            return Launch(self.helper() if name in self.works else ("/bin/sh", "-c", fails), {})

        return Way(name, asks, "it just does", self._counted(name, plan))

    def _counted(
        self, name: str, plan: Callable[[Surroundings], Launch | Obstacle]
    ) -> Callable[[Surroundings], Launch | Obstacle]:
        def counted(here: Surroundings) -> Launch | Obstacle:
            self.tried.append(name)
            return plan(here)

        return counted

    def paste(self, linger: float = 0.3) -> None:
        """Start a helper as a person would, in a terminal."""
        self.pasted.append(subprocess.Popen(self.helper(linger)))

    def tidy(self) -> None:
        """End everything that was started."""
        children = psutil.Process().children(recursive=True)
        for child in children:
            child.kill()
        for process in self.pasted:
            process.wait(10)
        psutil.wait_procs(children, timeout=10)

    async def look(self) -> Surroundings:
        return Surroundings(
            "tilt-1",
            os.geteuid(),
            {},
            ("/bin/authorize",),
            sudo="/bin/sudo",
            fault=self.fault,
            outdated=self.outdated,
        )


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


class Running:
    """An authority, and every state that it has shown."""

    def __init__(
        self,
        place: Place,
        ways: list[Way],
        timing: Timing = QUICK,
        kubefwd: PinnedKubefwd | None = None,
        hostnames: tuple[str, ...] = (),
    ) -> None:
        self.shown: list[AuthoritySeen] = []
        self._woken = asyncio.Event()
        self.authority = Authority(
            instance="tilt-1",
            linger=1,
            environ={},
            changed=self._changed,
            ways=ways,
            timing=timing,
            look=place.look,
            listening=Listening(lambda: RunDirectory(place.base, ("ours", "tilt-1")), os.geteuid()),
            root_uid=os.geteuid(),
            kubefwd=kubefwd,
            hostnames=hostnames,
        )

    def _changed(self) -> None:
        self.shown.append(self.authority.seen())
        self._woken.set()

    def refresh(self, generation: int) -> None:
        self.authority.want(Desired(generation=generation))

    async def until(self, state: AuthorityState, reason: Reason | None = None) -> AuthoritySeen:
        """Wait until this is what is seen."""
        while True:
            seen = self.authority.seen()
            if seen.state is state and (seen.problem.reason if seen.problem else None) is reason:
                return seen
            self._woken.clear()
            await asyncio.wait_for(self._woken.wait(), 20)

    def states(self) -> list[AuthorityState]:
        return [seen.state for seen in self.shown]


@asynccontextmanager
async def running(
    place: Place,
    *ways: Way,
    timing: Timing = QUICK,
    kubefwd: PinnedKubefwd | None = None,
    hostnames: tuple[str, ...] = (),
) -> AsyncIterator[Running]:
    one = Running(place, list(ways), timing, kubefwd, hostnames)
    one.refresh(1)
    one.authority.start()
    try:
        yield one
    finally:
        await one.authority.close()
        place.tidy()


async def test_an_installed_helper_that_is_not_used_is_logged_once(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.outdated = "The installed helper is of another version."
    async with running(place, place.way("first"), place.way("second", asks=True)) as one:
        await one.until(DENIED, Reason.AUTHORIZATION_DENIED)
        one.refresh(2)
        await one.until(AuthorityState.ASKING)
        await one.until(DENIED, Reason.AUTHORIZATION_DENIED)
        assert place.tried.count("first") == 2
        assert caplog.messages.count(place.outdated) == 1


async def test_the_first_way_that_works_is_taken_and_later_ones_are_not_tried(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    place.works = {"second", "third"}
    ways = [place.way("first"), place.way("second"), place.way("third", asks=True)]
    async with running(place, *ways) as one:
        seen = await one.until(AUTHORIZED)
        assert (seen.way, seen.session) == ("second", 1)
        assert place.tried == ["first", "second"]
        assert one.authority.helper is not None
        assert one.authority.helper.session == 1
        assert "Root came without a question (second): it just does." in caplog.messages
        assert "first: no" in caplog.messages, "what it said is in the log"


async def test_a_question_that_is_refused_is_not_asked_again_until_a_refresh(
    place: Place,
) -> None:
    ways = [place.way("silent"), place.way("asks", asks=True)]
    async with running(place, *ways) as one:
        seen = await one.until(DENIED, Reason.AUTHORIZATION_DENIED)
        assert seen.problem is not None
        assert "asks did not give root (no)" in seen.problem.message
        one.refresh(1)
        assert one.authority.seen() == seen
        assert place.tried.count("silent") == 1
        before = place.tried.count("asks")
        one.refresh(2)
        await one.until(ASKING)
        await one.until(DENIED, Reason.AUTHORIZATION_DENIED)
        assert place.tried.count("asks") == 2 * before
        place.works = {"asks"}
        one.refresh(3)
        assert (await one.until(AUTHORIZED)).way == "asks"


async def test_one_who_has_refused_is_not_asked_by_another_program(place: Place) -> None:
    ways = [place.way("one", asks=True), place.way("two", asks=True)]
    async with running(place, *ways) as one:
        await one.until(DENIED, Reason.AUTHORIZATION_DENIED)
        assert set(place.tried) == {"one"}


@pytest.mark.parametrize(
    "said, state, reason",
    [
        ("cannot open display", WAITING, Reason.WAITING_FOR_AUTHORIZATION),
        ("dev is not in the sudoers file", DENIED, Reason.AUTHORIZATION_DENIED),
    ],
    ids=["broken", "forbidden"],
)
async def test_what_does_not_work_here_is_followed_by_the_next(
    place: Place, said: str, state: AuthorityState, reason: Reason
) -> None:
    fails = f"echo {said}; exit 1"
    ways = [place.way("one", asks=True, fails=fails), place.way("two", asks=True, fails=fails)]
    async with running(place, *ways) as one:
        await one.until(state, reason)
        assert set(place.tried) == {"one", "two"}
        place.works = {"two"}
        one.refresh(2)
        assert (await one.until(AUTHORIZED)).way == "two"


async def test_while_a_person_is_asked_the_status_says_so(place: Place) -> None:
    async with running(place, place.way("asks", asks=True, fails="exec sleep 300")) as one:
        seen = await one.until(ASKING, Reason.WAITING_FOR_AUTHORIZATION)
        assert seen.problem is not None
        assert "asks is asking for your password" in seen.problem.message
        tried = len(place.tried)
        one.refresh(2)
        await asyncio.sleep(0)
        assert len(place.tried) == tried, "one dialog is enough"


async def test_a_dialog_is_closed_when_root_came_from_a_terminal(place: Place) -> None:
    async with running(place, place.way("asks", asks=True, fails="exec sleep 300")) as one:
        await one.until(ASKING, Reason.WAITING_FOR_AUTHORIZATION)
        (dialog,) = psutil.Process().children()
        place.paste()
        assert (await one.until(AUTHORIZED)).way == "terminal"
        await asyncio.to_thread(dialog.wait, 10)


async def test_no_way_at_all_is_waiting_with_the_line_to_paste_which_works(place: Place) -> None:
    way = Way("asks", asks=True, why="", plan=lambda _: Obstacle("nobody can be asked"))
    async with running(place, way) as one:
        seen = await one.until(WAITING, Reason.WAITING_FOR_AUTHORIZATION)
        assert seen.problem is not None
        assert "nobody can be asked" in seen.problem.message
        place.paste()
        assert (await one.until(AUTHORIZED)).way == "terminal"


async def test_an_unusable_machine_is_said_and_nothing_is_launched(place: Place) -> None:
    place.fault = "No Python."
    async with running(place, place.way("silent"), place.way("asks", asks=True)) as one:
        seen = await one.until(WAITING, Reason.HELPER_UNAVAILABLE)
        assert seen.problem is not None
        assert seen.problem.message == "No Python."
        assert place.tried == []


async def test_a_program_that_cannot_be_started_is_a_refusal(place: Place) -> None:
    way = Way("asks", asks=True, why="", plan=lambda _: Launch(("/nowhere/sudo",), {}))
    async with running(place, way) as one:
        seen = await one.until(WAITING, Reason.WAITING_FOR_AUTHORIZATION)
        assert seen.problem is not None
        assert "/nowhere/sudo: No such file or directory" in seen.problem.message


async def test_a_silent_way_that_hangs_is_given_up(place: Place) -> None:
    place.works = {"second"}
    async with running(
        place, place.way("first", fails="exec sleep 300"), place.way("second")
    ) as one:
        assert (await one.until(AUTHORIZED)).way == "second"


async def kill_helper(one: Running) -> None:
    assert one.authority.helper is not None
    os.kill(one.authority.helper.pid, signal.SIGKILL)
    await one.until(LOST, Reason.AUTHORIZATION_LOST)


async def test_a_lost_helper_takes_its_listeners_word_back_and_silent_ways_are_tried(
    place: Place,
) -> None:
    place.works = {"silent"}
    async with running(place, place.way("silent"), place.way("asks", asks=True)) as one:
        await one.until(AUTHORIZED)
        helper = one.authority.helper
        await kill_helper(one)
        assert one.authority.helper is None
        assert one.authority.seen().way == ""
        assert helper is not None
        with pytest.raises(HelperGone):
            await helper.hosts([])
        assert (await one.until(AUTHORIZED)).session == 2
        assert "asks" not in place.tried


async def test_silent_ways_are_tried_with_back_off_and_a_refresh_asks_a_person(
    place: Place,
) -> None:
    place.works = {"asks"}
    async with running(place, place.way("silent"), place.way("asks", asks=True)) as one:
        await one.until(AUTHORIZED)
        asked = place.tried.count("asks")
        await kill_helper(one)
        await eventually_async(lambda: place.tried.count("silent") >= 4)
        assert place.tried.count("asks") == asked
        assert one.authority.seen().state is LOST
        one.refresh(2)
        assert (await one.until(AUTHORIZED)).session == 2


async def test_who_comes_after_the_silent_ways_have_failed_comes_from_a_terminal(
    place: Place,
) -> None:
    place.works = {"silent"}
    once = dataclasses.replace(QUICK, back_off=(300,))
    async with running(place, place.way("silent"), timing=once) as one:
        await one.until(AUTHORIZED)
        place.works = set()
        await kill_helper(one)
        # That the second try is over is not shown.
        await eventually_async(lambda: len(place.tried) >= 2 and one.authority._phase is Phase.LOST)
        place.paste()
        assert (await one.until(AUTHORIZED)).way == "terminal"


async def test_a_lingering_helper_is_awaited_before_anything_is_tried(place: Place) -> None:
    place.folder.mkdir(parents=True, mode=0o700)
    place.paste(linger=5)
    async with running(place, place.way("silent"), timing=Timing(grace=10, check=0.05)) as one:
        assert (await one.until(AUTHORIZED)).way == "lingering helper"
        assert place.tried == []


async def test_the_newest_operator_wins_and_the_helper_goes_over_to_it(place: Place) -> None:
    place.works = {"silent"}
    async with running(place, place.way("silent")) as old:
        await old.until(AUTHORIZED)
        # The helper is let go when the older one looks next: longer than for one that lingers.
        late = dataclasses.replace(QUICK, grace=0, grace_after_another=10)
        async with running(place, place.way("silent"), timing=late) as new:
            seen = await old.until(SUPERSEDED, Reason.SUPERSEDED)
            assert seen.problem is not None
            assert "Another operator of the same Tilt (tilt-1)" in seen.problem.message
            assert old.authority.helper is None
            assert (await new.until(AUTHORIZED)).way == "lingering helper"
            assert place.tried == ["silent"]
            old.refresh(2)
            assert old.authority.seen().state is SUPERSEDED
            await old.authority.close()
            assert (place.folder / "helper.sock").exists()


async def test_a_socket_that_was_removed_is_made_again(place: Place) -> None:
    async with running(place) as one:
        await one.until(WAITING, Reason.WAITING_FOR_AUTHORIZATION)
        (place.folder / "helper.sock").unlink()
        await eventually_async((place.folder / "helper.sock").exists)
        place.paste()
        await one.until(AUTHORIZED)


async def test_a_run_directory_that_cannot_be_used_is_said_and_tried_again(place: Place) -> None:
    place.works = {"silent"}
    (place.base / "ours").symlink_to(place.base)
    async with running(place, place.way("silent")) as one:
        seen = await one.until(ASKING, Reason.HELPER_UNAVAILABLE)
        assert seen.problem is not None
        assert "ours is a symbolic link" in seen.problem.message
        (place.base / "ours").unlink()
        await one.until(AUTHORIZED)


async def test_a_defect_in_a_task_is_shown_and_the_task_goes_on(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.works = {"silent"}
    working = place.way("silent")
    broken = [RuntimeError("a defect")]

    def plan(here: Surroundings) -> Launch | Obstacle:
        if broken:
            raise broken.pop()
        return working.plan(here)

    async with running(place, Way("silent", asks=False, why="", plan=plan)) as one:
        await one.until(ASKING, Reason.INTERNAL_ERROR)
        await one.until(AUTHORIZED)
        assert "a defect" in caplog.text


async def test_a_stranger_is_turned_away_and_a_mute_one_is_not_waited_for(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(place) as one:
        await one.until(WAITING, Reason.WAITING_FOR_AUTHORIZATION)
        _, writer = await asyncio.open_unix_connection(place.folder / "helper.sock")
        place.paste(linger=5)
        await one.until(AUTHORIZED)
        assert "it says nothing" in caplog.text
        writer.close()


async def test_who_is_not_root_is_no_helper(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    one = Running(place, [])
    one.authority._door._root_uid = os.geteuid() + 1
    one.authority.start()
    await one.until(WAITING, Reason.WAITING_FOR_AUTHORIZATION)
    reader, writer = await asyncio.open_unix_connection(place.folder / "helper.sock")
    assert await reader.read() == b"", "not even a hello"
    assert f"A connection by user id {os.geteuid()} was refused" in caplog.text
    writer.close()
    await one.authority.close()


async def test_closing_leaves_the_helper_alive_to_linger_and_no_socket(place: Place) -> None:
    place.works = {"silent"}
    async with running(place, place.way("silent")) as one:
        await one.until(AUTHORIZED)
        helper = one.authority.helper
        assert helper is not None
        await one.authority.close()
        assert one.authority.helper is None
        assert not helper.alive
        assert psutil.Process(helper.pid).status() != psutil.STATUS_ZOMBIE
        assert not (place.folder / "helper.sock").exists()
        await one.authority.close()


async def test_closing_ends_a_dialog(place: Place) -> None:
    async with running(place, place.way("asks", asks=True, fails="exec sleep 300")) as one:
        await one.until(ASKING, Reason.WAITING_FOR_AUTHORIZATION)
        (dialog,) = psutil.Process().children()
        await one.authority.close()
        await asyncio.to_thread(dialog.wait, 10)


def test_an_instance_id_that_root_would_refuse_is_refused_at_once() -> None:
    with pytest.raises(SettingsError):
        Authority(instance="No!", linger=1, environ={}, changed=lambda: None)


async def test_a_helper_for_another_kubefwd_is_sent_away(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.works = {"asks"}
    place.kubefwd = "cd" * 32
    pinned = PinnedKubefwd("/opt/kubefwd", "ab" * 32)
    async with running(place, place.way("asks", asks=True), kubefwd=pinned) as one:
        while "authorised for another kubefwd" not in caplog.text:  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.01)
        assert one.authority.helper is None
        place.kubefwd = pinned.sha256
        one.refresh(2)
        place.paste()
        await one.until(AUTHORIZED)
        assert one.authority.helper is not None
        assert one.authority.helper.kubefwd == pinned.sha256


async def test_a_helper_for_other_hostnames_is_sent_away(
    place: Place, caplog: pytest.LogCaptureFixture
) -> None:
    place.works = {"asks"}
    way = place.way("asks", asks=True)
    async with running(place, way, hostnames=("dev.example.com",)) as one:
        while "authorised for other `allow_hostnames`" not in caplog.text:  # noqa: ASYNC110 - a log
            await asyncio.sleep(0.01)
        assert one.authority.helper is None


async def test_without_a_kubefwd_any_helper_will_do(place: Place) -> None:
    place.works = {"silent"}
    place.kubefwd = "cd" * 32
    async with running(place, place.way("silent")) as one:
        await one.until(AUTHORIZED)
