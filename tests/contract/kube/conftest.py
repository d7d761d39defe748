"""One real cluster for the tests of this folder, and what they look at it through."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from tests.lab import tools
from tests.lab.cluster import Cluster

from kubefwd_operator.cluster.catalog import Catalog
from kubefwd_operator.core.model import (
    CatalogSeen,
    ClusterRef,
    Desired,
    DesiredNamespace,
    NamespaceSeen,
    Service,
    Source,
)

DEADLINE = 60.0
_numbers = itertools.count()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    tools.ensure("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok",
                 tools.ENDPOINT)  # fmt: skip
    made = Cluster(tmp_path_factory.mktemp("kube")).start()
    yield made
    made.stop()


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own, in the cluster."""
    name = f"ns{next(_numbers)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


class Look:
    """A running catalog, and waiting for what it shows."""

    def __init__(self) -> None:
        self.moved = asyncio.Event()
        self.calls = 0
        self.catalog = Catalog(self._changed)

    def _changed(self) -> None:
        self.calls += 1
        self.moved.set()

    def want(self, kubeconfig: Path, *namespaces: str, generation: int = 0) -> None:
        ref = ClusterRef(str(kubeconfig), "lab")
        wanted = tuple(DesiredNamespace(name, Source.TILT) for name in namespaces)
        self.catalog.want(Desired(ref, wanted, generation=generation))

    def namespace(self, name: str) -> NamespaceSeen:
        return self.catalog.seen().namespaces[name]

    def service(self, namespace: str, name: str) -> Service | None:
        found = (each for each in self.namespace(namespace).services if each.name == name)
        return next(found, None)

    async def until(self, condition: Callable[[CatalogSeen], object]) -> CatalogSeen:
        """Wait for a change that makes the condition true; only a call of `changed` wakes it."""
        try:
            async with asyncio.timeout(DEADLINE):
                while not condition(self.catalog.seen()):
                    self.moved.clear()
                    await self.moved.wait()
        except TimeoutError:
            pytest.fail(f"not within {DEADLINE:.0f} s: {self.catalog.seen()}")
        return self.catalog.seen()


@pytest.fixture
async def look() -> AsyncIterator[Look]:
    made = Look()
    made.catalog.start()
    yield made
    await made.catalog.close()
