"""What the engine remembers of the catalog's past: how long something has been missing.

Times are loop time, in seconds, and are handed in.
"""

from collections.abc import Iterable

from kubefwd_operator.core.forwardable import refusal
from kubefwd_operator.core.model import Service
from kubefwd_operator.engines.native.leases import LeaseKey, hostnames
from kubefwd_operator.engines.native.target import ServiceKey

NO_PODS_AFTER = 10.0
"""Seconds without any pod after which a service stops listening."""

DEPARTED_FOR = 30.0
"""Seconds that a named endpoint of a headless service is expected back."""


class Absences:
    """Notes at every pass what is missing, and answers since when long enough."""

    def __init__(self) -> None:
        self._podless: dict[ServiceKey, float] = {}
        self._here: set[LeaseKey] = set()
        self._left: dict[LeaseKey, float] = {}

    def note(self, services: Iterable[Service], now: float) -> None:
        """Take the services of this moment."""
        services = tuple(services)
        podless = {
            (each.namespace, each.name)
            for each in services
            if not each.endpoints and refusal(each) is None
        }
        self._podless = {key: self._podless.get(key, now) for key in podless}
        here = set(hostnames(services))
        headless = {(each.namespace, each.name) for each in services if each.headless}
        left = {key: self._left.get(key, now) for key in {*self._here, *self._left} - here}
        self._left = {
            key: since
            for key, since in left.items()
            if key[:2] in headless and now - since < DEPARTED_FOR
        }
        self._here = here

    def idle(self, now: float) -> frozenset[ServiceKey]:
        """Return the services that have been without a pod for long enough to stop listening."""
        return frozenset(k for k, since in self._podless.items() if now - since >= NO_PODS_AFTER)

    def departed(self) -> tuple[LeaseKey, ...]:
        """Return the named endpoints that have left a moment ago."""
        return tuple(self._left)

    def next_change(self, now: float) -> float | None:
        """Return the seconds until one of the answers changes by time alone."""
        ends = [since + NO_PODS_AFTER for since in self._podless.values()]
        ends += [since + DEPARTED_FOR for since in self._left.values()]
        return min((end - now for end in ends if end > now), default=None)
