"""The steps against a kind of trouble, and one service's climb of them. Pure.

`reconnect` is no step. It races with itself: see `KubefwdApi.reconnect`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from math import inf

from kubefwd_operator.engines.kubefwd.truth import TROUBLES, Judgement, Verdict

AGAIN_MIN, AGAIN_MAX = 60.0, 300.0
"""Seconds until a service that was given up climbs again; doubles."""


class Step(StrEnum):
    """What can be done, the least first."""

    WAIT = "wait"
    SYNC = "sync"
    RECREATE = "delete and add the service"
    READD = "delete and add the namespace"
    RESTART = "restart"

    def exceeds(self, other: "Step") -> bool:
        """Say whether this is the greater step."""
        order = list(Step)
        return order.index(self) > order.index(other)


_MISSING: Mapping[Step, float] = {
    # kubefwd itself tries again after 1 s (a forward that broke) and after 10 s (no pod).
    Step.SYNC: 10.0,
    Step.RECREATE: 10.0,
    Step.READD: 20.0,
    Step.RESTART: 30.0,
}

LADDERS: Mapping[Verdict, Mapping[Step, float]] = {
    Verdict.MISSING: _MISSING,
    Verdict.NOT_LISTENING: _MISSING,
    # A rollout swaps the pod, and kubefwd may be about to do so too.
    Verdict.STALE: {Step.RECREATE: 3.0, Step.READD: 20.0, Step.RESTART: 30.0},
    Verdict.HALF_OPEN: {Step.RECREATE: 0.0, Step.READD: 20.0, Step.RESTART: 30.0},
    Verdict.EXHAUSTED: {Step.RESTART: 0.0},
}
"""By kind of trouble the steps, and seconds from the one before (or the beginning) to each."""


@dataclass(slots=True)
class Case:
    """A service in trouble since `since`. Another kind of trouble is the same case.

    `base` is when its last step was taken, or when it began to climb. `stale` is since when it has
    been STALE, and never while it is not. `tried` counts steps, `rounds` how often it was given up.
    """

    judgement: Judgement
    since: float
    base: float
    stale: float = inf
    step: Step = Step.WAIT
    tried: int = 0
    rounds: int = 0
    failed: bool = False

    @property
    def namespace(self) -> str:
        """The namespace of the service."""
        return self.judgement.service.namespace

    def see(self, judgement: Judgement, now: float) -> None:
        """Take a new judgement."""
        if judgement.verdict is not Verdict.STALE:
            self.stale = inf
        elif self.stale == inf:
            self.stale = now
        self.judgement = judgement

    def next(self) -> tuple[Step | None, float]:
        """Return the next step and its wait in seconds; no step at the end of the ladder."""
        for step, wait in LADDERS[self.judgement.verdict].items():
            if step.exceeds(self.step):
                return step, wait
        return None, AGAIN_MIN

    def take(self, step: Step, now: float) -> None:
        """Count a step as tried."""
        self.step, self.base = step, now
        self.tried += 1

    def judge_last(self) -> None:
        """Take note that the last step has had its time: to delete and add should have helped."""
        self.failed |= self.step.exceeds(Step.SYNC)

    def give_up(self, now: float) -> None:
        """Begin to climb again later."""
        self.base = now + min(AGAIN_MIN * 2.0**self.rounds, AGAIN_MAX)
        self.step, self.failed = Step.WAIT, True
        self.rounds += 1

    def reason(self, now: float) -> str:
        """Say what was seen, as a part of a sentence."""
        ports = ", ".join(map(str, self.judgement.missing))
        where = f" (port {ports})" if ports else ""
        seen = TROUBLES[self.judgement.verdict]
        return f"{self.judgement.service.key} {seen}{where}, for {now - self.since:.0f} s"
