"""One pass: read everything in Tilt, decide, tell the parts, publish what they show.

Level-based: a pass knows nothing of events and computes from what is there now. It awaits nothing
slower than Tilt's apiserver; the parts take a wish and show a snapshot at once. `schedule.py` says
when passes are made.

Memory is read from Tilt once, at the first pass; from then on ours is the truth, and a ConfigMap
that somebody deleted is written again.

An error of Tilt's is waited out, with a back-off; when Tilt refuses several times in a row it is
gone, and so is this operator. An error of our own in deciding is logged with its traceback and
shown as a condition beside the last wish, and the next pass tries again.

A Tilt whose Tiltfile loads the extension no more forgets the resource, and lets its process run on;
with the next load it takes up that very process again (Tilt 0.37, seen). So meanwhile we stay, and
forward nothing.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Protocol

from kubefwd_operator.core import buttons, changes, clicks, effects, memory, report, rows, status
from kubefwd_operator.core.conditions import Seen
from kubefwd_operator.core.desired import Decision, desire
from kubefwd_operator.core.effects import Brought
from kubefwd_operator.core.errors import TiltConflict, TiltError, TiltGone
from kubefwd_operator.core.facts import TiltFacts
from kubefwd_operator.core.memory import Memory
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    Desired,
    EngineSeen,
    PoliciesSeen,
)
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.settings import Settings
from kubefwd_operator.core.status import Process, Status
from kubefwd_operator.schedule import Schedule
from kubefwd_operator.tilt.buttons import offers, show_buttons
from kubefwd_operator.tilt.client import MEMORY, STATUS, TiltClient, TiltObjects
from kubefwd_operator.tilt.parse import Parser, session_pid
from kubefwd_operator.tilt.publish import publish
from kubefwd_operator.tilt.rows import Rows

log = logging.getLogger(__name__)

REFUSALS = 4
"""Passes in a row that Tilt refuses before it counts as gone; about two seconds."""

ABSENCES = 3
"""Passes in a row without the Tiltfile's button before the extension counts as taken out."""

NOT_LOADED = (
    "The Tiltfile does not load this extension any more: nothing is forwarded until it does."
)
LOADED = "The Tiltfile loads this extension again."


class PartsLike(Protocol):
    """The catalog, the authority and the engine, as the loop deals with them."""

    def start(self) -> None:
        """Start the tasks of all parts."""

    def want(self, desired: Desired) -> None:
        """Tell every part what is wanted; returns at once."""

    def seen(self) -> tuple[CatalogSeen, AuthoritySeen, EngineSeen]:
        """Give what the parts show right now."""

    async def close(self) -> None:
        """Stop everything, in order. Never raises."""


class Loop:
    """Makes passes until cancelled; `met` hears of Tilt's process, `gone` of its end."""

    def __init__(
        self,
        client: TiltClient,
        parts: PartsLike,
        settings: Settings,
        process: Process,
        met: Callable[[int], None],
        gone: Callable[[str], None],
        now: Callable[[], str] | None = None,
    ) -> None:
        self._client, self._parts = client, parts
        self._settings, self._process = settings, process
        self._met, self._gone, self._now = met, gone, now or utc_now
        self._schedule = Schedule(self._pass, self._failed)
        self._parser, self._rows = Parser(), Rows(client)
        self._memory: Memory | None = None
        self._decision = Decision(Desired(), Memory())
        self._status: Status | None = None
        self._repairs = 0
        self._refusals = 0
        self._declared, self._absences, self._loaded = False, 0, True
        self._said = ""

    def wake(self) -> None:
        """Look again."""
        self._schedule.wake()

    async def run(self) -> None:
        """Make passes until cancelled."""
        await self._schedule.run()

    async def leave(self) -> None:
        """Take our rows off Tilt's page, unless they are a newer operator's; `run` has ended."""
        if self._status is None or self._status.authorization is not AuthorityState.SUPERSEDED:
            await self._rows.remove()

    async def _pass(self) -> None:
        objects = await self._client.read()
        self._met(session_pid(objects))
        facts = await self._client.run(partial(self._parser.facts, objects))
        self._look_for_extension(facts)
        failure = self._decide(facts, objects)
        self._parts.want(self._decision.desired)
        await self._show(objects, failure)
        self._refusals = 0
        if failure is not None:
            raise failure
        self._said = ""

    def _look_for_extension(self, facts: TiltFacts) -> None:
        """Notice that what the extension's Tiltfile declares was there and is not any more."""
        here = any(button.name == clicks.REFRESH_BUTTON for button in facts.buttons)
        self._declared |= here
        self._absences = 0 if here or not self._declared else self._absences + 1
        loaded = self._absences < ABSENCES
        if self._absences and loaded:
            self.wake()
        if loaded != self._loaded:
            self._loaded = loaded
            log.log(*((logging.INFO, LOADED) if loaded else (logging.WARNING, NOT_LOADED)))

    def _decide(self, facts: TiltFacts, objects: TiltObjects) -> Exception | None:
        """Make a decision; what goes wrong in it is given back, and the last decision stays."""
        try:
            first = self._memory is None
            remembered = self._remembered(objects)
            clicked = clicks.read(facts.buttons, remembered, first_pass=first)
            policies = self._parts.seen()[0].policies
            acted = self._act(clicked, facts, policies)
            decision = desire(facts, self._settings, acted.memory, policies)
            repairs = self._repairs + acted.repairs
            desired = replace(decision.desired, repairs=repairs)
            if not self._loaded:
                desired = replace(desired, namespaces=())
            self._decision = replace(decision, desired=desired)
        except Exception as error:  # noqa: BLE001 - whatever Tilt holds, the loop goes on
            return error
        self._memory, self._repairs = self._decision.memory, repairs
        for answer in acted.answers:
            log.log(logging.WARNING if answer.refused else logging.INFO, str(answer))
        return None

    def _act(
        self, clicked: clicks.Clicked, facts: TiltFacts, policies: PoliciesSeen
    ) -> effects.Effects:
        if not clicked.clicks:
            return effects.Effects(clicked.memory)
        untouched = replace(clicked.memory, added=(), stopped=())
        brought = desire(facts, self._settings, untouched, policies).desired.namespaces
        names = frozenset(namespace.name for namespace in brought)
        return effects.act(clicked.clicks, clicked.memory, Brought(names, self._settings.exclude))

    def _remembered(self, objects: TiltObjects) -> Memory:
        if self._memory is not None:
            return self._memory
        remembered, complaint = memory.decode(objects.data(MEMORY))
        if complaint:
            log.warning(complaint)
        return remembered

    async def _show(self, objects: TiltObjects, failure: Exception | None) -> None:
        """Tell what has changed, in the log and in Tilt."""
        catalog, authority, engine = self._parts.seen()
        problems = (*self._decision.problems, *_internal(failure))
        current = status.build(
            self._decision.desired,
            Seen(catalog, authority, engine, problems, self._decision.policies),
            process=self._process,
            previous=self._status,
            now=self._now(),
            answer=self._decision.memory.answer,
            stopped=tuple(
                n for n in self._decision.memory.stopped if n not in self._settings.exclude
            ),
        )
        for line in changes.lines(self._status, current):
            log.info(line)
        self._status = current
        if authority.state is AuthorityState.SUPERSEDED:
            return  # ConfigMaps and rows are the newer operator's now
        wanted = {STATUS: report.encode(current)}
        if self._memory is not None:  # else what Tilt holds has not been taken over yet
            wanted[MEMORY] = memory.encode(self._memory)
        await publish(self._client, objects, wanted)
        if self._memory is not None:
            situation = self._situation(self._memory, objects, catalog, authority)
            await show_buttons(self._client, objects, buttons.wanted(situation))
        shown = rows.rows(current) if self._loaded else ()
        await self._rows.publish(objects, shown, self._now())

    def _situation(
        self, memory: Memory, objects: TiltObjects, catalog: CatalogSeen, authority: AuthoritySeen
    ) -> buttons.Situation:
        """Gather what the buttons depend on. Until namespaces are counted, offers stay."""
        desired = self._decision.desired
        known = offers(objects) if catalog.available is None else catalog.available
        offered = frozenset((*known, *memory.stopped)) - self._settings.exclude
        return buttons.Situation(
            forwarded=tuple(namespace.name for namespace in desired.namespaces),
            offered=offered,
            paused=desired.paused,
            denied=authority.state is AuthorityState.DENIED,
        )

    def _failed(self, error: Exception, _: int) -> None:
        """Say once what is wrong; count what means that Tilt is gone."""
        if isinstance(error, TiltConflict):
            return
        if isinstance(error, TiltGone):
            self._refusals += 1
            if self._refusals == REFUSALS:
                self._gone(str(error))
            return
        self._refusals = 0
        sentence = repr(error)
        if sentence != self._said:
            self._said = sentence
            known = isinstance(error, TiltError)
            log.error(str(error) if known else "A pass has failed.", exc_info=not known and error)


def _internal(failure: Exception | None) -> tuple[Problem, ...]:
    if failure is None:
        return ()
    message = (
        f"A defect of kubefwd-operator: {type(failure).__name__} while deciding what to forward. "
        "What was forwarded stays; the log has the details, please report them."
    )
    return (Problem(Reason.INTERNAL_ERROR, message),)


def utc_now() -> str:
    """Give the time as RFC 3339, to the second."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
