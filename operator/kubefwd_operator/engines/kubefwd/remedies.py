"""What to do about services that are not forwarded as they should be: the least first. Pure.

Each service in trouble climbs a ladder of steps (`ladder.py`); a service that is well, or of which
nothing is expected, is forgotten. Time is the event loop's, in seconds, and is handed in. Three
rules keep a remedy from being worse than the disease:

- **kubefwd's own work comes first.** It tries again by itself, and brings 250 services up over
  98 s: client-go lets it ask the API server five times a second, all namespaces together, and for
  the first 46 s there are rows and nothing listens (measured on 1.25.16). What is merely missing is
  waited for while a row or a socket comes anywhere, and never is more asked for at once than
  kubefwd can do.
- **Nothing that works is cut for something that does not.** A namespace is renewed, and kubefwd is
  restarted, only when none of the services that this would hit works, be it in part. Else the
  service is given up and climbs again later, and one that works in part is itself cut only twice.
- **A restart for want of addresses** asks nobody, because it is the only cure; but it cures nothing
  when more are needed than a namespace has.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from math import inf

from kubefwd_operator.core.names import ServiceKey
from kubefwd_operator.engines.kubefwd.ladder import Case, Step
from kubefwd_operator.engines.kubefwd.progress import Progress
from kubefwd_operator.engines.kubefwd.truth import ADDRESSES, Judgement, Verdict

__all__ = ["Remedies", "Remedy", "State", "Step"]

AT_ONCE, BREATH = 5, 5.0
"""How many remedies are asked for together, and seconds until the rest. To delete and add one
service takes a second, because kubefwd must settle in between."""

POSTPONED = 600.0
"""Seconds for which progress elsewhere can put a step off."""

CUTS = 2
"""How often a service that works in part is deleted and added: once may have failed by chance."""

RESTART_MIN, RESTART_MAX = 60.0, 600.0
"""Seconds from one restart to the next; doubles until all is well."""


class State(StrEnum):
    """How far it is with a service; the report says Reconnecting, and Failed once GIVEN_UP."""

    NONE = "none"
    HEALING = "healing"
    GIVEN_UP = "given up"
    """To delete and add it did not help, or nothing more is allowed. More may still be tried."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """One step. `service` is empty for a whole namespace, and `namespace` too for a restart.

    `reason` is a part of a sentence: which service asks for it, and what was seen.
    """

    step: Step
    namespace: str
    service: str
    reason: str


class Remedies:
    """Every service in trouble, and how far it has climbed."""

    def __init__(self) -> None:
        self._cases: dict[ServiceKey, Case] = {}
        self._progress = Progress()
        self._working: set[str] = set()
        self._crowded: set[str] = set()
        self._restarts = 0
        self._restarted = self._paused = -inf

    def note(
        self, judgements: Iterable[Judgement], now: float, beyond: Collection[ServiceKey] = ()
    ) -> tuple[Remedy, ...]:
        """Take what is seen of all services, and return the steps that are due.

        Each is returned once and counts as tried. `beyond` are services that no step would help.
        """
        seen = tuple(judgements)
        self._progress.note(seen, now)
        self._follow(seen, now, beyond)
        due = [case for case in self._cases.values() if self._due(case) <= now]
        asked = [(case, step) for case in due if (step := self._choose(case, now))]
        asked.sort(key=lambda one: list(Step).index(one[1]), reverse=True)
        taken = tuple(islice(self._take(asked, now), AT_ONCE))
        if len(taken) == AT_ONCE:
            self._paused = now + BREATH
        return taken

    def tried(self, key: ServiceKey) -> int:
        """Return how many steps were tried since the trouble of a service began."""
        return self._cases[key].tried if key in self._cases else 0

    def state(self, key: ServiceKey) -> State:
        """Say how far it is with a service; it stays given up until it is well."""
        if key not in self._cases:
            return State.NONE
        return State.GIVEN_UP if self._cases[key].failed else State.HEALING

    def next_change(self, now: float) -> float | None:
        """Return seconds until something is due by time alone; None if nothing will be."""
        due = min(map(self._due, self._cases.values()), default=None)
        return None if due is None else max(0.0, due - now)

    def forget(self) -> None:
        """Begin anew, because kubefwd did; how often it was restarted is kept."""
        self._cases.clear()
        self._progress = Progress()
        self._paused = -inf

    def _follow(
        self, seen: tuple[Judgement, ...], now: float, beyond: Collection[ServiceKey]
    ) -> None:
        """Open and close cases; see what must not be cut, and where a restart is of no use."""
        well = (Verdict.READY, Verdict.NO_ENDPOINTS)
        before, self._cases = self._cases, {}
        for each in seen:
            if each.verdict not in well and each.key not in beyond:
                case = self._cases[each.key] = before.get(each.key) or Case(each, now, now)
                case.see(each, now)
        self._working = {each.service.namespace for each in seen if each.works}
        self._crowded = _crowded(seen)
        if self._working and not self._cases:
            self._restarts = 0

    def _due(self, case: Case) -> float:
        step, wait = case.next()
        base, verdict = case.base, case.judgement.verdict
        if verdict is Verdict.STALE:
            base = max(base, case.stale)
        elif verdict in (Verdict.MISSING, Verdict.NOT_LISTENING):
            base = max(base, min(self._progress.at, base + POSTPONED))
        after = self._restart_after() if step is Step.RESTART else -inf
        return max(base + wait, after, self._paused)

    def _restart_after(self) -> float:
        doubled = RESTART_MIN * 2.0 ** max(0, self._restarts - 1)
        return self._restarted + min(doubled, RESTART_MAX)

    def _choose(self, case: Case, now: float) -> Step | None:
        """Return the next step of a case whose time has come, or give it up for a while."""
        case.judge_last()
        step, _ = case.next()
        if step is None or not self._is_allowed(case, step):
            case.give_up(now)
            return None
        return step

    def _is_allowed(self, case: Case, step: Step) -> bool:
        if step is Step.RECREATE:
            return case.rounds < CUTS or not case.judgement.works
        if step is Step.READD:
            return case.namespace not in self._working
        if step is Step.RESTART and self._working:
            exhausted = case.judgement.verdict is Verdict.EXHAUSTED
            return exhausted and case.namespace not in self._crowded
        return True

    def _take(self, asked: Iterable[tuple[Case, Step]], now: float) -> Iterator[Remedy]:
        """Take the steps, the greatest first: what a greater one does is not done again."""
        renewed: set[str] = set()
        for case, step in asked:
            namespace, service = case.judgement.key
            reason = case.reason(now)
            if step is Step.RESTART:
                self._restarts, self._restarted = self._restarts + 1, now
                self._take_all(self._cases.values(), step, now)
                yield Remedy(step, "", "", reason)
                return
            if namespace in renewed:
                continue
            if step is Step.READD:
                renewed.add(namespace)
                own = [each for each in self._cases.values() if each.namespace == namespace]
                self._take_all(own, step, now)
                yield Remedy(step, namespace, "", reason)
            else:
                case.take(step, now)
                yield Remedy(step, namespace, service, reason)

    @staticmethod
    def _take_all(cases: Iterable[Case], step: Step, now: float) -> None:
        for case in cases:
            case.take(step, now)


def _crowded(judgements: Iterable[Judgement]) -> set[str]:
    """Return the namespaces that need more addresses than there are, however fresh kubefwd is.

    Only ready pods count: while pods are replaced there are old and new ones, which passes.
    """
    needed: Counter[str] = Counter()
    for each in judgements:
        ready = sum(endpoint.ready for endpoint in each.service.endpoints)
        pods = ready if each.service.headless else 0
        needed[each.service.namespace] += 1 + pods
    return {namespace for namespace, count in needed.items() if count > ADDRESSES}
