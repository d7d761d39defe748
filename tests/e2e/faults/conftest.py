"""A project of three namespaces, which the cluster's admin has made already, for every fault."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lab.cluster import Cluster
from tests.lab.tilt import Tilt

PROJECT = Path(__file__).parent / "project"
NAMESPACES = ("vault", "storefront", "billing", "search")  # the first by an argument


def make_namespaces(cluster: Cluster) -> None:
    """Make every namespace of the project."""
    cluster.apply(
        [
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
            for name in NAMESPACES
        ]
    )


@pytest.fixture(scope="module", autouse=True)
def namespaces(cluster: Cluster) -> None:
    """Make the namespaces, so that a restricted developer need not."""
    make_namespaces(cluster)


@pytest.fixture
def start(start_tilt: Callable[..., Tilt]) -> Callable[..., Tilt]:
    """Return a function that starts a Tilt on the project."""
    return lambda **options: start_tilt(PROJECT, **options)
