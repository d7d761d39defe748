"""Whether kubefwd is still at work, seen from outside: it is while rows and sockets come. Pure."""

from collections.abc import Iterable, Iterator
from math import inf

from kubefwd_operator.core.names import ServiceKey
from kubefwd_operator.engines.kubefwd.truth import Judgement, Place

SETTLED = 10.0
"""Seconds without anything new after which kubefwd has nothing more under way."""

_Sign = tuple[ServiceKey, Place, str]
"""A service, a place of it, and whether its row or its socket is meant."""


class Progress:
    """When kubefwd last got further: a row or a live place that was not there before.

    What comes back within SETTLED is not further: a forward may break and mend all the time (each
    connection that a pod refuses ends its forward for a second), and others must not wait for it.
    """

    def __init__(self) -> None:
        self.at = -inf
        self._there: set[_Sign] = set()
        self._lost: dict[_Sign, float] = {}

    def note(self, judgements: Iterable[Judgement], now: float) -> None:
        """Take what is seen now."""
        there = {sign for judgement in judgements for sign in _signs(judgement)}
        self._lost = {sign: at for sign, at in self._lost.items() if now - at < SETTLED}
        if there - self._there - self._lost.keys():
            self.at = now
        self._lost |= dict.fromkeys(self._there - there, now)
        self._there = there


def _signs(judgement: Judgement) -> Iterator[_Sign]:
    for place in judgement.begun:
        yield judgement.key, place, "row"
    for place in judgement.places:
        yield judgement.key, place, "socket"
