"""One list and its watch, kept up to date for ever: list, watch, list again when told to.

A watch that ends is opened again from the last resource version; Gone (410) and every other error
lead to a new list, which replaces everything, so nothing that was deleted meanwhile stays. What is
known stays known while the cluster fails: `error` says that it may be old.

An error right after a success is tried again once without a word (an apiserver that restarts, a
load balancer that closes); then it shows, and delays grow to their cap. Delays are data, with
jitter, so that fifty watches do not come back in the same instant.
"""

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, Protocol, TypeVar

from kubefwd_operator.cluster.failures import Gone
from kubefwd_operator.cluster.problems import InternalError
from kubefwd_operator.core.errors import ClusterError, ClusterUnreachable

log = logging.getLogger(__name__)

T = TypeVar("T")
Json = dict[str, Any]

UNREACHABLE_DELAYS = (0.5, 1.0, 2.0, 4.0)
"""Seconds between attempts while the cluster cannot be reached; with jitter never over 5."""

REFUSED_DELAYS = (1.0, 2.0, 5.0, 10.0, 24.0)
"""Seconds between attempts after an answer that somebody has to change first (403, credentials)."""

PAGE = 50
"""Objects of one answer where there is a limit: each may weigh more than a megabyte."""

SHORT_WATCH = 1.0
"""A watch that ends sooner (seconds) is opened again only when this has passed."""


class Source(Protocol):
    """The part of ClusterClient that a reflector needs."""

    async def get(self, path: str, **query: str) -> Json:
        """Give a list."""

    def watch(
        self, path: str, resource_version: str, **query: str
    ) -> AbstractAsyncContextManager[AsyncIterator[Json]]:
        """Open a watch."""


class Reflector(Generic[T]):
    """Keeps `items` as the cluster has them; `changed` is called after a change.

    `parse` boils a raw object down; None leaves it out. An update that boils down to the same
    value is no change. The key of an item is its object's name, with `across` namespaces
    `namespace/name`. `refused` are the seconds between attempts after an answer that somebody has
    to change first. `at_most` so many are kept, if given, and `cut` says that there are more; they
    are listed in pages then, since whoever writes such objects decides what they weigh.
    """

    def __init__(
        self,
        client: Source,
        path: str,
        parse: Callable[[Json], T | None],
        changed: Callable[[], None],
        jitter: Callable[[], float] = lambda: random.uniform(0.75, 1.25),  # noqa: S311
        *,
        across: bool = False,
        refused: tuple[float, ...] = REFUSED_DELAYS,
        at_most: int = 0,
    ) -> None:
        self.items: dict[str, T] = {}
        self.synced = False
        self.error: ClusterError | None = None
        self._client, self._path, self._parse, self._changed = client, path, parse, changed
        self._jitter, self._across, self._refused = jitter, across, refused
        self._at_most, self.cut = at_most, False
        self._failures = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, or begin anew with a list; what is known stays until it is there."""
        self.stop()
        self._task = asyncio.create_task(self._run(), name=f"reflector {self._path}")

    def stop(self) -> None:
        """End without waiting; `items` stay as they are."""
        if self._task is not None:
            self._task.cancel()

    async def close(self) -> None:
        """End, and wait for it."""
        self.stop()
        if self._task is not None:
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            try:
                version = await self._list()
                while True:
                    version = await self._watch(version)
            except Gone:
                await asyncio.sleep(0.2 * self._jitter())
            except ClusterError as error:
                await self._failed(error)
            except Exception as error:
                log.exception("A list or watch failed unexpectedly path=%s", self._path)
                await self._failed(InternalError(f"{type(error).__name__}: see the log."))

    async def _list(self) -> str:
        fresh: dict[str, T] = {}
        query = {"limit": str(min(PAGE, self._at_most))} if self._at_most else {}
        read, more, cut = 0, "first", False
        while more and read < max(1, self._at_most):
            found = await self._client.get(self._path, **query)
            items, more = found.get("items") or (), str(found["metadata"].get("continue") or "")
            for raw in items:
                cut |= not self._keep(fresh, raw, self.items.get(self._key(raw)))
            read += max(1, len(items))
            query["continue"] = more
        cut |= bool(more)
        different = fresh != self.items or not self.synced or self.cut != cut
        self.items, self.synced, self.cut = fresh, True, cut
        if different:
            self._changed()
        return str(found["metadata"]["resourceVersion"])

    async def _watch(self, version: str) -> str:
        """Follow one watch to its end; gives the version to go on from."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        async with self._client.watch(self._path, version) as events:
            self._well()
            async for event in events:
                version = event["object"]["metadata"]["resourceVersion"]
                self._apply(event["type"], event["object"])
        await asyncio.sleep(max(0.0, started + SHORT_WATCH - loop.time()))
        return version

    def _apply(self, kind: str, raw: Json) -> None:
        if kind == "BOOKMARK":
            return
        key = self._key(raw)
        known = self.items.pop(key, None)
        cut = self.cut
        if kind != "DELETED":
            self.cut = not self._keep(self.items, raw, known) or cut
        if self.items.get(key) is not known or self.cut != cut:
            self._changed()

    def _keep(self, items: dict[str, T], raw: Json, known: T | None) -> bool:
        """Keep an object, if it is one and there is room; say whether there is."""
        if self._at_most and len(items) >= self._at_most:
            return False
        fresh = self._parse(raw)
        if fresh is not None:
            items[self._key(raw)] = known if known == fresh else fresh
        return True

    def _key(self, raw: Json) -> str:
        name = str(raw["metadata"]["name"])
        return f"{raw['metadata'].get('namespace')}/{name}" if self._across else name

    def _well(self) -> None:
        self._failures = 0
        if self.error is not None:
            self.error = None
            self._changed()

    async def _failed(self, error: ClusterError) -> None:
        self._failures += 1
        unreachable = isinstance(error, ClusterUnreachable)
        delays = UNREACHABLE_DELAYS if unreachable else self._refused
        if not self.synced or self._failures > 1:
            different = str(error) != str(self.error)
            self.error = error
            if different:
                self._changed()
        await asyncio.sleep(delays[min(self._failures, len(delays)) - 1] * self._jitter())
