"""Starts what the contract is tried on: the stand-in, and the real kubefwd when it is on PATH."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from tests.contract.kubefwd.binary import real
from tests.contract.kubefwd.kit import HOSTS, Kubefwd, kubeconfig, program, service
from tests.contract.portforward.conftest import deployment
from tests.lab.cluster import Cluster

from kubefwd_operator.engines.kubefwd.rows import Forward

_numbers = itertools.count()
NOT_THERE = "NOT TESTED: the real kubefwd is not on PATH, so the contract was tried on ours alone"
KINDS = (
    "stand-in",
    pytest.param("real", marks=pytest.mark.skipif(real() is None, reason=NOT_THERE)),
)


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def make_kubefwd(
    kind: str, cluster: Cluster, tmp_path: Path
) -> AsyncIterator[Callable[..., Kubefwd]]:
    """Return a function that gives a kubefwd which is not started, for a user of the cluster."""
    made: list[Kubefwd] = []
    hosts = HOSTS.read_bytes()

    def make(user: str = "admin") -> Kubefwd:
        config = kubeconfig(cluster, tmp_path / f"kubeconfig-{user}", user)
        made.append(Kubefwd(program(kind, tmp_path), config, tmp_path))
        return made[-1]

    yield make
    for each in made:
        if hasattr(each, "server"):
            await each.close()
    HOSTS.write_bytes(hosts)


@pytest.fixture
async def kubefwd(make_kubefwd: Callable[..., Kubefwd]) -> Kubefwd:
    """A kubefwd that answers and does nothing yet."""
    return await make_kubefwd().start().up()


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own, in the cluster."""
    name = f"kf{next(_numbers)}"
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    return name


@pytest.fixture
def apply(cluster: Cluster) -> Callable[..., object]:
    """Return a coroutine function that applies objects."""

    async def apply_all(*documents: dict[str, object]) -> None:
        await asyncio.to_thread(cluster.apply, list(documents))

    return apply_all


@pytest.fixture
async def pods(cluster: Cluster, namespace: str) -> list[str]:
    """Two ready pods of the app `web`, by name, whose port 8080 is called `http`."""
    await asyncio.to_thread(cluster.apply, deployment(namespace, "web", replicas=2)[:1])
    return await asyncio.to_thread(cluster.pods.wait_ready, namespace, 2, "app=web")


@pytest.fixture
async def web(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Callable[..., Awaitable[None]]
) -> Forward:
    """The row of the service `web`, on port 80, that is forwarded and well."""
    await apply(service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    (row,) = await kubefwd.count(namespace, 1)
    return row
