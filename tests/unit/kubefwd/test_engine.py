"""The engine's passes: what is written, mended and shown, for what kubefwd and the cluster say."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import pytest
from tests.unit.kubefwd.kit import Api, Credentials, Helper, forward
from tests.unit.native.kit import CLUSTER, pod, seen, service, wish

from kubefwd_operator.core.errors import KubefwdUnreachable
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.model import (
    FOREIGN,
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    ClusterRef,
    Desired,
    Dialled,
    Repaired,
    Service,
    ServiceSeen,
    ServiceState,
)
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Rules, ServiceRule
from kubefwd_operator.engines.kubefwd import engine as module
from kubefwd_operator.engines.kubefwd import sockets
from kubefwd_operator.engines.kubefwd.engine import FULL, NEARLY_FULL, KubefwdEngine
from kubefwd_operator.engines.kubefwd.machine import Phase
from kubefwd_operator.engines.kubefwd.observer import SILENCE, SLOW
from kubefwd_operator.engines.kubefwd.sockets import Sockets
from kubefwd_operator.engines.passing import RESYNC, SLEPT

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=0)]

WEB = service("web", pod("web-1"))
ROW = forward("web-1")
NAMES = ("web", "web.shop-a", "web.shop-a.svc", "web.shop-a.svc.cluster.local")


@dataclass
class Catalog:
    now: CatalogSeen = field(default_factory=lambda: seen(WEB))
    access: Credentials | None = field(default_factory=Credentials)
    looks: int = 0

    def seen(self) -> CatalogSeen:
        self.looks += 1
        return self.now


@dataclass
class Authority:
    helper: Helper | None = field(default_factory=Helper)

    def seen(self) -> AuthoritySeen:
        return AuthoritySeen(AuthorityState.AUTHORIZED if self.helper else AuthorityState.ASKING)


class Stage:
    """An engine and what it lives on. Every row listens unless it is in `deaf`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.catalog, self.authority, self.api = Catalog(), Authority(), Api()
        self.deaf: set[str] = set()
        self.busy: set[tuple[str, int]] = set()
        self.known, self.clock, self.begun = True, 0.0, False
        self.api.rows = [ROW]
        monkeypatch.setattr(sockets, "look", self.look)
        self.engine = KubefwdEngine(
            self.catalog,
            self.authority,
            lambda: None,
            pinned=PinnedKubefwd("/opt/kubefwd", "0" * 64, "1.25.16"),
            connect=self.api.connect,
            wall=lambda: asyncio.get_running_loop().time() + self.clock,
        )

    async def look(self) -> Sockets | None:
        places = {(row.ip, row.port) for row in self.api.rows if row.pod not in self.deaf}
        return Sockets(frozenset(places), frozenset(self.busy)) if self.known else None

    @property
    def helper(self) -> Helper:
        assert self.authority.helper is not None
        return self.authority.helper

    def put(self, *services: Service) -> None:
        self.catalog.now = seen(*services)
        self.engine.wake()

    def want(self, desired: Desired) -> None:
        self.engine.want(desired)

    async def settle(self, seconds: float = 3.0) -> "Stage":
        """Let time pass. The engine is started here, because fixtures have another clock."""
        if not self.begun:
            self.begun = True
            self.engine.start()
        await asyncio.sleep(seconds)
        return self

    @property
    def shown(self) -> dict[str, ServiceSeen]:
        return {each.key: each for each in self.engine.seen().services}

    @property
    def reasons(self) -> list[Reason]:
        return [problem.reason for problem in self.engine.seen().problems]

    @property
    def starts(self) -> int:
        return self.helper.asked.count("start")


@pytest.fixture
async def stage(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Stage]:
    made = Stage(monkeypatch)
    made.want(wish())
    yield made
    await made.engine.close()


# --- all is well -----------------------------------------------------------------------------


async def test_a_service_is_named_once_it_listens(stage: Stage) -> None:
    stage.deaf.add("web-1")
    await stage.settle()
    assert stage.api.changes == ["add shop-a"]
    assert stage.helper.names == {}
    assert stage.shown["web.shop-a"].state is ServiceState.WAITING
    stage.deaf.clear()
    await stage.settle()
    assert stage.helper.names == dict.fromkeys(NAMES, "127.1.27.1")
    assert stage.shown["web.shop-a"] == ServiceSeen(
        "shop-a", "web", ServiceState.READY, "127.1.27.1", (80,), NAMES
    )
    assert stage.engine.seen().name == "kubefwd"
    assert stage.reasons == []


async def test_a_dial_goes_to_addresses_of_ours_only(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def why_not(address: str, port: int) -> str:
        return f"{address}:{port}"

    monkeypatch.setattr(module, "why_not", why_not)
    assert await stage.engine.dial("127.1.27.1", 80) == FOREIGN
    await stage.settle()
    assert await stage.engine.dial("127.1.27.1", 80) == Dialled("127.1.27.1:80")
    assert await stage.engine.dial("127.1.27.2", 80) == FOREIGN


async def test_nothing_is_written_or_asked_again_while_nothing_changes(stage: Stage) -> None:
    await stage.settle(25)
    before = len(stage.helper.asked), len(stage.api.changes)
    await stage.settle(4)
    assert (len(stage.helper.asked), len(stage.api.changes)) == before


@pytest.mark.parametrize("authorised", [True, False])
async def test_passes_are_rare_while_nothing_happens(stage: Stage, authorised: bool) -> None:
    if not authorised:
        stage.authority.helper = None
    await stage.settle(35)
    before = stage.catalog.looks
    await stage.settle(60)
    per_pass = 2  # once for the services, once for what is wrong with the cluster
    assert stage.catalog.looks - before <= per_pass * (60 / SLOW + 60 / RESYNC + 1)


async def test_without_a_namespace_or_a_kubeconfig_it_is_not_run(stage: Stage) -> None:
    await stage.settle()
    stage.want(replace(wish(), namespaces=()))
    await stage.settle()
    assert stage.helper.asked[-1] == "stop"
    stage.catalog.access = None
    stage.want(wish())
    await stage.settle()
    assert stage.starts == 1
    stage.catalog.access = Credentials()
    stage.engine.wake()
    await stage.settle()
    assert stage.starts == 2


async def test_pause_takes_the_names_back_and_ends_it_and_resume_starts_another(
    stage: Stage,
) -> None:
    await stage.settle()
    stage.helper.asked.clear()
    stage.want(replace(wish(), paused=True))
    await stage.settle()
    assert stage.helper.asked == ["hosts", "stop"]
    assert stage.helper.names == {}
    assert [problem.reason for problem in stage.shown["web.shop-a"].problems] == [Reason.PAUSED]
    assert not stage.shown["web.shop-a"].names
    stage.want(wish())
    await stage.settle()
    assert stage.starts == 1
    assert stage.helper.names == dict.fromkeys(NAMES, "127.1.27.1")


@pytest.mark.parametrize(
    "desired, names",
    [
        pytest.param(wish(), len(NAMES), id="it runs"),
        pytest.param(replace(wish(), paused=True), 0, id="paused"),
        pytest.param(replace(wish(), namespaces=()), 0, id="nothing is wanted"),
    ],
)
async def test_repair_writes_anew_what_should_be_there(
    stage: Stage, desired: Desired, names: int
) -> None:
    stage.want(desired)
    await stage.settle()
    stage.helper.asked.clear()
    stage.want(replace(desired, repairs=1))
    await stage.settle()
    assert stage.helper.asked == ["hosts"]
    assert stage.engine.seen().repaired == Repaired(1, names)


async def test_repair_waits_for_one_that_starts_and_says_why_it_does_not(stage: Stage) -> None:
    stage.want(replace(wish(), repairs=1))
    await stage.settle()
    assert stage.engine.seen().repaired == Repaired(1, len(NAMES))
    stage.authority.helper = None
    stage.want(replace(wish(), repairs=2))
    await stage.settle()
    problem = stage.engine.seen().repaired.problem
    assert problem
    assert problem.reason is Reason.WAITING_FOR_AUTHORIZATION


async def test_namespaces_come_and_go_one_by_one(stage: Stage) -> None:
    await stage.settle()
    stage.want(wish("shop-a", "shop-c", "shop-b"))
    await stage.settle()
    stage.want(wish("shop-a", "shop-b"))
    await stage.settle()
    assert stage.api.changes == ["add shop-a", "add shop-c", "add shop-b", "remove shop-c"]
    assert stage.starts == 1


async def test_an_error_of_ours_ends_neither_looks_nor_changes(stage: Stage) -> None:
    await stage.settle()
    stage.api.error = RuntimeError("an error of ours")
    stage.want(wish("shop-a", "shop-b"))
    await stage.settle()
    stage.api.error = None
    await stage.settle(SLOW)
    assert stage.api.changes == ["add shop-a", "add shop-b"]
    stage.deaf.add("web-1")
    await stage.settle(SLOW)
    assert stage.shown["web.shop-a"].state is not ServiceState.READY


async def test_what_cannot_be_forwarded_says_so(stage: Stage) -> None:
    stage.put(WEB, service("partner", external_name="example.com"))
    await stage.settle()
    assert stage.shown["partner.shop-a"].state is ServiceState.NOT_FORWARDED
    assert stage.shown["web.shop-a"].state is ServiceState.READY


async def test_what_kubefwd_cannot_do_for_a_policy_is_said_by_service(stage: Stage) -> None:
    skip, ports = ServiceRule("api", skip=True), ServiceRule("web", ports=((80, 8080),))
    stage.put(WEB, service("api"))
    stage.want(replace(wish(), rules={"shop-a": Rules(services={"api": skip, "web": ports})}))
    await stage.settle()
    api, web = stage.shown["api.shop-a"], stage.shown["web.shop-a"]
    assert (api.state, api.names) == (ServiceState.NOT_FORWARDED, ())
    assert [each.reason for each in api.problems] == [Reason.SKIPPED, Reason.POLICY_UNSUPPORTED]
    assert (web.state, web.ports) == (ServiceState.READY, (80,))
    assert [each.reason for each in web.problems] == [Reason.POLICY_UNSUPPORTED]


async def test_a_hostname_of_a_policy_leads_to_kubefwds_address(stage: Stage) -> None:
    rule = ServiceRule("web", hostnames=("shop.test",))
    stage.put(WEB)
    stage.want(replace(wish(), rules={"shop-a": Rules(services={"web": rule})}))
    await stage.settle()
    assert "shop.test" in stage.shown["web.shop-a"].names


async def test_a_name_that_is_withheld_is_that_services_problem(stage: Stage) -> None:
    stage.helper.withheld.add("web.shop-a")
    await stage.settle()
    found = stage.shown["web.shop-a"]
    assert (found.state, [each.reason for each in found.problems]) == (
        ServiceState.READY,
        [Reason.NAME_TAKEN],
    )
    assert "web.shop-a" not in found.names


# --- services in trouble ---------------------------------------------------------------------


async def test_a_service_without_a_ready_pod_waits_and_nothing_is_done(stage: Stage) -> None:
    stage.api.rows.clear()
    stage.put(service("web", pod("web-1", ready=False)), service("idle"))
    await stage.settle(300)
    reasons = {key: each.problems[0].reason for key, each in stage.shown.items()}
    assert reasons == {"web.shop-a": Reason.NO_ENDPOINTS, "idle.shop-a": Reason.NO_PODS}
    assert stage.api.changes == ["add shop-a"]


async def test_one_that_vanishes_keeps_its_names_and_is_mended(stage: Stage) -> None:
    stage.put(WEB, service("api", pod("api-1")))
    stage.api.rows = [ROW, forward("api-1", "127.1.27.2", service="api")]
    await stage.settle()
    stage.api.rows.pop(0)
    await stage.settle()
    found = stage.shown["web.shop-a"]
    assert (found.state, found.ports, found.names) == (ServiceState.RECONNECTING, (), NAMES)
    assert found.problems[0].reason is Reason.RECONNECTING
    assert stage.helper.names["web.shop-a"] == "127.1.27.1"
    await stage.settle(60)
    done = ["sync web.shop-a", "remove web.shop-a", "add web.shop-a"]
    assert stage.api.changes[1:4] == done
    found = stage.shown["web.shop-a"]
    assert (found.state, found.problems[0].reason) == (ServiceState.FAILED, Reason.NOT_ANSWERING)
    assert "click Refresh" in found.problems[0].message
    assert stage.starts == 1, "the other service would have been cut"
    stage.api.rows.append(forward("web-2", "127.1.27.9"))
    stage.put(service("web", pod("web-2")), service("api", pod("api-1")))
    await stage.settle()
    assert stage.shown["web.shop-a"].state is ServiceState.READY
    assert stage.helper.names["web.shop-a"] == "127.1.27.9"


async def test_when_nothing_answers_it_is_started_anew(stage: Stage) -> None:
    stage.api.rows.clear()
    await stage.settle(90)
    assert "remove shop-a" in stage.api.changes
    assert stage.starts == 2


async def test_while_the_cluster_cannot_be_reached_nothing_is_judged_by_it(stage: Stage) -> None:
    stage.api.rows.clear()
    problem = Problem(Reason.CLUSTER_UNREACHABLE, "Down.")
    stage.catalog.now = replace(stage.catalog.now, problem=problem)
    stage.engine.wake()
    await stage.settle(300)
    assert stage.api.changes == ["add shop-a"]
    assert stage.starts == 1


async def test_what_the_cluster_forbids_is_named(stage: Stage) -> None:
    stage.api.rows.clear()
    await stage.settle(1)
    stage.helper.say("ERRO[1] PortForward error on shop-a/web-1: pods is forbidden: no.")
    await stage.settle()
    found = stage.shown["web.shop-a"]
    assert (found.state, found.problems[0].reason) == (ServiceState.FAILED, Reason.FORBIDDEN)
    assert "pods is forbidden" in found.problems[0].message


async def test_half_open_connections_are_made_anew_at_once(stage: Stage) -> None:
    await stage.settle()
    stage.helper.say("ERRO[1] error creating error stream for port 80 -> 8080: Timeout occurred")
    await stage.settle()
    assert stage.api.changes[1:] == ["remove web.shop-a", "add web.shop-a"]


async def test_where_sockets_cannot_be_seen_rows_are_believed(stage: Stage) -> None:
    stage.known = False
    await stage.settle()
    assert stage.shown["web.shop-a"].state is ServiceState.READY


async def test_headless_pods_have_names_of_their_own(stage: Stage) -> None:
    pods = [pod(f"db-{number}", hostname=f"db-{number}") for number in (0, 1)]
    stage.put(service("db", *pods, headless=True))
    stage.api.rows = [
        forward("db-0", "127.1.27.1", service="db"),
        forward("db-0", "127.1.27.2", service="db", alone=True),
        forward("db-1", "127.1.27.3", service="db", alone=True),
    ]
    await stage.settle()
    entries = {(entry.pod, entry.ip) for entry in stage.helper.entries}
    pairs = {("db-0", "127.1.27.2"), ("db-1", "127.1.27.3")}
    assert entries == {("", "127.1.27.2"), ("", "127.1.27.3")} | pairs


# --- another kubefwd -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change, why",
    [
        ({"generation": 1}, "Refresh was clicked"),
        ({"cluster": ClusterRef("/config", "other", "other")}, "the cluster is another one"),
    ],
)
async def test_a_refresh_or_another_cluster_starts_another(
    stage: Stage, change: dict[str, object], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    await stage.settle()
    stage.want(replace(wish(), **change))  # type: ignore[arg-type]  # rows of a table
    stage.catalog.now = seen(WEB, cluster=replace(CLUSTER))
    await stage.settle()
    assert stage.helper.asked[:4] == ["start", "hosts", "stop", "start"]
    assert f"kubefwd is started anew: {why}." in caplog.text


async def test_the_first_cluster_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    stage.want(Desired())
    await stage.settle()
    stage.want(wish())
    await stage.settle()
    assert stage.helper.asked == ["start", "hosts"]
    await stage.engine.close()


async def test_after_an_exit_names_are_written_anew(stage: Stage) -> None:
    await stage.settle()
    stage.helper.entries = ()  # root has taken them away
    stage.helper.say("kubefwd has ended with code 2.", "exited")
    await asyncio.sleep(0.1)
    assert stage.reasons == [Reason.ENGINE_RESTARTING]
    assert stage.shown["web.shop-a"].state is ServiceState.WAITING
    assert stage.shown["web.shop-a"].names == ()
    await stage.settle()
    assert stage.reasons == []
    assert stage.helper.names == dict.fromkeys(NAMES, "127.1.27.1")


async def test_one_that_hangs_is_replaced_after_a_while(stage: Stage) -> None:
    await stage.settle()
    stage.api.error = KubefwdUnreachable("kubefwd does not answer: it hangs.")
    await stage.settle(SILENCE - 5)
    assert stage.starts == 1
    await stage.settle(10)
    assert "stop" in stage.helper.asked
    stage.api.error = None
    await stage.settle(30)
    assert stage.starts == 2
    assert stage.shown["web.shop-a"].state is ServiceState.READY


@pytest.mark.parametrize(
    "octet, busy, starts",
    [
        pytest.param(NEARLY_FULL - 1, False, 1, id="enough are left"),
        pytest.param(NEARLY_FULL, False, 2, id="few are left, and it is idle"),
        pytest.param(NEARLY_FULL, True, 1, id="few are left, and it is in use"),
        pytest.param(FULL, True, 2, id="almost none are left"),
    ],
)
async def test_it_is_replaced_before_it_runs_out_of_addresses(
    stage: Stage, octet: int, busy: bool, starts: int
) -> None:
    await stage.settle(61)
    row = forward("web-1", f"127.1.27.{octet}")
    stage.api.rows = [row]
    stage.busy = {(row.ip, row.port)} if busy else set()
    await stage.settle(2.5)
    stage.api.rows = [ROW]
    await stage.settle()
    assert stage.starts == starts


async def test_a_machine_that_has_slept_gets_another(stage: Stage) -> None:
    await stage.settle()
    stage.clock += SLEPT + 1
    await stage.settle(10)
    assert stage.starts == 2


async def test_another_helper_begins_anew(stage: Stage) -> None:
    await stage.settle()
    stage.authority.helper = None
    stage.engine.wake()
    await stage.settle()
    found = stage.shown["web.shop-a"]
    assert (found.state, found.names) == (ServiceState.WAITING, ())
    assert found.problems[0].reason is Reason.WAITING_FOR_AUTHORIZATION
    stage.authority.helper = Helper()
    stage.engine.wake()
    await stage.settle()
    assert stage.helper.asked == ["start", "hosts"]
    assert stage.shown["web.shop-a"].state is ServiceState.READY


async def test_an_error_of_ours_is_said_and_passes_go_on(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.settle()
    with monkeypatch.context() as broken:
        broken.setattr(module, "judge", lambda *_: 1 / 0)
        stage.engine.wake()
        await stage.settle(0.5)
        assert stage.reasons == [Reason.INTERNAL_ERROR]
    await stage.settle(35)
    assert stage.reasons == []


async def test_to_close_takes_the_names_back_and_leaves_the_rest_to_root(stage: Stage) -> None:
    await stage.settle()
    await stage.engine.close()
    assert stage.helper.entries == ()
    assert "stop" not in stage.helper.asked


async def test_to_end_stops_it_as_well(stage: Stage) -> None:
    await stage.settle()
    await stage.engine.end()
    assert stage.helper.asked[-1] == "stop"
    assert stage.engine._process.phase is Phase.RUNNING
