"""A project of three namespaces, which the cluster's admin has made already, for every fault."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.e2e.faults.told import NAMESPACES
from tests.lab.cluster import Cluster
from tests.lab.tilt import Tilt

PROJECT = Path(__file__).parent / "project"


@pytest.fixture(scope="module", autouse=True)
def namespaces(cluster: Cluster) -> None:
    """Make the namespaces, so that a restricted developer need not."""
    for name in NAMESPACES:
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})


@pytest.fixture
def start(start_tilt: Callable[..., Tilt]) -> Callable[..., Tilt]:
    """Return a function that starts a Tilt on the project."""
    return lambda **options: start_tilt(PROJECT, **options)
