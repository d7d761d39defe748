"""The engine's passes, with a helper that binds ordinary sockets."""

import asyncio
import socket
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.unit.native.conftest import Stage
from tests.unit.native.kit import (
    CLUSTER,
    Authority,
    Catalog,
    Helper,
    PodServer,
    echo,
    eventually,
    pod,
    service,
    wish,
)

from kubefwd_operator.core.addresses import candidates
from kubefwd_operator.core.errors import Forbidden
from kubefwd_operator.core.model import FOREIGN, CatalogSeen, Dialled, ServiceState
from kubefwd_operator.core.names import spell
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines import passing
from kubefwd_operator.engines.native import absences, admission
from kubefwd_operator.engines.native.engine import NativeEngine


async def test_a_service_answers_on_its_address_and_is_named(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    reader, writer = await stage.connect()
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    shown = stage.service()
    assert shown.ports == (80,)
    assert shown.names == ("web", "web.shop-a", "web.shop-a.svc", "web.shop-a.svc.cluster.local")
    assert shown.address.startswith(("127.18.", "127.19."))
    assert stage.changes
    assert spell(stage.helper.entries[-1][0]) == shown.names


async def test_all_names_of_a_batch_are_one_update_after_all_listeners(stage: Stage) -> None:
    names = [f"s{number}" for number in range(30)]
    await stage.forwarded(*(service(name, pod("web-1")) for name in names))
    verbs = [line.split()[0] for line in stage.helper.log]
    assert verbs == ["listen"] * 30 + ["hosts"]


async def test_a_namespace_that_goes_loses_names_before_listeners(stage: Stage) -> None:
    await stage.forwarded(
        service("web", pod("web-1")),
        service("api", pod("web-1"), namespace="shop-b"),
        desired=wish("shop-a", "shop-b"),
    )
    kept = stage.service("web")
    stage.helper.log.clear()
    stage.engine.want(wish("shop-a"))
    await eventually(lambda: stage.engine.seen().services == (kept,))
    assert [line.split()[0] for line in stage.helper.log] == ["hosts", "release"]


async def test_nothing_is_done_again_when_nothing_has_changed(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    stage.helper.log.clear()
    changes = len(stage.changes)
    stage.catalog.put(service("web", pod("web-1"), pod("web-2")))
    stage.catalog.put(service("web", pod("web-1"), pod("web-2")), service("api", pod("web-1")))
    await eventually(lambda: stage.shows(ServiceState.READY, "api"))
    assert len(stage.helper.log) == 2
    assert len(stage.changes) == changes + 1


async def test_without_a_helper_services_wait_and_nothing_is_claimed(stage: Stage) -> None:
    stage.authority.helper = None
    stage.catalog.put(service("web", pod("web-1")))
    stage.engine.want(wish())
    await eventually(lambda: stage.shows(ServiceState.WAITING))
    assert (stage.service().ports, stage.service().names) == ((), ())
    assert stage.reasons() == [Reason.WAITING_FOR_AUTHORIZATION]
    stage.authority.helper = Helper()
    stage.engine.wake()
    await eventually(lambda: stage.shows(ServiceState.READY))


async def test_when_the_helper_is_gone_every_listener_is_closed_at_once(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    place = stage.helper.port(stage.service().address, 80)
    stage.helper.die()
    stage.authority.helper = None
    stage.engine.wake()
    probe = socket.socket()
    probe.bind(place)  # what was ours is free
    probe.close()
    await eventually(lambda: stage.shows(ServiceState.WAITING))
    assert stage.service().names == ()


async def test_another_helper_begins_anew(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    before = stage.service()
    stage.helper.die()
    stage.authority.helper = second = Helper()
    stage.engine.wake()
    await eventually(lambda: second.entries)
    await eventually(lambda: stage.shows(ServiceState.READY))
    assert stage.service() == before
    reader, writer = await stage.connect()
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()


async def test_a_helper_that_goes_within_a_pass_is_no_error(stage: Stage) -> None:
    stage.helper.gone = True
    stage.catalog.put(service("web", pod("web-1")))
    stage.engine.want(wish())
    await asyncio.sleep(0)
    stage.authority.helper = Helper()
    stage.engine.wake()
    await eventually(lambda: stage.shows(ServiceState.READY))
    assert stage.engine.seen().problems == ()


async def test_a_listener_that_comes_when_the_helper_is_gone_is_closed(stage: Stage) -> None:
    helper, came = stage.helper, asyncio.Event()
    listen = helper.listen

    async def late(ip: str, port: int) -> socket.socket:
        sock = await listen(ip, port)
        stage.authority.helper = None
        stage.engine.wake()
        came.set()
        return sock

    helper.listen = late  # type: ignore[method-assign]  # the moment is what this is about
    stage.catalog.put(service("web", pod("web-1")))
    stage.engine.want(wish())
    await came.wait()
    await eventually(lambda: stage.shows(ServiceState.WAITING))
    place = helper.port(stage.service().address, 80)
    helper.die()
    with socket.socket() as probe:
        probe.bind(place)


async def test_a_helper_found_gone_is_not_asked_again(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    stage.helper.die()
    passes = 0
    working = stage.catalog.seen

    def counting() -> CatalogSeen:
        nonlocal passes
        passes += 1
        return working()

    stage.catalog.seen = counting  # type: ignore[method-assign]  # counts what is really done
    stage.catalog.put(service("web", pod("web-1")), service("api", pod("web-1")))
    await eventually(lambda: stage.shows(ServiceState.WAITING))
    await asyncio.sleep(0.1)
    assert passes < 10


async def test_refresh_drops_connections_and_takes_everything_back_first(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    reader, writer = await stage.connect()
    writer.write(b"hello")
    await reader.readexactly(5)
    stage.helper.log.clear()
    stage.engine.want(wish(generation=1))
    await eventually(lambda: stage.engine.seen().generation == 1)
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    verbs = [line.split()[0] for line in stage.helper.log]
    assert verbs == ["hosts", "release", "listen", "hosts"]
    assert stage.shows(ServiceState.READY)


async def test_another_cluster_drops_everything(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    other = replace(wish().cluster or pytest.fail("no cluster"), context="other")
    stage.engine.want(replace(wish(), cluster=other))
    await eventually(lambda: not stage.engine.seen().services)
    assert stage.helper.entries[-1] == ()
    assert not stage.helper.sockets


async def test_a_taken_port_is_that_services_problem(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "RESYNC", 0.05)
    stage.helper.refuse[next(candidates(CLUSTER.key, "shop-a", "web")), 80] = "in-use"
    stage.catalog.put(service("web", pod("web-1")), service("api", pod("web-1")))
    stage.engine.want(wish())
    await eventually(lambda: stage.shows(ServiceState.FAILED))
    assert stage.reasons() == [Reason.PORT_TAKEN]
    assert stage.service().names == ()
    assert stage.shows(ServiceState.READY, "api")
    stage.helper.refuse.clear()
    await eventually(lambda: stage.shows(ServiceState.READY))


async def test_an_address_of_another_instance_is_replaced(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    first = stage.service().address
    stage.helper.die()
    stage.authority.helper = second = Helper()
    second.refuse[first] = "leased"
    stage.engine.wake()
    await eventually(lambda: stage.shows(ServiceState.READY) and stage.service().address != first)
    assert {entry.ip for entry in second.entries[-1]} == {stage.service().address}


async def test_a_name_that_is_withheld_is_that_services_problem(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "RESYNC", 0.05)
    stage.helper.withhold["web"] = "yours"
    await stage.forwarded(service("web", pod("web-1")), service("api", pod("web-1")))
    assert stage.reasons() == [Reason.NAME_TAKEN]
    assert "web" not in stage.service().names
    assert "web.shop-a" in stage.service().names
    assert stage.reasons("api") == []
    stage.helper.withhold.clear()
    await eventually(lambda: "web" in stage.service().names)


async def test_a_name_that_another_instance_waits_for_is_told_at_the_next_resync(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "RESYNC", 0.05)
    await stage.forwarded(service("web", pod("web-1")))
    assert stage.reasons() == []
    stage.helper.waiting["web"] = "1000.tilt-2"
    await eventually(lambda: stage.reasons() == [Reason.NAME_CONTESTED])
    assert stage.shows(ServiceState.READY)
    assert "web" in stage.service().names
    stage.helper.waiting.clear()
    await eventually(lambda: stage.reasons() == [])


async def test_hosts_that_cannot_be_written_are_the_engines_problem(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "RESYNC", 0.05)
    stage.helper.refuse["hosts"] = "read-only"
    await stage.forwarded(service("web", pod("web-1")))
    (problem,) = stage.engine.seen().problems
    assert problem.reason is Reason.HOSTS_NOT_WRITABLE
    assert stage.service().ports == (80,)
    assert stage.service().names == ()
    stage.helper.refuse.clear()
    await eventually(lambda: stage.service().names)
    assert stage.engine.seen().problems == ()


async def test_a_service_without_pods_stops_listening_and_starts_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absences, "NO_PODS_AFTER", 0.1)
    await stage.forwarded(service("web", pod("web-1")))
    before = stage.service()
    stage.catalog.put(service("web"))
    await eventually(lambda: stage.reasons() == [Reason.NO_PODS] and not stage.service().ports)
    stage.catalog.put(service("web"), service("api", pod("web-1")))
    await eventually(lambda: stage.shows(ServiceState.READY, "api"))
    assert (stage.service().address, stage.service().names) == (before.address, before.names)
    with pytest.raises(ConnectionRefusedError):
        await stage.connect()
    await stage.forwarded(service("web", pod("web-1")))
    assert stage.service() == before


async def test_a_connection_held_for_a_service_without_pods_is_reset(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absences, "NO_PODS_AFTER", 0.1)
    await stage.forwarded(service("web", pod("web-1")))
    stage.catalog.put(service("web"))
    reader, writer = await stage.connect()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_a_service_without_pods_from_the_start_is_named_all_the_same(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absences, "NO_PODS_AFTER", 0.0)
    stage.catalog.put(service("web"))
    stage.engine.want(wish())
    await eventually(
        lambda: stage.engine.seen().services and stage.service().names and not stage.service().ports
    )
    assert [line.split()[0] for line in stage.helper.log] == ["listen", "hosts", "release"]


async def test_a_forbidden_dial_is_a_problem_of_its_namespace(stage: Stage) -> None:
    await stage.forwarded(
        service("web", pod("web-1")),
        service("api", pod("web-1"), namespace="shop-b"),
        desired=wish("shop-a", "shop-b"),
    )
    assert stage.catalog.client
    stage.catalog.client.failing = [Forbidden("may not create pods/portforward")]
    reader, writer = await stage.connect()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    await eventually(lambda: stage.reasons() == [Reason.FORBIDDEN])
    assert stage.reasons("api") == []


async def test_pods_that_fail_are_told_with_the_reset_of_who_asked(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    stage.catalog.put(service("web", pod("web-1", ready=False)))
    await eventually(lambda: stage.reasons() == [Reason.NO_ENDPOINTS])
    stage.catalog.failures["web"] = "CrashLoopBackOff"
    reader, writer = await stage.connect()
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    async with asyncio.timeout(5):  # the next resync would be later
        await eventually(lambda: stage.reasons() == [Reason.POD_FAILING])


async def test_sleep_drops_connections(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passing, "SLEEP_CHECK", 0.02)
    await stage.engine.close()
    stage.engine.start()
    await stage.forwarded(service("web", pod("web-1")))
    reader, writer = await stage.connect()
    writer.write(b"hello")
    await reader.readexactly(5)
    stage.wall += 60
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()


async def test_an_error_of_ours_is_shown_and_does_not_end_the_engine(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passing, "BACK_OFF_MIN", 0.02)
    working = stage.catalog.seen

    def broken() -> object:
        raise LookupError("boom")

    monkeypatch.setattr(stage.catalog, "seen", broken)
    stage.engine.want(wish())
    await eventually(lambda: stage.engine.seen().problems)
    assert stage.engine.seen().problems[0].reason is Reason.INTERNAL_ERROR
    monkeypatch.setattr(stage.catalog, "seen", working)
    await stage.forwarded(service("web", pod("web-1")))
    assert stage.engine.seen().problems == ()


async def test_close_takes_names_then_listeners(stage: Stage) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    stage.helper.log.clear()
    await stage.engine.close()
    assert [line.split()[0] for line in stage.helper.log] == ["hosts", "release"]
    assert stage.helper.entries[-1] == ()


async def test_headless_pods_answer_each_on_its_own_address(stage: Stage) -> None:
    server = stage.catalog.client
    assert server
    for name in ("db-0", "db-1"):

        async def tell(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter, name: str = name
        ) -> None:
            writer.write(name.encode())

        server.pods[name] = tell
    pods = [pod(name, hostname=name) for name in ("db-0", "db-1")]
    await stage.forwarded(service("db", *pods, headless=True))
    entries = stage.helper.entries[-1]
    by_name = {
        name: [e.ip for e in entries if name in spell(e)]
        for name in ("db.shop-a", "db-0.db.shop-a", "db-1.db.shop-a")
    }
    assert len(set(by_name["db.shop-a"])) == 2
    for name in ("db-0", "db-1"):
        (ip,) = by_name[f"{name}.db.shop-a"]
        reader, writer = await asyncio.open_connection(*stage.helper.port(ip, 8080))
        assert await reader.read() == name.encode()
        writer.close()


async def test_250_services_are_one_pass(stage: Stage) -> None:
    stage.catalog.put(*(service(f"s{number}", pod("web-1")) for number in range(250)))
    stage.engine.want(wish())
    await eventually(lambda: len(stage.engine.seen().services) == 250)
    assert all(each.state is ServiceState.READY for each in stage.engine.seen().services)
    listens = [index for index, line in enumerate(stage.helper.log) if line.startswith("listen")]
    assert len(listens) == 250
    assert all(b - a == 1 for a, b in pairwise(listens))


async def ask(stage: Stage) -> bytes:
    """Connect and read to the end; a reset may come as early as by the connect."""
    reader, writer = await stage.connect()
    try:
        return await reader.read()
    finally:
        writer.close()


async def test_a_connection_of_another_user_is_reset_counted_and_reaches_no_pod(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    monkeypatch.setattr(stage.engine._admission, "_developer", 4711)
    monkeypatch.setattr(admission, "ROOT", 4712)  # these tests may be root's
    for _ in range(2):
        with pytest.raises(ConnectionResetError):
            await ask(stage)
    await eventually(lambda: stage.service().refused == 2)
    assert stage.service().state is ServiceState.READY
    assert not len(stage.engine._tunnels)
    server = stage.catalog.client
    assert server
    assert server.dialled == []


async def test_owners_that_cannot_be_told_are_a_problem_of_the_engine(
    server: PodServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        raise PermissionError(1, "Operation not permitted")

    engine = NativeEngine(Catalog(client=server), Authority(), lambda: None)
    monkeypatch.setattr(engine._admission, "_ask", refuse)
    engine.start()
    engine.want(wish())
    await eventually(lambda: engine.seen().problems)
    assert [problem.reason for problem in engine.seen().problems] == [Reason.OWNERS_UNKNOWN]
    await engine.close()


async def test_a_dial_tells_what_a_connection_would_meet(stage: Stage, server: PodServer) -> None:
    assert await stage.engine.dial("127.18.0.1", 80) == FOREIGN
    await stage.forwarded(service("web", pod("web-1")))
    address = stage.service().address
    assert await stage.engine.dial(address, 80) == Dialled()
    assert await stage.engine.dial(address, 81) == Dialled(
        f"Nothing listens on port 81 of {address}."
    )
    assert await stage.engine.dial("127.18.0.1", 80) == FOREIGN
    server.refuse.add("web-1")
    assert "connection refused" in (await stage.engine.dial(address, 80)).why


async def test_a_dial_that_is_forbidden_is_shown_as_a_connections_would_be(
    stage: Stage, server: PodServer
) -> None:
    await stage.forwarded(service("web", pod("web-1")))
    server.failing.append(Forbidden("You may not."))
    assert await stage.engine.dial(stage.service().address, 80) == Dialled("You may not.")
    await eventually(lambda: Reason.FORBIDDEN in stage.reasons())


async def test_an_address_stays_ours_while_its_service_has_no_pods(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(absences, "NO_PODS_AFTER", 0.05)
    await stage.forwarded(service("web", pod("web-1")))
    address = stage.service().address
    stage.catalog.put(service("web"))
    await eventually(lambda: Reason.NO_PODS in stage.reasons())
    await eventually(lambda: not stage.service().ports)
    said = await stage.engine.dial(address, 80)
    assert said == Dialled(f"Nothing listens on port 80 of {address}.")


async def test_each_pod_of_a_headless_service_is_dialled_at_its_own_address(
    stage: Stage, server: PodServer
) -> None:
    server.pods["db-0"] = echo
    server.refuse.add("db-1")
    pods = (pod("db-0", hostname="db-0"), pod("db-1", hostname="db-1"))
    await stage.forwarded(service("db", *pods, headless=True))
    ips = {entry.pod: entry.ip for entry in stage.helper.entries[-1] if entry.pod}
    assert await stage.engine.dial(ips["db-0"], 80) == Dialled()
    assert "connection refused" in (await stage.engine.dial(ips["db-1"], 80)).why
