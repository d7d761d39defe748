"""What all parts share: log, hosts file, defects, clusters by context, namespaces by key."""

import asyncio
import json
import os
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from .cluster import Cluster
from .hosts import Hosts
from .log import Fault, Json, Log, now
from .namespace import Namespace
from .service import Service

SWITCHES = Path("/run/kubefwd-stand-in.json")


class World:
    """Everything that one process holds."""

    def __init__(self, config: Path, hosts: Path) -> None:
        self.log, self.hosts = Log(), Hosts(hosts)
        self.defects: Json = json.loads(SWITCHES.read_text()) if SWITCHES.exists() else {}
        self.started = now()
        self.namespaces: dict[str, Namespace] = {}
        self.loose: dict[str, Service] = {}
        self._config = config
        self._clusters: dict[str, Cluster] = {}
        self._indices: dict[str, int] = {}
        self._addresses: dict[tuple[int, str, str], str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def spawn(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def cluster(self, context: str) -> Cluster:
        """Return the client of a context; it is kept for ever. Raises Fault."""
        if context not in self._clusters:
            try:
                self._clusters[context] = Cluster(self._config, context)
            except KeyError:
                why = f'failed to get REST config: context "{context}" does not exist'
                raise Fault(
                    "add_namespace_failed",
                    f"failed to create kubernetes client for context {context}: {why}",
                ) from None
        return self._clusters[context]

    def index(self, key: str) -> int:
        """Number namespaces in the order of their first use, for ever."""
        return self._indices.setdefault(key, len(self._indices))

    def address(self, index: int, name: str, pod: str) -> str:
        """Give a pod of a service its address, which is never given to another."""
        found = self._addresses.get((index, name, pod))
        taken = sum(number == index for number, _, _ in self._addresses)
        if not found and (taken > 255 or self.defects.get("exhausted")):
            why = "failed to allocate IP: IP generation has run out of bounds"
            self.log.caution(f"error readying interface: {why}")
            return "<nil>"
        made = found or f"127.1.{27 + index}.{(1 + taken) % 256}"
        self._addresses[index, name, pod] = made
        return made

    def services(self) -> dict[str, Service]:
        """Return every service that is forwarded, by key."""
        return {key: each for space in self.namespaces.values()
                for key, each in space.services.items()} | self.loose  # fmt: skip

    def rows(self) -> list[Json]:
        """Return every row, in the order of the first host name."""
        forwards = [each for one in self.services().values() for each in one.forwards.values()]
        shown = [each.row() for each in forwards]
        return sorted(shown, key=lambda row: (row["hostnames"] or [""], row["localPort"]))

    def switch(self, defects: Json) -> None:
        """Take other defects; services that fall ill, or get well, begin anew."""
        if defects.get("crash"):
            sys.stderr.write("panic: runtime error: crash was asked for\n")
            sys.stderr.flush()
            os._exit(2)
        before = {key: each.illness() for key, each in self.services().items()}
        self.defects = defects
        for key, each in self.services().items():
            if each.illness() != before[key]:
                _ = self.spawn(each.reconnect())

    def cure(self, service: Service, remedy: str) -> None:
        """Apply a remedy to whatever a service suffers from."""
        if service.cure(remedy):
            _ = self.spawn(service.reconnect())

    async def close(self) -> None:
        """End everything, in the order in which kubefwd does."""
        for space in list(self.namespaces.values()):
            await space.stop()
        for service in self.loose.values():
            service.remove()
        self.hosts.sweep()
