"""The kubefwd engine's task: one pass after another, each from what is there now.

A pass reads the wish, the catalog, the helper and the last look at kubefwd; it judges each service,
decides what is to be done, has the names written, and shows what stands. Nothing in it waits for
kubefwd: the process, the looks and the changes are tasks of their own, and wake the next pass.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from kubefwd_operator.core.errors import HelperGone
from kubefwd_operator.core.forwardable import wanted
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.model import FOREIGN, Desired, Dialled, EngineSeen, Repaired, Service
from kubefwd_operator.core.names import Placed, ServiceKey
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.engine import AuthorityLike
from kubefwd_operator.engines.hosts import HostsWriter
from kubefwd_operator.engines.kubefwd import report
from kubefwd_operator.engines.kubefwd.api import KubefwdApi
from kubefwd_operator.engines.kubefwd.changes import Changes
from kubefwd_operator.engines.kubefwd.machine import Phase
from kubefwd_operator.engines.kubefwd.neighbours import CatalogLike, HelperLike
from kubefwd_operator.engines.kubefwd.observer import Observation, Observer
from kubefwd_operator.engines.kubefwd.process import HOPELESS, Process
from kubefwd_operator.engines.kubefwd.remedies import Remedies, Step
from kubefwd_operator.engines.kubefwd.taken import Taken
from kubefwd_operator.engines.kubefwd.trial import why_not
from kubefwd_operator.engines.kubefwd.truth import Judgement, Verdict, burnt, judge
from kubefwd_operator.engines.passing import PAUSED, PassingEngine, sleeps, unauthorised

NAME = "kubefwd"

NEARLY_FULL, FULL = 230, 250
"""Last octets of addresses: at the first it is restarted when nothing is in use, at the second at
once, because near 256 kubefwd runs out of addresses in silence."""

SHORTEST = 0.1
"""Seconds between a pass and the next one that time alone makes due."""

CLOSE = 0.4
"""Seconds that taking the names back may take when we end; the helper undoes the rest."""

_log = logging.getLogger(__name__)


class KubefwdEngine(PassingEngine):
    """Has one kubefwd forward what is desired, and says what is true of it. See Engine."""

    def __init__(
        self,
        catalog: CatalogLike,
        authority: AuthorityLike[HelperLike],
        changed: Callable[[], None],
        *,
        pinned: PinnedKubefwd,
        connect: Callable[[str], KubefwdApi] = KubefwdApi,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._why = f"version {pinned.version}, {pinned.path}"
        super().__init__(EngineSeen(NAME, why=self._why), changed)
        self._catalog, self._authority, self._wall = catalog, authority, wall
        self._process = Process(lambda: catalog.access, self._bell.set, connect=connect)
        self._observer = Observer(self._api, self._bell.set, self._process.silent)
        self._changes = Changes(self._api, self._observer.look)
        self._remedies = Remedies()
        self._begun: Desired | None = None
        self._serving: KubefwdApi | None = None
        self._writer: HostsWriter | None = None
        self._helper: HelperLike | None = None
        self._lost: HelperLike | None = None
        self._placed: dict[ServiceKey, Placed] = {}
        self._ports = Taken()
        self._taken: dict[ServiceKey, tuple[Problem, ...]] = {}

    # --- the part's interface --------------------------------------------------------------------

    def start(self) -> None:
        """Begin; needs a running loop."""
        work = (self._run(), self._observer.run(), self._changes.run(), self._watch_clocks())
        self._tasks = [asyncio.create_task(each) for each in work]

    def wake(self) -> None:
        """Look again at catalog, authority and kubefwd."""
        self._bell.set()
        self._observer.look()

    @property
    def hopeless(self) -> str:
        """Why nobody should wait for kubefwd on this machine; empty while there is hope."""
        problem = self._process.problem
        lasting = problem is not None and problem.reason in _LASTING
        if problem and (lasting or self._process.failures >= HOPELESS):
            return problem.message
        return ""

    async def dial(self, address: str, port: int) -> Dialled:
        """Connect as a program would. See Engine, and `trial.py` for what that proves."""
        ours = any(address in placed.every_address for placed in self._placed.values())
        return Dialled(await why_not(address, port)) if ours else FOREIGN

    async def close(self) -> None:
        """Take the names back, and leave kubefwd to the helper. See Engine."""
        await self._end_tasks()
        if self._writer is not None:
            with suppress(HelperGone, OSError, TimeoutError):
                async with asyncio.timeout(CLOSE):
                    await self._writer.clear()
        await self._process.close()

    async def end(self) -> None:
        """As `close`, and have kubefwd ended, which may take seconds; the helper stays."""
        await self._end_tasks()
        await self._process.end()

    # --- passes ----------------------------------------------------------------------------------

    def _lose_helper(self) -> None:
        self._lost = self._helper
        self._bell.set()

    def _next_change(self, now: float) -> float | None:
        due = self._remedies.next_change(now)
        return None if due is None else max(due, SHORTEST)

    async def _pass(self) -> None:
        desired, retry = self._desired, self._is_resync()
        self._begin(desired)
        services = tuple(wanted(desired, self._catalog.seen()))
        idle = desired.paused or not desired.namespaces
        self._meet_helper()
        if idle and self._writer is not None:
            self._placed.clear()
            await self._write(self._writer, desired, retry=retry)  # names first, then listeners
        self._steer(wanted=not idle)
        looked = None if idle else self._looked()
        judgements: tuple[Judgement, ...] = ()
        if looked is not None and self._writer is not None:
            judgements = self._judge(services, looked)
            said = self._process.output.failure
            self._taken = await self._ports.look(judgements, said, again=retry)
            self._mend(judgements, looked)
            self._place(judgements)
            await self._write(self._writer, desired, retry=retry)
            self._changes.want(tuple(each.name for each in desired.namespaces), looked.watched)
        elif self._is_repair(desired) and (problem := self._waiting()):
            self._repaired = Repaired(desired.repairs, problem=problem)
        self._fault = None
        self._report(desired, services, judgements, running=looked is not None)

    def _begin(self, desired: Desired) -> None:
        """Begin anew when the generation has grown or the cluster is another one."""
        begun, self._begun = self._begun, desired
        if begun is None:
            return
        if begun.cluster is not None and begun.cluster != desired.cluster:
            self._process.renew("the cluster is another one")
        elif begun.generation != desired.generation:
            self._process.renew("Refresh was clicked")

    def _meet_helper(self) -> None:
        helper = self._authority.helper
        helper = None if helper is self._lost else helper
        if helper is not self._helper:
            self._helper = helper
            self._writer = HostsWriter(helper) if helper else None

    def _steer(self, *, wanted: bool) -> None:
        """Tell the process whether it is wanted, and take note when it is another one."""
        needed = wanted and self._catalog.access is not None
        self._process.want(self._helper, wanted=needed)
        if self._process.api is not self._serving:
            self._serving = self._process.api
            self._remedies.forget()
            self._changes.forget()
            self._placed.clear()
            if self._writer is not None:
                self._writer.forget()  # root takes the names back when kubefwd ends
            self._observer.look()

    def _looked(self) -> Observation | None:
        """Return the last look, if it was at the kubefwd that runs now."""
        last = self._observer.last
        return last if last and self._serving and last.api is self._serving else None

    def _judge(self, services: Iterable[Service], looked: Observation) -> tuple[Judgement, ...]:
        half_open = self._process.output.half_open(looked.rows)
        return judge(services, looked.rows, looked.listening, half_open)

    def _mend(self, judgements: tuple[Judgement, ...], looked: Observation) -> None:
        """Have done what is due. While the cluster cannot be reached, nothing is judged by it."""
        self._observer.quick = any(
            each.verdict not in (Verdict.READY, Verdict.NO_ENDPOINTS) for each in judgements
        )
        if why := self._renewal(looked):
            self._process.renew(why)
        elif self._catalog.seen().problem is None:
            now = asyncio.get_running_loop().time()
            remedies = self._remedies.note(judgements, now, beyond=self._taken)
            restarts = [each for each in remedies if each.step is Step.RESTART]
            for each in restarts:
                self._process.renew(each.reason)
            if remedies and not restarts:
                self._changes.heal(remedies)

    def _renewal(self, looked: Observation) -> str:
        """Say why kubefwd is to be restarted now, if it is: some reasons wait until it is idle."""
        busy = looked.busy
        octet = burnt(looked.rows)
        full = octet >= FULL or (octet >= NEARLY_FULL and not busy)
        if full and self._process.steady:  # else it would not help for long
            return "it has given out almost all of a namespace's 256 addresses"
        if self._process.renewal is not None:
            why, by = self._process.renewal
            if by is None or not busy or self._wall() >= by:
                return why
        return ""

    def _place(self, judgements: Iterable[Judgement]) -> None:
        """Note where names lead. A service that does not answer keeps its last address."""
        before, self._placed = self._placed, {}
        for each in judgements:
            if each.addresses:
                self._placed[each.key] = Placed(*each.key, each.addresses, each.pods)
            elif each.key in before:
                self._placed[each.key] = before[each.key]

    async def _write(self, writer: HostsWriter, desired: Desired, *, retry: bool) -> None:
        """Have the names written, and take note of what became of a repair."""
        repair = self._is_repair(desired)
        await writer.write(self._placed.values(), desired, retry=retry, repair=repair)
        if repair:
            self._repaired = writer.repaired(desired.repairs)

    async def _watch_clocks(self) -> None:
        """Start kubefwd anew after the machine has slept: its connections are half open."""
        async for _ in sleeps(self._wall):
            if self._process.phase is Phase.RUNNING:
                self._process.renew("the machine has slept")

    def _api(self) -> KubefwdApi | None:
        return self._process.api

    # --- what is seen ----------------------------------------------------------------------------

    def _report(
        self,
        desired: Desired,
        services: tuple[Service, ...],
        judgements: tuple[Judgement, ...],
        *,
        running: bool,
    ) -> None:
        standing = None
        if running and self._writer is not None:
            standing = report.Standing(
                {each.key: each for each in judgements},
                self._placed,
                self._writer.written,
                self._remedies.state,
                self._process.output.failure,
                self._taken,
            )
        waiting = PAUSED if desired.paused else self._waiting()
        shown = report.services(services, standing, waiting)
        problems, repaired = self._problems(), self._repaired
        self._show(EngineSeen(NAME, desired.generation, shown, problems, self._why, repaired))

    def _waiting(self) -> Problem | None:
        """Say what services wait for while kubefwd does not run; nothing while it starts."""
        return self._process.problem if self._helper else unauthorised(self._authority.seen())

    def _further_problems(self) -> Iterable[Problem | None]:
        if self._helper is not None:
            yield self._process.problem
        if self._writer is not None:
            yield self._writer.written.problem


_LASTING = (Reason.ENGINE_FAILED, Reason.HELD_BY_OTHER_USER)
