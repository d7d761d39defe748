"""Ports that a program of this machine has, so that kubefwd cannot listen there.

kubefwd says only that it is "unable to listen", tries again every second, and has no row meanwhile.
A program that listens on all addresses is in its way whichever address it takes; mending is in vain
until that one is gone, and needless afterwards.
"""

from collections.abc import Callable, Iterable, Mapping

from kubefwd_operator.core import clashes
from kubefwd_operator.core.names import ServiceKey
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.engines import occupant
from kubefwd_operator.engines.hosts import AGAIN
from kubefwd_operator.engines.kubefwd.output import PodKey
from kubefwd_operator.engines.kubefwd.truth import Judgement
from kubefwd_operator.engines.occupant import Occupant

UNABLE = "unable to listen"

ALL = "0.0.0.0"  # noqa: S104 - nothing is bound here


class Taken:
    """Knows who has the ports that services lack; asks when these change, or when it is told to."""

    def __init__(self) -> None:
        self._asked: frozenset[int] = frozenset()
        self._occupants: Mapping[int, Occupant] = {}

    async def look(
        self, judgements: Iterable[Judgement], failure: Callable[[PodKey], str], *, again: bool
    ) -> dict[ServiceKey, tuple[Problem, ...]]:
        """Say by service which of its ports are taken. `failure` is what kubefwd said of a pod."""
        lacking = [each for each in judgements if each.missing and _is_unable(each, failure)]
        ports = frozenset(port for each in lacking for port in each.missing)
        if ports and (again or not ports <= self._asked):
            found = await occupant.ask([(ALL, port) for port in ports])
            self._asked = ports
            self._occupants = {port: who for (_, port), who in found.items()}
        told = {each.key: tuple(self._problems(each)) for each in lacking}
        return {key: problems for key, problems in told.items() if problems}

    def _problems(self, judgement: Judgement) -> Iterable[Problem]:
        namespace, service = judgement.key
        for port in judgement.missing:
            if who := self._occupants.get(port):
                place = f"{service}.{namespace}:{port}"
                yield clashes.port_taken(place, service, namespace, str(who), AGAIN)


def _is_unable(judgement: Judgement, failure: Callable[[PodKey], str]) -> bool:
    endpoints = judgement.service.endpoints
    return any(UNABLE in failure((judgement.key[0], each.pod)) for each in endpoints)
