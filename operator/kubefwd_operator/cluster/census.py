"""The names of all namespaces of a cluster, which the page offers for a choice.

It is a nicety: who may not list namespaces gets no choices and no complaint, and what else goes
wrong is told by those who need the cluster. It asks anew now and then, and not by a watch, because
a button that changes costs a click; the list comes from the API server's cache.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

from kubefwd_operator.core.errors import ClusterError, Forbidden
from kubefwd_operator.core.names import is_label

PERIOD = 30.0
"""Seconds between two lists."""


class Source(Protocol):
    """The part of ClusterClient that it needs."""

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        """Give a list."""


class Census:
    """Begins when it is made, inside the loop; `changed` is called when `names` are others."""

    def __init__(self, client: Source, changed: Callable[[], None]) -> None:
        self.names: tuple[str, ...] | None = None
        self._client, self._changed = client, changed
        self._task = asyncio.create_task(self._run(), name="census of namespaces")

    async def close(self) -> None:
        """End it; never raises."""
        self._task.cancel()
        await asyncio.wait([self._task])

    async def _run(self) -> None:
        while True:
            names = self.names
            try:
                names = _names(await self._client.get("/api/v1/namespaces", resourceVersion="0"))
            except Forbidden:
                names = ()
            except ClusterError:
                pass  # what was known stays; those who need the cluster tell what is wrong
            if names != self.names:
                self.names = names
                self._changed()
            await asyncio.sleep(PERIOD)


def _names(document: dict[str, Any]) -> tuple[str, ...]:
    """Read a list. One that is being deleted, or has no namespace's name, nobody wants."""
    found = (item.get("metadata") or {} for item in document.get("items") or ())
    names = (str(each.get("name")) for each in found if not each.get("deletionTimestamp"))
    return tuple(sorted(filter(is_label, names)))
