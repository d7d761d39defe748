"""Becoming root, driven: the tasks around the table in `machine.py`.

Events are fired synchronously, on the event loop, by whoever sees them: the door (helpers), the
watch (whose socket is it now), the round (what is being tried). At most one round runs, and every
transition that starts one ends the one before, so that no refusal of yesterday can arrive today.
No task ends of an exception: that becomes a Problem, and the task starts again.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.model import AuthoritySeen, Desired
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.privileged import advice, surroundings
from kubefwd_operator.privileged.answers import Answer
from kubefwd_operator.privileged.attempts import Attempts, Refusal
from kubefwd_operator.privileged.channel import Helper
from kubefwd_operator.privileged.command import require_instance
from kubefwd_operator.privileged.door import Door
from kubefwd_operator.privileged.listening import Listening, Standing
from kubefwd_operator.privileged.machine import SHOWN, Action, Event, Phase, transition
from kubefwd_operator.privileged.rundir import RunDirectoryError
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.timing import Timing
from kubefwd_operator.privileged.ways import ALL, Launch, Way

_LOG = logging.getLogger(__name__)


class Authority:
    """A part (want, seen, close) that becomes root and keeps the one helper.

    `kubefwd`: the one that root may run, which the helper is authorised for, as it is for
    `hostnames`, the suffixes of hostnames.

    `linger`: seconds that the helper waits for a next operator. `environ`: the developer's, for
    sudo and its askpass program. `changed` is called whenever `seen()` would answer differently.
    """

    def __init__(
        self,
        *,
        instance: str,
        linger: int,
        environ: Mapping[str, str],
        changed: Callable[[], None],
        ways: Sequence[Way] = ALL,
        log: logging.Logger = _LOG,
        timing: Timing | None = None,
        look: Callable[[], Awaitable[Surroundings]] | None = None,
        listening: Listening | None = None,
        root_uid: int = 0,
        kubefwd: PinnedKubefwd | None = None,
        hostnames: tuple[str, ...] = (),
    ) -> None:
        """Raise SettingsError on an instance id that is none. `ways` to `root_uid`: for tests."""
        self._instance = require_instance(instance)
        self._changed = changed
        self._ways = ways
        self._log = log
        self._timing = timing or Timing()
        self._look = look or partial(surroundings.look, instance, environ, kubefwd, hostnames)
        self._listening = listening or Listening.of(instance)
        self._door = Door(
            self._listening,
            linger=linger,
            log=log,
            timing=self._timing,
            root_uid=root_uid,
            kubefwd=kubefwd.sha256 if kubefwd else "",
            hostnames=hostnames,
        )
        self._attempts = Attempts(log)
        self._phase = Phase.OPENING
        self._problem: Problem | None = None
        self._way = ""
        self._session = 0
        self._helper: Helper | None = None
        self._here: Surroundings | None = None
        self._generation: int | None = None
        self._grace = self._timing.grace
        self._tries = 0
        self._silent: list[Refusal] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._round: asyncio.Task[None] | None = None

    # --- the part ----------------------------------------------------------------------------

    @property
    def helper(self) -> Helper | None:
        """The helper to ask; None unless authorised and its connection is alive."""
        return self._helper if self._helper is not None and self._helper.alive else None

    def start(self) -> None:
        """Listen, and become root by whatever way works."""
        self._log.info("%s", advice.order(self._ways))
        for run in (self._welcome, self._watch):
            _ = self._spawn(run)
        self._act(Action.OPEN)

    def want(self, desired: Desired) -> None:
        """Ask a person anew when `generation` has grown: that is what Refresh does."""
        before, self._generation = self._generation, desired.generation
        if before is not None and desired.generation > before and self._phase is not Phase.CLOSED:
            self._fire(Event.REFRESHED)

    def seen(self) -> AuthoritySeen:
        """Where the authorisation stands now."""
        return AuthoritySeen(SHOWN[self._phase], self._problem, self._way, self._session)

    async def close(self) -> None:
        """Close without `bye`: the helper undoes everything and lingers for a next operator."""
        if self._phase is not Phase.CLOSED:
            self._fire(Event.CLOSED)
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._attempts.close()

    # --- transitions -------------------------------------------------------------------------

    def _fire(self, event: Event, problem: Problem | None = None) -> None:
        before = self.seen()
        self._phase, action = transition(self._phase, event)
        if action is not None:
            self._problem = problem
            self._act(action)
        if self.seen() != before:
            self._changed()

    def _act(self, action: Action) -> None:
        rounds = {
            Action.OPEN: self._open,
            Action.EXPECT: self._expect,
            Action.TRY_SILENT: self._try_silent,
            Action.ASK: self._ask,
            Action.BACK_OFF: self._back_off,
        }
        if self._round is not None and self._round is not asyncio.current_task():
            self._round.cancel()
        self._round = self._spawn(rounds[action]) if action in rounds else None
        if action is Action.LEAVE:
            self._leave()

    def _leave(self) -> None:
        self._attempts.dismiss()
        for task in self._tasks - {asyncio.current_task()}:
            task.cancel()
        self._helper = None  # closed by its task, which has just been cancelled
        self._listening.close()

    def _show(self, problem: Problem) -> None:
        if problem != self._problem:
            self._problem = problem
            self._changed()

    # --- tasks that last ---------------------------------------------------------------------

    def _spawn(self, run: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        task = asyncio.create_task(self._guarded(run))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _guarded(self, run: Callable[[], Awaitable[None]]) -> None:
        while True:
            try:
                await run()
                return
            except Exception:  # noqa: BLE001 - whatever it is, it is logged, shown and tried again
                self._log.exception("Becoming root has failed for a reason of our own.")
                self._show(advice.broken())
                await asyncio.sleep(self._timing.pause)

    async def _welcome(self) -> None:
        while True:
            helper = await self._door.next(self._session + 1)
            try:
                self._adopt(helper)
                how = await helper.gone()
                self._helper, self._way = None, ""
                self._log.warning("%s", how)
                self._fire(Event.GONE, advice.lost(self._here, how))
            finally:
                helper.close()

    def _adopt(self, helper: Helper) -> None:
        came_back = self._phase is Phase.LISTENING or (
            self._phase is Phase.LOST and self._tries == 0
        )
        way = self._attempts.origin(helper.pid)
        if way is None:
            self._attempts.dismiss()
        self._way = way.name if way else "lingering helper" if came_back else "terminal"
        self._log.info("%s", advice.welcomed(self._way, way))
        self._helper, self._session, self._tries = helper, helper.session, 0
        self._fire(Event.CONNECTED)

    async def _watch(self) -> None:
        """Look after our place, and reap what has ended."""
        while True:
            await asyncio.sleep(self._timing.check)
            self._attempts.reap()
            if self._phase is Phase.OPENING:
                continue
            standing = self._listening.standing()
            if standing is Standing.ANOTHERS:
                self._fire(Event.SUPERSEDED, advice.superseded(self._instance))
                return
            if standing is Standing.MISSING:
                self._open_again()

    def _open_again(self) -> None:
        try:
            self._listening.open()
        except RunDirectoryError as error:
            self._log.debug("The run directory is gone: %s", error)
        else:
            self._log.info("The helper's socket had been removed, and is there again.")

    # --- rounds: each ends by firing an event ------------------------------------------------

    async def _open(self) -> None:
        try:
            after_another = self._listening.open()
        except RunDirectoryError as error:
            self._fire(Event.REFUSED, advice.unusable(str(error)))
            return
        if after_another:
            self._grace = self._timing.grace_after_another
        self._fire(Event.OPENED)

    async def _expect(self) -> None:
        await asyncio.sleep(self._grace)
        self._grace = self._timing.grace
        self._fire(Event.NOBODY_CAME, self._problem)

    async def _try_silent(self) -> None:
        before, self._here = self._here, await self._look()
        here = self._here
        if here.outdated and (before is None or here.outdated != before.outdated):
            self._log.warning("%s", here.outdated)
        self._silent = []
        for way in (way for way in self._ways if not way.asks):
            refusal = await self._attempts.refused(way, here, self._timing.silent)
            self._silent.append(refusal)
        self._fire(Event.REFUSED, self._problem)

    async def _ask(self) -> None:
        here = self._here = self._here or await self._look()
        refusals = []
        for way in (way for way in self._ways if way.asks):
            if not here.fault and isinstance(plan := way.plan(here), Launch):
                self._show(advice.prompting(here, way, plan.through))
            refusals.append(await self._attempts.refused(way, here, None))
            if refusals[-1].answer is Answer.REFUSED:
                break  # a person has answered: no other program asks the same
        problem = advice.refused(here, [*self._silent, *refusals])
        denied = problem.reason is Reason.AUTHORIZATION_DENIED
        self._fire(Event.DENIED if denied else Event.REFUSED, problem)

    async def _back_off(self) -> None:
        pauses = self._timing.back_off
        pause = pauses[min(self._tries, len(pauses) - 1)]
        self._tries += 1
        await asyncio.sleep(pause)
        self._fire(Event.DUE, self._problem)
