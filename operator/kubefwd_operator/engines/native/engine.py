"""The native engine's task: one pass after another, each from what is there now.

A pass reads the wish, the catalog and the helper, plans, and carries the plan out: listeners, one
hosts update for all names, then what is to stop. Everything that happens meanwhile only wakes the
next pass. A grown generation or another cluster drops every tunnel, takes everything back and
begins anew; a helper that is gone takes the listeners with it; another helper begins anew.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from kubefwd_operator.cluster.clocks import jumps
from kubefwd_operator.core.errors import ClusterError, Forbidden, HelperGone
from kubefwd_operator.core.model import Desired, EngineSeen, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native import report
from kubefwd_operator.engines.native.absences import Absences
from kubefwd_operator.engines.native.bindings import Bindings, HelperLike
from kubefwd_operator.engines.native.leases import LeaseKey, assign, leases, wanted
from kubefwd_operator.engines.native.neighbours import AuthorityLike, CatalogLike
from kubefwd_operator.engines.native.picker import Picker
from kubefwd_operator.engines.native.plan import Plan, plan
from kubefwd_operator.engines.native.target import ServiceKey, Target
from kubefwd_operator.engines.native.transport import Transport
from kubefwd_operator.engines.native.transport.websocket import WebSocketTransport
from kubefwd_operator.engines.native.tunnels import Tunnels

NAME = "native"

RESYNC = 30.0
"""Seconds after which whatever was refused is tried again."""

BACK_OFF_MIN, BACK_OFF_MAX = 1.0, 30.0
"""Seconds after a pass that failed by an error of ours; doubles from MIN to MAX."""

SLEEP_CHECK, SLEPT = 5.0, 10.0
"""Seconds between looks at the clocks, and how far they must have parted to mean sleep: farther
than for the catalog, which only lists anew, because this ends connections."""

FORBIDDEN_FOR = 120.0
"""Seconds that a 403 on a dial is shown after it last happened."""

CLOSE = 0.4
"""Seconds that taking everything back may take when we end; the helper undoes the rest."""

_log = logging.getLogger(__name__)


class NativeEngine:
    """Forwards services over addresses and names that the helper provides.

    Call `wake()` whenever the catalog or the authority has changed. `changed` is called when
    `seen()` answers differently.
    """

    def __init__(
        self,
        catalog: CatalogLike,
        authority: AuthorityLike,
        changed: Callable[[], None],
        *,
        transport: Transport | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._catalog = catalog
        self._authority = authority
        self._changed = changed
        self._wall = wall
        self._bell = asyncio.Event()
        self._picker = Picker(catalog, changed=self._bell.set)
        dialer = transport or WebSocketTransport(lambda: catalog.client)
        self._tunnels = Tunnels(self._picker, dialer, self._trouble)
        self._desired = Desired()
        self._begun: Desired | None = None
        self._addresses: dict[LeaseKey, str] = {}
        self._absences = Absences()
        self._resting: frozenset[ServiceKey] = frozenset()
        self._bindings: Bindings | None = None
        self._lost: HelperLike | None = None
        self._forbidden: dict[str, tuple[Problem, float]] = {}
        self._exhausted = 0
        self._fault: Problem | None = None
        self._seen = EngineSeen(NAME)
        self._retry_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    # --- the part's interface --------------------------------------------------------------------

    def start(self) -> None:
        """Begin; needs a running loop."""
        loop = asyncio.get_running_loop()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._watch_clocks())]

    def want(self, desired: Desired) -> None:
        """Take a new wish. See Engine."""
        if desired != self._desired:
            self._desired = desired
            self.wake()

    def wake(self) -> None:
        """Look again at catalog and authority, and let held connections do so."""
        if self._bindings and self._authority.helper is not self._bindings.helper:
            self._abandon()
        self._picker.wake()
        self._bell.set()

    def seen(self) -> EngineSeen:
        """Return what answers now. See Engine."""
        return self._seen

    async def close(self) -> None:
        """Stop forwarding: names, listeners, connections. See Engine."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks = []
        if self._bindings:
            with suppress(HelperGone, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE):
                    await self._bindings.clear()
            self._abandon()
        await self._tunnels.drop()

    # --- passes ----------------------------------------------------------------------------------

    async def _run(self) -> None:
        pause = BACK_OFF_MIN
        while True:
            try:
                await self._wait()
                await self._pass()
                pause = BACK_OFF_MIN
            except HelperGone:
                # The authority may learn it later than we do: this one is not used again.
                self._lost = self._bindings.helper if self._bindings else self._lost
                self._abandon()
            except Exception as error:  # noqa: BLE001 - a part never dies; it says so and goes on
                _log.exception("The native engine's pass failed; it is tried again: s=%s", pause)
                self._fault = Problem(Reason.INTERNAL_ERROR, f"An error of ours: {error!r}.")
                self._show(replace(self._seen, problems=self._problems()))
                await asyncio.sleep(pause)
                pause = min(pause * 2, BACK_OFF_MAX)
                self._bell.set()

    async def _wait(self) -> None:
        """Wait for the bell, or for the moment at which time alone changes something."""
        now = asyncio.get_running_loop().time()
        soonest = min(RESYNC, self._absences.next_change(now) or RESYNC, self._retry_at - now)
        with suppress(TimeoutError):
            async with asyncio.timeout(max(soonest, 0.0)):
                await self._bell.wait()
        self._bell.clear()

    async def _pass(self) -> None:
        now = asyncio.get_running_loop().time()
        desired, helper = self._desired, self._authority.helper
        helper = None if helper is self._lost else helper
        await self._begin(desired)
        if self._bindings and self._bindings.helper is not helper:
            self._abandon()
        if helper and not self._bindings:
            self._bindings = Bindings(helper, self._tunnels.carry, self._count_exhausted)
        retry = now >= self._retry_at
        if retry:
            self._retry_at = now + RESYNC
        planned = self._plan(desired, now)
        if self._bindings:
            planned = await self._carry_out(self._bindings, planned, desired, retry=retry)
        self._fault = None
        self._report(desired, planned)

    async def _begin(self, desired: Desired) -> None:
        """Begin anew when the generation has grown or the cluster is another one."""
        begun, self._begun = self._begun, desired
        if begun is None:
            return
        if (begun.generation, begun.cluster) != (desired.generation, desired.cluster):
            await self._tunnels.drop()
            self._forbidden.clear()
            self._addresses.clear()
            self._absences = Absences()
            if self._bindings:
                await self._bindings.clear()

    def _plan(self, desired: Desired, now: float) -> Plan:
        catalog = self._catalog.seen()
        services = tuple(wanted(desired, catalog))
        self._absences.note(services, now)
        idle, departed = self._absences.idle(now), self._absences.departed()
        self._picker.idle(idle)
        barred = self._bindings.leased_elsewhere if self._bindings else ()
        cluster = desired.cluster.key if desired.cluster else ""
        needed = leases(services, departed)
        self._addresses = assign(cluster, needed, self._addresses, barred)
        self._resting = self._may_rest(idle)
        return plan(desired, catalog, self._addresses, self._resting, departed)

    def _may_rest(self, idle: frozenset[ServiceKey]) -> frozenset[ServiceKey]:
        """Leave out those without a name yet: an address is ours to name only once it listens."""
        if self._bindings is None:
            return idle
        named = self._bindings.named
        return frozenset(key for key in idle if named(self._addresses.get((*key, ""), "")))

    async def _carry_out(
        self, bindings: Bindings, planned: Plan, desired: Desired, *, retry: bool
    ) -> Plan:
        """Start, name, stop. An address that is leased elsewhere is replaced before it is named."""
        while not await bindings.listen(planned, retry=retry):
            retry = False
            planned = self._plan(desired, asyncio.get_running_loop().time())
        await bindings.name(planned, desired, retry=retry)
        await bindings.stop(planned)
        if self._may_rest(self._absences.idle(asyncio.get_running_loop().time())) > self._resting:
            self._bell.set()
        return planned

    def _abandon(self) -> None:
        """Close every listener and stop claiming any name: the helper is gone."""
        if self._bindings:
            self._bindings.abandon()
            self._bindings = None
            self._bell.set()

    async def _watch_clocks(self) -> None:
        """Drop tunnels after the machine has slept: their other ends have given them up."""
        async for jump in jumps(self._wall, SLEEP_CHECK):
            if jump >= SLEPT:
                _log.info(
                    "The machine has slept; connections are dropped: count=%d", len(self._tunnels)
                )
                await self._tunnels.drop()

    # --- what is seen ----------------------------------------------------------------------------

    def _report(self, desired: Desired, planned: Plan) -> None:
        now = asyncio.get_running_loop().time()
        forbidden = {n: p for n, (p, at) in self._forbidden.items() if now - at < FORBIDDEN_FOR}
        waiting = self._authority.seen().problem or Problem(
            Reason.WAITING_FOR_AUTHORIZATION, "It is forwarded once the helper is authorised."
        )
        services = report.services(
            planned,
            self._bindings.bound if self._bindings else None,
            failing=self._picker.failing,
            forbidden=forbidden,
            waiting=waiting,
        )
        self._show(EngineSeen(NAME, desired.generation, services, self._problems()))

    def _problems(self) -> tuple[Problem, ...]:
        hosts = self._bindings.bound.hosts_problem if self._bindings else None
        files = Problem(
            Reason.LIMIT_REACHED,
            "Connections wait: this process has no file descriptor left. Raise `ulimit -n`.",
        )
        problems = (self._fault, hosts, files if self._exhausted else None)
        return tuple(problem for problem in problems if problem)

    def _show(self, seen: EngineSeen) -> None:
        if seen != self._seen:
            self._seen = seen
            self._changed()

    def _count_exhausted(self, exhausted: bool) -> None:
        self._exhausted += 1 if exhausted else -1
        self._show(replace(self._seen, problems=self._problems()))

    def _trouble(self, target: Target, error: ClusterError) -> None:
        """Note what a connection failed of, when it concerns more than that connection."""
        _log.debug("A connection failed: target=%s error=%s", target, error)
        if isinstance(error, Forbidden):
            problem = Problem(Reason.FORBIDDEN, str(error))
            now = asyncio.get_running_loop().time()
            self._forbidden[target.namespace] = (problem, now)
            self._bell.set()
