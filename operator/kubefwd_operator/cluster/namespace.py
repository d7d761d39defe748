"""One namespace of the catalog: its Services, what is behind them, and whether it exists.

Services and EndpointSlices are followed by a reflector each. Where endpointslices are forbidden
(or unknown to an old cluster), Pods stand in for them, and the namespace says so.

The list of services in a namespace that does not exist is an empty list, not an error. So while it
is empty the Namespace object is asked for every few seconds; a 403 to that says nothing, and the
namespace counts as existing. When services appear, their watch tells at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any

from kubefwd_operator.cluster.endpoints import from_pods, from_slices
from kubefwd_operator.cluster.objects import (
    PodRecord,
    ServiceRecord,
    Slice,
    parse_pod,
    parse_service,
    parse_slice,
)
from kubefwd_operator.cluster.problems import of_namespace, whole_cluster
from kubefwd_operator.cluster.reflector import Reflector, Source
from kubefwd_operator.core.errors import ClusterError, Forbidden, NotFound
from kubefwd_operator.core.model import NamespaceSeen, Service

EXISTENCE = 3.0
"""Seconds between two looks at whether an empty namespace exists."""


class Namespace:
    """Follows one namespace from `start()` to `close()`; `changed` is called after a change."""

    def __init__(self, client: Source, name: str, changed: Callable[[], None]) -> None:
        self.name = name
        self._client, self._changed = client, changed
        core = f"/api/v1/namespaces/{name}"
        slices = f"/apis/discovery.k8s.io/v1/namespaces/{name}/endpointslices"
        self._services: Reflector[ServiceRecord] = Reflector(
            client, f"{core}/services", parse_service, self._moved
        )
        self._slices: Reflector[Slice] = Reflector(client, slices, parse_slice, self._moved)
        self._pods: Reflector[PodRecord] = Reflector(client, f"{core}/pods", parse_pod, self._moved)
        self._pods_wanted = False
        self._missing = False
        self._empty = asyncio.Event()
        self._look: asyncio.Task[None] | None = None
        self._cache: dict[str, tuple[tuple[object, ...], Service]] = {}
        self._seen: NamespaceSeen | None = None

    def start(self) -> None:
        """Begin to list and watch."""
        self._services.start()
        self._slices.start()
        self._look = asyncio.create_task(self._exists(), name=f"namespace {self.name}")

    def relist(self) -> None:
        """List everything anew; what is known stays until then."""
        for reflector in self._active():
            reflector.start()

    def seen(self) -> NamespaceSeen:
        """Give what is known now."""
        if self._seen is None:
            self._seen = self._compute()
        return self._seen

    @property
    def cluster_error(self) -> ClusterError | None:
        """An error that concerns the whole cluster, if one is current."""
        errors = (reflector.error for reflector in self._active())
        return next((error for error in errors if error and whole_cluster(error)), None)

    async def close(self) -> None:
        """End all watches."""
        if self._look is not None:
            self._look.cancel()
            await asyncio.wait([self._look])
        for reflector in (self._services, self._slices, self._pods):
            await reflector.close()

    def _active(self) -> "tuple[Reflector[Any], ...]":
        pods: tuple[Reflector[Any], ...] = (self._pods,) if self._pods_wanted else ()
        return (self._services, self._slices, *pods)

    def _moved(self) -> None:
        """Take note of a change in any of the reflectors."""
        self._choose()
        if self._services.synced and not self._services.items:
            self._empty.set()
        else:
            self._empty.clear()
            self._missing = False
        self._note()

    def _choose(self) -> None:
        """Let pods stand in once slices are refused, until slices are there without an error."""
        error = self._slices.error
        wanted = isinstance(error, Forbidden | NotFound) or (
            self._pods_wanted and error is not None
        )
        if wanted and not self._pods_wanted:
            self._pods.start()
        elif self._pods_wanted and not wanted:
            self._pods.stop()
        self._pods_wanted = wanted

    @property
    def _by_pods(self) -> bool:
        """Whether pods are what services are put together from."""
        return self._pods_wanted and (self._pods.synced or not self._slices.synced)

    def _note(self) -> None:
        self._seen = None
        self._changed()

    async def _exists(self) -> None:
        while True:
            await self._empty.wait()
            missing = self._missing
            try:
                await self._client.get(f"/api/v1/namespaces/{self.name}")
                missing = False
            except NotFound:
                missing = True
            except Forbidden:
                missing = False
            except ClusterError:
                pass  # the reflectors tell
            if self._empty.is_set() and missing != self._missing:
                self._missing = missing
                self._note()
            await asyncio.sleep(EXISTENCE)

    def _compute(self) -> NamespaceSeen:
        problem = of_namespace(
            self.name,
            services=self._services.error,
            slices=self._slices.error,
            pods=self._pods.error if self._pods_wanted else None,
            missing=self._missing,
        )
        behind = self._pods if self._by_pods else self._slices
        if not (self._services.synced and behind.synced):
            return NamespaceSeen(problem=problem)
        return NamespaceSeen(self._assemble(), synced=True, problem=problem)

    def _assemble(self) -> tuple[Service, ...]:
        """Put every service together, or take it as it was when nothing of it has changed."""
        parts = self._parts()
        build = from_pods if self._by_pods else from_slices
        cache: dict[str, tuple[tuple[object, ...], Service]] = {}
        for name, record in sorted(self._services.items.items()):
            if (self.name, name) == ("default", "kubernetes"):
                continue
            behind = parts(name)
            inputs = (build, record, behind)
            known = self._cache.get(name)
            if known is None or known[0] != inputs:
                known = (inputs, build(record, behind))
            cache[name] = known
        self._cache = cache
        return tuple(service for _, service in cache.values())

    def _parts(self) -> "Callable[[str], tuple[Any, ...]]":
        """Give what each service is put together from: its own slices, or all pods."""
        if self._by_pods:
            pods = tuple(self._pods.items.values())
            return lambda _: pods
        slices: dict[str, tuple[Slice, ...]] = {}
        for piece in self._slices.items.values():
            slices[piece.service] = (*slices.get(piece.service, ()), piece)
        return lambda name: slices.get(name, ())
