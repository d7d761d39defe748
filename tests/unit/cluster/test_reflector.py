"""List and watch on looptime's clock: what is kept, when it is tried again, what is said."""

import asyncio
import logging
from collections.abc import AsyncIterator
from itertools import pairwise

import pytest
from tests.unit.cluster.source import Source

from kubefwd_operator.cluster.failures import Gone
from kubefwd_operator.cluster.problems import InternalError
from kubefwd_operator.cluster.reflector import Json, Reflector
from kubefwd_operator.core.errors import ClusterUnreachable, CredentialsError, Forbidden

pytestmark = [pytest.mark.looptime(start=0), pytest.mark.asyncio]

PATH = "/api/v1/namespaces/shop/services"


def raw(name: str, color: str = "red") -> Json:
    return {"metadata": {"name": name}, "color": color}


class Subject:
    """A reflector of colours, and what it told."""

    def __init__(self) -> None:
        self.source = Source()
        self.told = 0
        self.reflector: Reflector[list[str]] = Reflector(
            self.source, PATH, self._parse, self._changed, jitter=lambda: 1.0
        )

    def _parse(self, raw: Json) -> list[str] | None:
        """A value that is made anew each time, so that equal is not the same."""
        return None if raw["color"] == "none" else [raw["color"]]

    @property
    def colors(self) -> dict[str, str]:
        return {name: color for name, (color,) in self.reflector.items.items()}

    def _changed(self) -> None:
        self.told += 1

    async def settle(self, until: float) -> None:
        await asyncio.sleep(until - asyncio.get_running_loop().time())


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    made = Subject()
    made.source.put(PATH, raw("a"))
    made.source.put(PATH, raw("b", "blue"))
    yield made
    await made.reflector.close()


async def started(subject: Subject) -> Source:
    subject.reflector.start()
    await subject.settle(1)
    return subject.source


async def test_it_lists_then_watches_from_there(subject: Subject) -> None:
    source = await started(subject)
    assert subject.colors == {"a": "red", "b": "blue"}
    assert [what for _, what, _ in source.calls] == ["list", "watch 12"]
    assert subject.reflector.synced
    assert subject.told == 1


async def test_events_change_what_is_kept(subject: Subject) -> None:
    source = await started(subject)
    source.put(PATH, raw("c", "green"), "ADDED")
    source.put(PATH, raw("a", "pink"))
    source.remove(PATH, "b")
    await subject.settle(2)
    assert subject.colors == {"c": "green", "a": "pink"}
    assert subject.told == 4


async def test_what_changes_nothing_is_not_told(subject: Subject) -> None:
    source = await started(subject)
    source.put(PATH, raw("a"))
    source.put(PATH, raw("nothing", "none"))
    source.tell(PATH, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}})
    await subject.settle(2)
    assert subject.told == 1


async def test_one_that_stops_to_count_goes(subject: Subject) -> None:
    source = await started(subject)
    source.put(PATH, raw("a", "none"))
    await subject.settle(2)
    assert subject.colors == {"b": "blue"}
    assert subject.told == 2


async def test_a_watch_that_ends_goes_on_where_it_was(subject: Subject) -> None:
    source = await started(subject)
    source.tell(PATH, {"type": "BOOKMARK", "object": {"metadata": {"resourceVersion": "99"}}})
    source.tell(PATH, None)
    await subject.settle(2)
    assert [what for _, what, _ in source.calls] == ["list", "watch 12", "watch 99"]


async def test_a_watch_that_ends_at_once_is_opened_once_a_second(subject: Subject) -> None:
    subject.source.instant_end = True
    source = await started(subject)
    await subject.settle(10.5)
    assert len(source.times("watch")) == 11
    assert len(source.times("list")) == 1


async def test_gone_leads_to_a_list_that_forgets_what_was_deleted(subject: Subject) -> None:
    source = await started(subject)
    source.remove(PATH, "b", quietly=True)
    source.tell(PATH, Gone("too old"))
    await subject.settle(2)
    assert subject.colors == {"a": "red"}
    assert [what for _, what, _ in source.calls] == ["list", "watch 12", "list", "watch 13"]
    assert subject.reflector.error is None


async def test_a_cluster_that_cannot_be_reached_is_tried_every_few_seconds(
    subject: Subject,
) -> None:
    source = subject.source
    source.errors[PATH] = ClusterUnreachable("down")
    subject.reflector.start()
    await subject.settle(20)
    assert source.times("list") == [0, 0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5]
    assert str(subject.reflector.error) == "down"
    assert subject.told == 1
    del source.errors[PATH]
    await subject.settle(24)
    assert subject.reflector.error is None
    assert subject.reflector.synced


async def test_the_first_failure_after_success_is_silent(subject: Subject) -> None:
    source = await started(subject)
    source.errors[PATH] = source.watch_errors[PATH] = ClusterUnreachable("down")
    source.tell(PATH, None)
    await subject.settle(1.4)
    assert subject.reflector.error is None
    await subject.settle(3)
    assert subject.reflector.error is not None
    assert subject.colors == {"a": "red", "b": "blue"}, "what was known stays"


async def test_every_single_failure_after_success_is_silent(subject: Subject) -> None:
    source = await started(subject)
    for second in (10, 20, 30):
        await subject.settle(second)
        source.watch_errors[PATH] = ClusterUnreachable("down")
        source.tell(PATH, None)
        await subject.settle(second + 0.3)
        del source.watch_errors[PATH]
        await subject.settle(second + 5)
    assert len(source.times("list")) == 4
    assert subject.told == 1


async def test_what_is_refused_is_tried_ever_more_seldom(subject: Subject) -> None:
    source = subject.source
    source.errors[PATH] = Forbidden("no")
    subject.reflector.start()
    await subject.settle(70)
    assert source.times("list") == [0, 1, 3, 8, 18, 42, 66]


async def test_a_watch_that_is_refused_shows_although_lists_work(subject: Subject) -> None:
    source = subject.source
    source.watch_errors[PATH] = Forbidden("no watch")
    subject.reflector.start()
    errors = []
    for second in range(3, 60):
        await subject.settle(second)
        errors.append(str(subject.reflector.error))
    assert set(errors) == {"no watch"}
    assert subject.colors == {"a": "red", "b": "blue"}


async def test_credentials_are_asked_for_again(subject: Subject) -> None:
    subject.source.errors[PATH] = CredentialsError("expired")
    subject.reflector.start()
    await subject.settle(10)
    del subject.source.errors[PATH]
    await subject.settle(20)
    assert subject.reflector.synced


async def test_another_message_is_told(subject: Subject) -> None:
    subject.source.errors[PATH] = ClusterUnreachable("refused")
    subject.reflector.start()
    await subject.settle(5)
    subject.source.errors[PATH] = ClusterUnreachable("no answer")
    await subject.settle(10)
    assert subject.told == 2


async def test_what_nobody_foresaw_is_logged_and_tried_again(
    subject: Subject, caplog: pytest.LogCaptureFixture
) -> None:
    subject.source.objects[PATH]["b"].pop("color")
    with caplog.at_level(logging.ERROR):
        subject.reflector.start()
        await subject.settle(2)
    assert isinstance(subject.reflector.error, InternalError)
    assert "KeyError" in caplog.text
    subject.source.objects[PATH]["b"]["color"] = "blue"
    await subject.settle(10)
    assert subject.reflector.error is None
    assert subject.colors == {"a": "red", "b": "blue"}


async def test_starting_again_lists_again_and_keeps_what_is_known(subject: Subject) -> None:
    source = await started(subject)
    source.remove(PATH, "b", quietly=True)
    subject.reflector.start()
    assert subject.colors == {"a": "red", "b": "blue"}
    await subject.settle(2)
    assert subject.colors == {"a": "red"}
    source.put(PATH, raw("c"))
    await subject.settle(3)
    assert subject.told == 3, "the old watch is gone"


async def test_jitter_stays_within_five_seconds() -> None:
    source = Source()
    source.errors[PATH] = ClusterUnreachable("down")
    reflector: Reflector[str] = Reflector(source, PATH, lambda raw: "", lambda: None)
    reflector.start()
    await asyncio.sleep(300)
    await reflector.close()
    times = source.times("list")
    gaps = [round(late - early, 2) for early, late in pairwise(times)]
    assert max(gaps) <= 5.0
    assert len(set(gaps[4:])) > 10
