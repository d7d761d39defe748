"""A cluster in memory, on the loop's own clock: lists, watches, and failures on demand.

It stands in for ClusterClient where the clock is looptime's; the same conduct on the real thing is
tests/contract/kube.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from kubefwd_operator.core.errors import ClusterError, NotFound

Json = dict[str, Any]


class Source:
    """Objects by path and name; `calls` says what was asked, and when."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, Json]] = {}
        self.errors: dict[str, ClusterError] = {}
        self.watch_errors: dict[str, ClusterError] = {}
        self.calls: list[tuple[float, str, str]] = []
        self.version = 10
        self.instant_end = False
        self._watches: dict[str, list[asyncio.Queue[Json | ClusterError | None]]] = {}

    # --- what the reflector calls ----------------------------------------------------------------

    async def get(self, path: str, **query: str) -> Json:
        self._called("list", path)
        await asyncio.sleep(0)
        if path in self.errors:
            raise self.errors[path]
        if path.startswith("/api/v1/namespaces/") and path.count("/") == 4:
            raise NotFound("no such namespace")
        every = list(self.objects.get(path, {}).values())
        first = int(query.get("continue", 0))
        after = first + int(query.get("limit", len(every)))
        items = every[first:after]
        more = {"continue": str(after)} if after < len(every) else {}
        return {"metadata": {"resourceVersion": str(self.version), **more}, "items": items}

    @asynccontextmanager
    async def watch(
        self, path: str, resource_version: str, **query: str
    ) -> AsyncIterator[AsyncIterator[Json]]:
        self._called(f"watch {resource_version}", path)
        await asyncio.sleep(0)
        if path in self.watch_errors:
            raise self.watch_errors[path]
        queue: asyncio.Queue[Json | ClusterError | None] = asyncio.Queue()
        self._watches.setdefault(path, []).append(queue)
        if self.instant_end:
            queue.put_nowait(None)
        try:
            yield self._events(queue)
        finally:
            self._watches[path].remove(queue)

    async def _events(
        self, queue: "asyncio.Queue[Json | ClusterError | None]"
    ) -> AsyncIterator[Json]:
        while (item := await queue.get()) is not None:
            if isinstance(item, ClusterError):
                raise item
            yield item

    def _called(self, what: str, path: str) -> None:
        self.calls.append((asyncio.get_running_loop().time(), what, path))

    # --- what tests do ---------------------------------------------------------------------------

    def put(self, path: str, raw: Json, kind: str = "MODIFIED") -> None:
        """Create or change an object; watches tell."""
        self.version += 1
        raw["metadata"]["resourceVersion"] = str(self.version)
        self.objects.setdefault(path, {})[raw["metadata"]["name"]] = raw
        self.tell(path, {"type": kind, "object": raw})

    def remove(self, path: str, name: str, *, quietly: bool = False) -> None:
        """Delete an object; watches tell, unless they miss it."""
        self.version += 1
        raw = self.objects[path].pop(name)
        if not quietly:
            self.tell(path, {"type": "DELETED", "object": raw})

    def tell(self, path: str, item: "Json | ClusterError | None") -> None:
        """Put something into the running watches: an event, an error, or None, the end."""
        for queue in self._watches.get(path, ()):
            queue.put_nowait(item)

    def times(self, what: str) -> list[float]:
        """When something was asked, rounded to 10 ms."""
        return [round(at, 2) for at, asked, _ in self.calls if asked.startswith(what)]
