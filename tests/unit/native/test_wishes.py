"""What buttons wish of the engine: to pause, and to repair the hosts file."""

from dataclasses import replace

import pytest
from tests.unit.native.conftest import Stage
from tests.unit.native.kit import Helper, eventually, pod, service, wish

from kubefwd_operator.core.model import Repaired, ServiceState
from kubefwd_operator.core.reason import Reason


async def test_pause_releases_all_but_the_helper_and_resume_takes_it_up_again(
    stage: Stage,
) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    before = stage.service()
    reader, writer = await stage.connect()
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    stage.helper.log.clear()
    stage.engine.want(replace(wish(), paused=True))
    await eventually(lambda: not stage.helper.sockets)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    await eventually(lambda: stage.reasons() == [Reason.PAUSED])
    assert [line.split()[0] for line in stage.helper.log] == ["hosts", "release"]
    assert stage.helper.entries[-1] == ()
    assert (stage.service().names, stage.service().ports) == ((), ())
    stage.engine.want(wish())
    await eventually(lambda: stage.shows(ServiceState.READY))
    assert stage.service() == before


async def test_another_helper_gets_nothing_to_do_while_it_is_paused(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    stage.engine.want(replace(wish(), paused=True))
    await eventually(lambda: stage.reasons() == [Reason.PAUSED])
    stage.helper.die()
    stage.authority.helper = second = Helper()
    stage.engine.wake()
    stage.engine.want(replace(wish("shop-a", "shop-b"), paused=True))
    stage.catalog.put(service("web", pod("web-1")), service("api", pod("web-1")))
    await eventually(lambda: len(stage.engine.seen().services) == 2)
    assert stage.reasons("api") == [Reason.PAUSED]
    assert second.log == []


async def test_repair_writes_what_stands_anew_and_tells_how_much_that_is(stage: Stage) -> None:
    stage.helper.withhold = {"api": "held"}
    await stage.forwarded(service("web", pod("web-1")))
    stage.catalog.put(service("web", pod("web-1")), service("api", pod("web-1")))
    await eventually(lambda: stage.shows(ServiceState.READY, "api"))
    for number in (1, 2):
        stage.helper.log.clear()
        stage.engine.want(replace(wish(), repairs=number))
        await eventually(lambda number=number: stage.engine.seen().repaired.number == number)  # type: ignore[misc]
        assert stage.helper.log == ["hosts 2"]
        assert stage.engine.seen().repaired == Repaired(number, names=7)
    stage.helper.refuse["hosts"] = "read-only"
    stage.engine.want(replace(wish(), repairs=3))
    await eventually(lambda: stage.engine.seen().repaired.number == 3)
    problem = stage.engine.seen().repaired.problem
    assert problem
    assert problem.reason is Reason.HOSTS_NOT_WRITABLE


async def test_repair_writes_no_name_when_there_is_none(stage: Stage) -> None:
    stage.engine.want(replace(wish(), repairs=1))
    await eventually(lambda: stage.helper.entries == [()])
    await eventually(lambda: stage.engine.seen().repaired == Repaired(1))


async def test_repair_without_a_helper_says_what_it_waits_for(stage: Stage) -> None:
    stage.authority.helper = None
    stage.engine.want(replace(wish(), repairs=1))
    await eventually(lambda: stage.engine.seen().repaired.number == 1)
    problem = stage.engine.seen().repaired.problem
    assert problem
    assert problem.reason is Reason.WAITING_FOR_AUTHORIZATION
