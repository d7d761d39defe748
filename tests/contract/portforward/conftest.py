"""The native engine on a real cluster: real catalog, real port-forwards, sockets of our own."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import psutil
import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually_async
from tests.unit.native.kit import Authority, Helper, eventually

from kubefwd_operator.cluster.catalog import Catalog
from kubefwd_operator.core.model import (
    ClusterRef,
    Desired,
    DesiredNamespace,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.engines.native.engine import NativeEngine

_numbers = itertools.count()
Json = dict[str, Any]


@pytest.fixture
def namespace(cluster: Cluster) -> Iterator[str]:
    name = f"pf{next(_numbers)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


def deployment(
    namespace: str,
    name: str = "web",
    *,
    replicas: int = 1,
    annotations: Mapping[str, str] | None = None,
    strategy: str = "RollingUpdate",
    port: int = 80,
) -> list[Json]:
    """A Deployment and its Service, which names the pod's port."""
    meta = {"name": name, "namespace": namespace}
    container = {
        "name": "main",
        "image": "none",
        "ports": [{"name": "http", "containerPort": 8080}],
    }
    template = {
        "metadata": {"labels": {"app": name}, "annotations": dict(annotations or {})},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 5},
    }
    return [
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": meta,
            "spec": {
                "replicas": replicas,
                "strategy": {"type": strategy},
                "selector": {"matchLabels": {"app": name}},
                "template": template,
            },
        },
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": meta,
            "spec": {"selector": {"app": name}, "ports": [{"port": port, "targetPort": "http"}]},
        },
    ]


@dataclass
class Forwarding:
    """One namespace of a cluster, forwarded by an engine on helper sockets of this process."""

    cluster: Cluster
    namespace: str
    catalog: Catalog
    engine: NativeEngine
    helper: Helper

    def want(self, generation: int = 0) -> None:
        """Wish for the namespace."""
        ref = ClusterRef(str(self.cluster.kubeconfig), self.cluster.context)
        desired = Desired(
            ref, (DesiredNamespace(self.namespace, Source.TILT),), generation=generation
        )
        self.catalog.want(desired)
        self.engine.want(desired)

    def service(self, name: str = "web") -> ServiceSeen | None:
        found = [each for each in self.engine.seen().services if each.service == name]
        return found[0] if found else None

    def endpoints(self) -> int:
        """How many ready endpoints the catalog knows for the first service."""
        (service, *_) = self.catalog.seen().namespaces[self.namespace].services
        return sum(endpoint.ready for endpoint in service.endpoints)

    def opened(self, pod: str) -> int:
        """How many port-forwards to a pod have begun so far."""
        endpoint = self.cluster.endpoint
        table = endpoint.table()
        return sum(table[key]["opened"] for key in endpoint.keys(self.namespace, pod))

    async def ready(self, name: str = "web") -> tuple[str, int]:
        """Wait until a service is forwarded; return where its first port listens."""

        def is_ready() -> bool:
            shown = self.service(name)
            return shown is not None and shown.state is ServiceState.READY

        await eventually(is_ready)
        return self.place(name)

    def place(self, name: str = "web") -> tuple[str, int]:
        """Where a service's first port listens."""
        shown = self.service(name)
        assert shown
        assert shown.ports
        return self.helper.port(shown.address, shown.ports[0])

    async def apply(self, *documents: Json) -> None:
        await asyncio.to_thread(self.cluster.apply, list(documents))

    async def pods(self, count: int = 1, name: str = "web") -> list[str]:
        wait = self.cluster.pods.wait_ready
        return await asyncio.to_thread(wait, self.namespace, count, f"app={name}")


@pytest.fixture
async def forwarding(cluster: Cluster, namespace: str) -> AsyncIterator[Forwarding]:
    helper = Helper()
    catalog = Catalog(lambda: engine.wake())  # noqa: PLW0108 - it does not exist yet
    engine = NativeEngine(catalog, Authority(helper), lambda: None)
    made = Forwarding(cluster, namespace, catalog, engine, helper)
    catalog.start()
    engine.start()
    made.want()
    yield made
    await engine.close()
    await catalog.close()
    # Transports that were aborted close their sockets in the loop's next turns, so it needs some:
    # a socket that outlives its loop is reported as a leak of whichever test comes later.
    await eventually_async(lambda: not own_connections(cluster))


def own_connections(cluster: Cluster) -> list[object]:
    """Return the connections of this process to the cluster's apiserver."""
    found = psutil.Process().net_connections("tcp")
    return [each for each in found if getattr(each.raddr, "port", 0) == cluster.port]


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    """A client that makes a connection per request and never tries anything twice."""
    connector = aiohttp.TCPConnector(force_close=True, limit=0)
    async with aiohttp.ClientSession(connector=connector, raise_for_status=True) as session:
        yield session
