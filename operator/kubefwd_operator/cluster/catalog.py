"""The catalog: Services of the desired namespaces and the pods behind them, always up to date.

A part like the others: `want` and `seen` return at once, tasks do the work, `changed` is called
(coalesced) when `seen()` answers differently than at the last call. It keeps what it last knew
while the cluster cannot be reached, and says so in `CatalogSeen.problem`; a namespace that is
forbidden or missing is that namespace's problem only.

When the machine has slept, wall and monotonic clock have moved apart: watches may be dead without
knowing it and events are lost, so everything is listed anew over new connections.
"""

import asyncio
import logging
import time
from collections.abc import Callable

from kubefwd_operator.cluster import credentials, pods
from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.cluster.clocks import jumps
from kubefwd_operator.cluster.session import Loader, Session
from kubefwd_operator.core.errors import ClusterError
from kubefwd_operator.core.model import UNREAD, CatalogSeen, Desired, Service

log = logging.getLogger(__name__)

COALESCE = 0.02
"""Seconds in which changes become one call of `changed`."""

CLOCK_LOOK, CLOCK_JUMP = 2.0, 5.0
"""Seconds between two looks at the clocks, and how far apart they must have moved."""


class Catalog:
    """What the developer's cluster holds. Make it, `start()` it in the loop, `close()` it."""

    def __init__(
        self,
        changed: Callable[[], None],
        *,
        load: Loader = credentials.load,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._changed, self._load, self._wall = changed, load, wall
        self._desired = Desired()
        self._session: Session | None = None
        self._generation = 0
        self._told = CatalogSeen()
        self._timer: asyncio.TimerHandle | None = None
        self._clock: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Begin to work, inside the running loop."""
        self._clock = asyncio.create_task(self._watch_clocks(), name="catalog clocks")
        self.want(self._desired)

    def want(self, desired: Desired) -> None:
        """Follow these namespaces of this cluster; a grown generation starts anew."""
        self._desired = desired
        if self._clock is None:
            return
        current = self._session and (self._session.ref, self._generation)
        if current != (desired.cluster and (desired.cluster, desired.generation)):
            self._replace_session(desired)
        if self._session is not None:
            self._session.want(tuple(dict.fromkeys(ns.name for ns in desired.namespaces)))
        self._note()

    def seen(self) -> CatalogSeen:
        """Give what is known at this moment."""
        return self._session.seen() if self._session else CatalogSeen()

    @property
    def client(self) -> ClusterClient | None:
        """The client for dials; None while there is no usable kubeconfig."""
        return self._session.client if self._session else None

    @property
    def access(self) -> credentials.Access | None:
        """The developer's credentials; None while there is no usable kubeconfig."""
        return self._session.access if self._session else None

    async def failing(self, service: Service) -> str:
        """Ask now why no pod of a service can answer: "CrashLoopBackOff", ...; "" if one may."""
        if self.client is None or not service.selector:
            return ""
        selector = ",".join(f"{key}={value}" for key, value in service.selector.items())
        try:
            found = await self.client.get(
                f"/api/v1/namespaces/{service.namespace}/pods", labelSelector=selector
            )
        except ClusterError:
            return ""  # not known to fail
        return pods.failing(found.get("items") or ())

    async def close(self) -> None:
        """End all tasks and connections; never raises."""
        if self._clock is not None:
            self._clock.cancel()
            await asyncio.wait([self._clock])
            self._clock = None
        self._drop_session()
        if self._closing:
            await asyncio.wait(self._closing)
        if self._timer is not None:
            self._timer.cancel()

    def _replace_session(self, desired: Desired) -> None:
        before = self.seen()
        self._drop_session()
        self._generation = desired.generation
        if desired.cluster is not None:
            policies = before.policies if before.cluster == desired.cluster else UNREAD
            self._session = Session(desired.cluster, self._load, self._note, policies)

    def _drop_session(self) -> None:
        if self._session is not None:
            task = asyncio.create_task(self._session.close(), name="close cluster session")
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)
            self._session = None

    def _note(self) -> None:
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(COALESCE, self._tell)

    def _tell(self) -> None:
        self._timer = None
        seen = self.seen()
        if seen != self._told:
            self._told = seen
            self._changed()

    async def _watch_clocks(self) -> None:
        async for jump in jumps(self._wall, CLOCK_LOOK):
            if abs(jump) > CLOCK_JUMP and self._session is not None:
                log.info("The machine has slept; the cluster is listed anew")
                self._session.relist()
