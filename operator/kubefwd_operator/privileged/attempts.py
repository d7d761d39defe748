"""Trying the ways to root, one after the other, and keeping what was started until it is reaped.

A program that dies without a helper having connected is a refusal; one that still runs is waiting
for a person. What it says goes to the log, its last line into the message of a refusal, and what it
meant is judged by `answers.py`.
"""

import asyncio
import logging
from dataclasses import dataclass

from kubefwd_operator.privileged import peer
from kubefwd_operator.privileged.answers import Answer, judge
from kubefwd_operator.privileged.process import Child
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import Launch, Obstacle, Way

_NO_TIME = "it has not ended in time"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A way that has come to nothing. `launched` is False when there was an obstacle to it.

    `answer` is what it meant: BROKEN for whatever has asked nobody.
    """

    way: Way
    launched: bool
    said: str
    answer: Answer = Answer.BROKEN


class Attempts:
    """Every program started so far that may still run, and which way is being tried."""

    def __init__(self, log: logging.Logger) -> None:
        self._trying: tuple[Way, Child] | None = None
        self._children: list[Child] = []
        self._log = log

    async def refused(self, way: Way, here: Surroundings, limit: float | None) -> Refusal:
        """Try a way until it has come to nothing; cancelled when a helper connects.

        `limit`: seconds after which a way that asks nobody is given up; None waits for the person.
        """
        plan = Obstacle(here.fault) if here.fault else way.plan(here)
        if isinstance(plan, Obstacle):
            return Refusal(way, launched=False, said=plan.why)
        try:
            return await self._run(way, plan, limit)
        except OSError as error:
            return Refusal(way, launched=True, said=f"{plan.argv[0]}: {error.strerror}")

    async def _run(self, way: Way, launch: Launch, limit: float | None) -> Refusal:
        child = Child(launch.argv, launch.environ, lambda line: self._hear(way, line))
        self._children.append(child)
        self._trying = (way, child)
        try:
            async with asyncio.timeout(limit):
                code = await child.ended()
        except TimeoutError:
            return Refusal(way, launched=True, said=_NO_TIME)
        finally:
            self._trying = None
        said = child.said[-1] if child.said else f"it ended with code {code}"
        answer = judge(child.said) if way.asks else Answer.BROKEN
        return Refusal(way, launched=True, said=said, answer=answer)

    def _hear(self, way: Way, line: str) -> None:
        # That `sudo -n` needs a password is no news on most machines.
        usual = not way.asks and line.startswith("sudo: ")
        self._log.log(logging.DEBUG if usual else logging.INFO, "%s: %s", way.name, line)

    def origin(self, pid: int) -> Way | None:
        """Find the way that a helper has come by: the current one, unless it is another's child."""
        if self._trying is None:
            return None
        way, child = self._trying
        return None if peer.descends(pid, child.pid) is False else way

    def dismiss(self) -> None:
        """Close the dialog that is open, if there is one: what it asks for has come otherwise."""
        if self._trying is not None:
            way, child = self._trying
            if way.asks:
                child.dismiss()

    def reap(self) -> None:
        """Collect what has ended."""
        self._children = [child for child in self._children if not child.reap()]

    def close(self) -> None:
        """Collect what has ended and stop listening to the rest: a helper outlives us."""
        self.reap()
        for child in self._children:
            child.let_go()
