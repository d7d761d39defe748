"""Which pod a connection goes to, decided when it is made.

The ready endpoint with the fewest connections of ours wins, by lot among equals. When none is
ready the connection is held until the catalog changes; nothing polls. The cluster is asked
whether all pods are failing only while a connection is held, at most every ASK_AGAIN seconds for
one service however many connections wait.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Protocol

from kubefwd_operator.core.model import CatalogSeen, Service
from kubefwd_operator.engines.native.target import Choice, ServiceKey, Target, choices

ASK_AGAIN = 2.0
"""Seconds that an answer to "are all pods failing?" holds."""

PAUSE_MIN, PAUSE_MAX = 0.1, 1.0
"""Seconds before pods that refused are tried again; doubles from MIN to MAX."""

TICK = 0.001
"""Seconds of the shortest wait: rounding must not make a loop of waits that end at once."""


class Pods(Protocol):
    """What picking needs of `cluster/catalog.py`'s Catalog."""

    def seen(self) -> CatalogSeen:
        """Return everything that is known of the cluster now."""

    async def failing(self, service: Service) -> str:
        """Ask the cluster why every pod of this service keeps failing; nothing if unknown."""


@dataclass(slots=True)
class Tries:
    """What one connection has tried in this round; rounds are `pause` seconds apart."""

    tried: set[Choice] = field(default_factory=set)
    pause: float = PAUSE_MIN
    again_at: float = 0.0

    def fresh(self, ready: list[Choice], now: float) -> list[Choice]:
        """Return the pods to try now; when all were tried, nothing until the pause is over."""
        fresh = [choice for choice in ready if choice not in self.tried]
        if fresh or not ready:
            return fresh
        if not self.again_at:
            self.again_at = now + self.pause
        if now < self.again_at:
            return []
        self.tried.clear()
        self.again_at, self.pause = 0.0, min(self.pause * 2, PAUSE_MAX)
        return ready


class Unservable(Exception):
    """No pod can take this connection; the message says why."""


class Picker:
    """Picks pods for connections and holds those for which there is none yet.

    `changed` is called when `failing` has changed.
    """

    def __init__(
        self,
        catalog: Pods,
        lot: Callable[[], float] = random.random,
        changed: Callable[[], None] = lambda: None,
    ) -> None:
        self.busy: Counter[tuple[str, str]] = Counter()
        self.failing: dict[ServiceKey, str] = {}
        self._catalog = catalog
        self._lot = lot
        self._changed = changed
        self._index: dict[str, tuple[object, dict[str, Service]]] = {}
        self._held: set[asyncio.Future[None]] = set()
        self._idle: frozenset[ServiceKey] = frozenset()
        self._questions: dict[ServiceKey, tuple[float, asyncio.Task[str]]] = {}

    def wake(self) -> None:
        """Let every held connection look again: the catalog has changed.

        What it says of a service that is gone or has a ready pod outdates what a connection learnt.
        """
        for key in list(self.failing):
            service = self.service(key)
            if service is None or any(endpoint.ready for endpoint in service.endpoints):
                del self.failing[key]
        for held in self._held:
            if not held.done():
                held.set_result(None)

    def idle(self, services: Iterable[ServiceKey]) -> None:
        """Take the services that have had no pod for so long that nobody is held for them."""
        before, self._idle = self._idle, frozenset(services)
        if self._idle - before:
            self.wake()

    def service(self, key: ServiceKey) -> Service | None:
        """Find a service in what the catalog shows now."""
        namespace = self._catalog.seen().namespaces.get(key[0])
        if namespace is None:
            return None
        known = self._index.get(key[0])
        if known is None or known[0] is not namespace:
            known = (namespace, {service.name: service for service in namespace.services})
            self._index[key[0]] = known
        return known[1].get(key[1])

    async def pick(self, target: Target, tries: Tries, deadline: float) -> Choice:
        """Return a pod that was not tried yet, waiting for one until `deadline` (loop time).

        When every ready pod has been tried they are tried again after a pause that grows. Raises
        Unservable.
        """
        now = asyncio.get_running_loop().time
        while True:
            ready = self._ready(target)
            if fresh := tries.fresh(ready, now()):
                choice = min(fresh, key=lambda choice: (self.busy[choice.key], self._lot()))
                tries.tried.add(choice)
                return choice
            changed = self._hold()
            try:
                await self._refuse_if_failing(target)
                if (left := deadline - now()) <= 0:
                    raise Unservable("no pod took the connection in time")
                again = tries.again_at - now() if ready else ASK_AGAIN
                await self._wait(changed, max(TICK, min(left, again)))
            finally:
                self._held.discard(changed)

    @contextmanager
    def occupied(self, choice: Choice) -> Iterator[None]:
        """Count a connection to this pod as long as it lasts."""
        self.busy[choice.key] += 1
        try:
            yield
        finally:
            self.busy[choice.key] -= 1
            if self.busy[choice.key] <= 0:
                del self.busy[choice.key]

    def _ready(self, target: Target) -> list[Choice]:
        service = self.service(target.key)
        if service is None:
            namespace = self._catalog.seen().namespaces.get(target.namespace)
            if namespace is None or namespace.synced:
                raise Unservable("the service is gone")
            return []
        if target.key in self._idle and not service.endpoints:
            raise Unservable("the service has no pods")
        return choices(service, target)

    def _hold(self) -> asyncio.Future[None]:
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._held.add(held)
        return held

    @staticmethod
    async def _wait(changed: asyncio.Future[None], seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed

    async def _refuse_if_failing(self, target: Target) -> None:
        service = self.service(target.key)
        if service is None:
            return
        why = await self._why(service)
        known = self.failing.pop(target.key, "")
        if why:
            self.failing[target.key] = why
        if why != known:
            self._changed()
        if why:
            raise Unservable(f"its pods are in {why}")

    async def _why(self, service: Service) -> str:
        """Ask the cluster, together with everybody who asks about the same service."""
        key = (service.namespace, service.name)
        now = asyncio.get_running_loop().time()
        asked = self._questions.get(key)
        if asked is None or now - asked[0] >= ASK_AGAIN:
            asked = (now, asyncio.ensure_future(self._catalog.failing(service)))
            self._questions[key] = asked
        return await asyncio.shield(asked[1])
