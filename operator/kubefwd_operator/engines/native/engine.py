"""The native engine's task: one pass after another, each from what is there now.

A pass reads the wish, the catalog and the helper, plans, and carries the plan out: listeners, one
hosts update for all names, then what is to stop. Everything that happens meanwhile only wakes the
next pass. A grown generation or another cluster drops every tunnel, takes everything back and
begins anew; a helper that is gone takes the listeners with it; another helper begins anew.
"""

import asyncio
import logging
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from kubefwd_operator.core.errors import ClusterError, Forbidden, HelperGone
from kubefwd_operator.core.forwardable import wanted
from kubefwd_operator.core.model import FOREIGN, Desired, Dialled, EngineSeen, Repaired
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.engine import AuthorityLike
from kubefwd_operator.engines.native import report
from kubefwd_operator.engines.native.absences import Absences
from kubefwd_operator.engines.native.admission import Admission
from kubefwd_operator.engines.native.bindings import Bindings, HelperLike
from kubefwd_operator.engines.native.leases import LeaseKey, assign, leases
from kubefwd_operator.engines.native.neighbours import CatalogLike
from kubefwd_operator.engines.native.picker import Picker
from kubefwd_operator.engines.native.plan import NOTHING, Plan, plan
from kubefwd_operator.engines.native.target import ServiceKey, Target
from kubefwd_operator.engines.native.transport import Transport
from kubefwd_operator.engines.native.transport.websocket import WebSocketTransport
from kubefwd_operator.engines.native.trial import Trial
from kubefwd_operator.engines.native.tunnels import Tunnels
from kubefwd_operator.engines.passing import PAUSED, PassingEngine, sleeps, unauthorised

NAME = "native"

FORBIDDEN_FOR = 120.0
"""Seconds that a 403 on a dial is shown after it last happened."""

RECOUNT_AFTER = 0.5
"""Seconds from a refused connection to the pass that shows it."""

CLOSE = 0.4
"""Seconds that taking everything back may take when we end; the helper undoes the rest."""

_log = logging.getLogger(__name__)


class NativeEngine(PassingEngine):
    """Forwards services over addresses and names that the helper provides.

    Call `wake()` whenever the catalog or the authority has changed. `changed` is called when
    `seen()` answers differently; `why` says why it is this engine; `allow_other_users` lets
    connections of everybody in (`admission.py`).
    """

    def __init__(
        self,
        catalog: CatalogLike,
        authority: AuthorityLike[HelperLike],
        changed: Callable[[], None],
        *,
        why: str = "",
        allow_other_users: bool = False,
        transport: Transport | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(EngineSeen(NAME, why=why), changed)
        self._catalog = catalog
        self._authority = authority
        self._wall, self._why = wall, why
        self._picker = Picker(catalog, changed=self._bell.set)
        dialer = transport or WebSocketTransport(lambda: catalog.client)
        self._admission = Admission(os.getuid(), self._note_refused, everybody=allow_other_users)
        self._tunnels = Tunnels(self._picker, dialer, self._trouble, self._admission)
        self._trial = Trial(self._picker, dialer, self._trouble)
        self._recount: asyncio.TimerHandle | None = None
        self._begun: Desired | None = None
        self._addresses: dict[LeaseKey, str] = {}
        self._absences = Absences()
        self._resting: frozenset[ServiceKey] = frozenset()
        self._bindings: Bindings | None = None
        self._lost: HelperLike | None = None
        self._forbidden: dict[str, tuple[Problem, float]] = {}
        self._exhausted = 0

    # --- the part's interface --------------------------------------------------------------------

    def start(self) -> None:
        """Begin; needs a running loop."""
        loop = asyncio.get_running_loop()
        self._admission.start()
        self._tasks = [loop.create_task(self._run()), loop.create_task(self._watch_clocks())]

    def wake(self) -> None:
        """Look again at catalog and authority, and let held connections do so."""
        if self._bindings and self._authority.helper is not self._bindings.helper:
            self._abandon()
        self._picker.wake()
        self._bell.set()

    async def dial(self, address: str, port: int) -> Dialled:
        """Open a stream to a pod as a connection there would. See Engine."""
        if self._bindings is None or not self._bindings.leads(address):
            return FOREIGN
        if target := self._bindings.target((address, port)):
            return Dialled(await self._trial.why_not(target))
        return Dialled(f"Nothing listens on port {port} of {address}.")

    async def close(self) -> None:
        """Stop forwarding: names, listeners, connections. See Engine."""
        await self._end_tasks()
        if self._bindings:
            with suppress(HelperGone, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE):
                    await self._bindings.clear()
            self._abandon()
        await self._tunnels.drop()
        self._admission.close()
        if self._recount:
            self._recount.cancel()

    # --- passes ----------------------------------------------------------------------------------

    def _lose_helper(self) -> None:
        self._lost = self._bindings.helper if self._bindings else self._lost
        self._abandon()

    def _next_change(self, now: float) -> float | None:
        return self._absences.next_change(now)

    async def _pass(self) -> None:
        now = asyncio.get_running_loop().time()
        desired, helper = self._desired, self._authority.helper
        helper = None if helper is self._lost else helper
        await self._begin(desired)
        if self._bindings and self._bindings.helper is not helper:
            self._abandon()
        if helper and not self._bindings:
            self._bindings = Bindings(helper, self._tunnels.carry, self._count_exhausted)
        retry, repair = self._is_resync(), self._is_repair(desired)
        planned = self._plan(desired, now)
        if self._bindings and desired.paused:
            await self._release(self._bindings, desired, retry=retry, repair=repair)
        elif self._bindings:
            planned = await self._carry_out(
                self._bindings, planned, desired, retry=retry, repair=repair
            )
        if repair:
            self._repaired = self._after_repair(desired.repairs)
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
        self, bindings: Bindings, planned: Plan, desired: Desired, *, retry: bool, repair: bool
    ) -> Plan:
        """Start, name, stop, find out who has what is taken.

        An address that is leased elsewhere is replaced before it is named.
        """
        while not await bindings.listen(planned, retry=retry):
            retry = False
            planned = self._plan(desired, asyncio.get_running_loop().time())
        await bindings.name(planned, desired, retry=retry, repair=repair)
        await bindings.stop(planned)
        await bindings.blame()
        if self._may_rest(self._absences.idle(asyncio.get_running_loop().time())) > self._resting:
            self._bell.set()
        return planned

    async def _release(
        self, bindings: Bindings, desired: Desired, *, retry: bool, repair: bool
    ) -> None:
        """Take names and listeners back, end what is connected, and leave the helper as it is."""
        await bindings.listen(NOTHING, retry=retry)
        await bindings.name(NOTHING, desired, retry=retry, repair=repair)
        await bindings.stop(NOTHING)
        await self._tunnels.drop()

    def _after_repair(self, number: int) -> Repaired:
        if self._bindings:
            return self._bindings.repaired(number)
        return Repaired(number, problem=unauthorised(self._authority.seen()))

    def _abandon(self) -> None:
        """Close every listener and stop claiming any name: the helper is gone."""
        if self._bindings:
            self._bindings.abandon()
            self._bindings = None
            self._bell.set()

    async def _watch_clocks(self) -> None:
        """Drop tunnels after the machine has slept: their other ends have given them up."""
        async for _ in sleeps(self._wall):
            _log.info(
                "The machine has slept; connections are dropped: count=%d", len(self._tunnels)
            )
            await self._tunnels.drop()

    # --- what is seen ----------------------------------------------------------------------------

    def _report(self, desired: Desired, planned: Plan) -> None:
        now = asyncio.get_running_loop().time()
        forbidden = {n: p for n, (p, at) in self._forbidden.items() if now - at < FORBIDDEN_FOR}
        services = report.services(
            planned,
            self._bindings.bound if self._bindings and not desired.paused else None,
            failing=self._picker.failing,
            forbidden=forbidden,
            refused=self._admission.refused,
            waiting=PAUSED if desired.paused else unauthorised(self._authority.seen()),
        )
        problems, repaired = self._problems(), self._repaired
        self._show(EngineSeen(NAME, desired.generation, services, problems, self._why, repaired))

    def _further_problems(self) -> Iterable[Problem | None]:
        yield self._bindings.bound.written.problem if self._bindings else None
        yield self._admission.problem
        if self._exhausted:
            yield Problem(
                Reason.LIMIT_REACHED,
                "Connections wait: this process has no file descriptor left. Raise `ulimit -n`.",
            )

    def _count_exhausted(self, exhausted: bool) -> None:
        self._exhausted += 1 if exhausted else -1
        self._show(replace(self._seen, problems=self._problems()))

    def _note_refused(self) -> None:
        """Show the counts soon; whoever knocks a thousand times a second gets no pass for each."""
        if self._recount is None:
            loop = asyncio.get_running_loop()
            self._recount = loop.call_later(RECOUNT_AFTER, self._show_refused)

    def _show_refused(self) -> None:
        self._recount = None
        self._bell.set()

    def _trouble(self, target: Target, error: ClusterError) -> None:
        """Note what a connection failed of, when it concerns more than that connection."""
        _log.debug("A connection failed: target=%s error=%s", target, error)
        if isinstance(error, Forbidden):
            problem = Problem(Reason.FORBIDDEN, str(error))
            now = asyncio.get_running_loop().time()
            self._forbidden[target.namespace] = (problem, now)
            self._bell.set()
