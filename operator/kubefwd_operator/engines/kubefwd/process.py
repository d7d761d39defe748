"""The kubefwd process, driven: the tasks around the table in `machine.py`.

The helper runs it; this asks for it, waits until its API answers to our key and to no other, and
has it ended. At most one task runs, and every transition ends the one before. `want` is called at
every pass and says what is wanted, not what to do.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from typing import Protocol

from kubefwd_operator.cluster.handover import Handover
from kubefwd_operator.cluster.problems import problem_of
from kubefwd_operator.core.errors import (
    ClusterError,
    HelperGone,
    HelperRefused,
    KubefwdError,
    KubefwdForeign,
    KubefwdUnreachable,
)
from kubefwd_operator.core.kubefwd import KubefwdAccess
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.kubefwd.api import KubefwdApi
from kubefwd_operator.engines.kubefwd.keeper import Keeper, Source
from kubefwd_operator.engines.kubefwd.machine import Action, Event, Phase, transition
from kubefwd_operator.engines.kubefwd.output import Output
from kubefwd_operator.privileged import wire
from kubefwd_operator.privileged.channel import StartedKubefwd

UP, LOOK = 15.0, 0.05
"""Seconds that it may take until its API answers (measured: 0.2), and between two looks."""

END = 40.0
"""Seconds that the helper may take to end it: its grace, twice, and some."""

BACK_OFF = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before the next start, by how often it has failed in a row."""

STEADY = 60.0
"""Seconds after which one that runs has not failed."""

HOPELESS = len(BACK_OFF)
"""Failures in a row after which nobody should wait for it any more."""

_log = logging.getLogger(__name__)


class KubefwdHelper(Protocol):
    """What it needs of `privileged/channel.py`'s Helper."""

    heard: Callable[[wire.Event], None] | None

    async def kubefwd_start(self, access: KubefwdAccess) -> StartedKubefwd:
        """Have it run. Raises HelperRefused, HelperGone."""

    async def kubefwd_stop(self) -> None:
        """Have it ended. Raises HelperRefused, HelperGone."""

    async def kubefwd_token(self, token: str) -> None:
        """Give it a fresh token. Raises HelperRefused, HelperGone."""


class Process:
    """At most one kubefwd. `changed` is called after every transition.

    `api` is there while it runs. `problem` says why it does not, or what its credentials lack;
    `failures` counts how often in a row it has failed.
    """

    def __init__(
        self,
        source: Callable[[], Source | None],
        changed: Callable[[], None],
        *,
        connect: Callable[[str], KubefwdApi] = KubefwdApi,
    ) -> None:
        self._source, self._changed, self._connect = source, changed, connect
        self.phase = Phase.STOPPED
        self.api: KubefwdApi | None = None
        self.problem: Problem | None = None
        self.failures = 0
        self.output = Output(_log)
        self._helper: KubefwdHelper | None = None
        self._given: Handover | None = None
        self._planned = False
        self._since: float | None = None
        self._task: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._keeper = Keeper(
            source, token=self._hand_over, renew=self._renew_later, trouble=self._note_trouble
        )
        self.renewal: tuple[str, float | None] | None = None
        """Why another one is wanted, and until when (Unix time) that may wait."""

    # --- what is wanted --------------------------------------------------------------------------

    def want(self, helper: KubefwdHelper | None, *, wanted: bool) -> None:
        """Have one run through this helper, or none. Returns at once."""
        if helper is not self._helper:
            self._fire(Event.HELPER_GONE)
            self._helper = helper
            if helper is not None:
                helper.heard = self._hear
        if helper is not None and wanted and self.phase is Phase.STOPPED:
            self._fire(Event.WANTED)
        elif not wanted and self.phase not in (Phase.STOPPED, Phase.STOPPING):
            self._fire(Event.UNWANTED)

    def renew(self, why: str) -> None:
        """Put another one in its place, without waiting longer than it takes to end."""
        if self.phase is Phase.STOPPED:
            return
        _log.info("kubefwd is started anew: %s.", why)
        self._planned, self.failures = True, 0
        problem = Problem(Reason.ENGINE_RESTARTING, f"kubefwd is started anew: {why}.")
        self._fire(Event.RENEWED, problem)

    def silent(self, why: str) -> None:
        """Take note that it runs and does not answer."""
        if self.phase is Phase.RUNNING:
            self._fail(Event.SILENT, Problem(Reason.ENGINE_RESTARTING, why))

    async def close(self) -> None:
        """End our part of it. The helper ends kubefwd itself, when asked or when we are gone."""
        self._keeper.stop()
        self._cancel()
        self._drop_api()
        if self._closing:
            await asyncio.wait(self._closing)

    async def end(self) -> None:
        """Have it ended, and wait for that; then `close`."""
        helper = self._helper if self.phase is not Phase.STOPPED else None
        await self.close()
        if helper is not None:
            with suppress(HelperGone, HelperRefused, TimeoutError):
                await asyncio.wait_for(helper.kubefwd_stop(), END)

    @property
    def steady(self) -> bool:
        """Whether it has run for long enough not to count as one that fails."""
        since = self._since
        return since is not None and asyncio.get_running_loop().time() - since >= STEADY

    # --- transitions -----------------------------------------------------------------------------

    def _fire(self, event: Event, problem: Problem | None = None) -> None:
        self.phase, action = transition(self.phase, event)
        if action is None:
            return
        self.problem = problem
        if self.phase is not Phase.RUNNING:
            self._keeper.stop()
            self._drop_api()
        self._act(action)
        self._changed()

    def _act(self, action: Action) -> None:
        self._cancel()
        rounds = {
            Action.START: self._start,
            Action.STOP: self._stop,
            Action.BACK_OFF: self._back_off,
        }
        if action in rounds:
            self._task = asyncio.create_task(
                self._guarded(rounds[action]), name=f"kubefwd {action}"
            )

    def _cancel(self) -> None:
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._task = None

    def _fail(self, event: Event, problem: Problem) -> None:
        if self.steady:
            self.failures = 0
        self._since = None
        self.failures += 1
        _log.warning("%s", problem.message)
        if self.failures >= HOPELESS and problem.reason is Reason.ENGINE_RESTARTING:
            often = f"{problem.message} It has failed {self.failures} times in a row."
            problem = Problem(Reason.ENGINE_FAILED, f"{often} Click Refresh when that is mended.")
        self._fire(event, problem)

    def _drop_api(self) -> None:
        if self.api is not None:
            task = asyncio.create_task(self.api.close())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self.api = None

    # --- rounds: each ends by firing an event ----------------------------------------------------

    async def _guarded(self, run: Callable[[], Awaitable[None]]) -> None:
        try:
            await run()
        except HelperGone as error:
            _log.debug("%s", error)  # `want` brings the next helper
        except Exception as error:  # noqa: BLE001 - it is logged, shown and tried again
            _log.exception("kubefwd could not be looked after")
            if self.phase is Phase.STARTING:
                problem = Problem(Reason.INTERNAL_ERROR, f"An error of ours: {error!r}.")
                self._fail(Event.REFUSED, problem)

    async def _start(self) -> None:
        helper, source = self._helper, self._source()
        if helper is None or source is None:
            problem = Problem(Reason.CREDENTIALS_FAILED, "There is no kubeconfig to give kubefwd.")
            self._fail(Event.REFUSED, problem)
            return
        try:
            self._given = await source.handover()
            started = await helper.kubefwd_start(self._given.access)
        except ClusterError as error:
            self._fail(Event.REFUSED, problem_of(error))
        except HelperRefused as error:
            event, reason = _REFUSALS.get(error.code, (Event.REFUSED, Reason.ENGINE_RESTARTING))
            self._fail(event, Problem(reason, f"{error} {_REMEDIES.get(error.code, '')}".strip()))
        else:
            await self._meet(started)

    async def _meet(self, started: StartedKubefwd) -> None:
        """Wait until it answers, to our key and to no other."""
        self.output.forget()
        async with AsyncExitStack() as unless_used:
            api = self._connect(started.key)
            unless_used.push_async_callback(api.close)
            if problem := await self._unfit(api):
                self._fail(Event.SILENT, problem)
                return
            unless_used.pop_all()
        self.api, self._since = api, asyncio.get_running_loop().time()
        self.renewal, self._planned = None, False
        if self._given is not None:
            self._keeper.keep(self._given)
        _log.info("kubefwd runs: pid=%d", started.pid)
        self._fire(Event.STARTED)

    async def _unfit(self, api: KubefwdApi) -> Problem | None:
        """Wait for it to answer; say what is wrong with it, if anything is."""
        try:
            async with asyncio.timeout(UP):
                guarded = await _answered(api)
        except (KubefwdError, TimeoutError) as error:
            why = str(error) or f"It has not answered within {UP:.0f} s."
            return Problem(Reason.ENGINE_RESTARTING, f"{why}{self.output.last_words}")
        return None if guarded else Problem(Reason.ENGINE_FAILED, _OPEN)

    async def _stop(self) -> None:
        if self._helper is not None:
            try:
                await asyncio.wait_for(self._helper.kubefwd_stop(), END)
            except (HelperRefused, TimeoutError) as error:
                _log.warning("kubefwd could not be ended: %s", str(error) or "it takes too long")
        self._fire(Event.ENDED, self.problem)

    async def _back_off(self) -> None:
        if not self._planned:
            await asyncio.sleep(BACK_OFF[min(self.failures, len(BACK_OFF)) - 1])
        self._planned = False
        self._fire(Event.DUE, self.problem)

    # --- what others say -------------------------------------------------------------------------

    def _hear(self, event: wire.Event) -> None:
        if event.name == "log":
            self.output.hear(event.message)
        elif event.name == "exited" and self.phase in _EXITS:
            why = f"{event.message}{self.output.last_words} It is started again."
            problem = Problem(Reason.ENGINE_RESTARTING, why)
            if self.phase is Phase.STOPPING:
                self._fire(Event.EXITED, problem)
            else:
                self._fail(Event.EXITED, problem)

    async def _hand_over(self, token: str) -> None:
        if self._helper is not None:
            await self._helper.kubefwd_token(token)

    def _renew_later(self, why: str, by: float | None) -> None:
        self.renewal = (why, by)
        self._changed()

    def _note_trouble(self, error: ClusterError | None) -> None:
        problem = problem_of(error) if error else None
        if problem != self.problem and self.phase is Phase.RUNNING:
            self.problem = problem
            self._changed()


_EXITS = (Phase.STARTING, Phase.RUNNING, Phase.STOPPING)
_REFUSALS = {
    "unusable": (Event.UNUSABLE, Reason.ENGINE_FAILED),
    "in-use": (Event.REFUSED, Reason.HELD_BY_OTHER_USER),
}
_REMEDIES = {
    "unusable": "Restart the resource kubefwd:run to have it authorised anew.",
    "in-use": "Only one kubefwd can run on a machine: end that one. It is tried again.",
}
_OPEN = (
    "This kubefwd obeys every local program, without a key, so it is not used: install version "
    "1.25.15 or newer."
)


async def _answered(api: KubefwdApi) -> bool:
    """Wait for our kubefwd to answer, and say whether it asks strangers for the key."""
    while True:
        try:
            await api.health()
            await api.info()
            return await api.guarded()
        except KubefwdForeign:
            raise
        except KubefwdUnreachable:
            await asyncio.sleep(LOOK)
