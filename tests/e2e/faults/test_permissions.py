"""The cluster forbids something: that namespace says so, the others answer."""

from collections.abc import Callable

import pytest
from tests.e2e.faults.conftest import NAMESPACES, PROJECT
from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.fixtures import Lab
from tests.lab.forwarding import namespaces_of, wait_answer
from tests.lab.tilt import Tilt

ALL = ["get", "list", "watch", "create", "update", "patch", "delete"]
DEPLOYS: list[Json] = [
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ALL},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events", "services"], "verbs": ALL},
    {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]},
]
SLICES: Json = {
    "apiGroups": ["discovery.k8s.io"],
    "resources": ["endpointslices"],
    "verbs": ["list", "watch"],
}

pytestmark = pytest.mark.engines("native", "kubefwd")


@pytest.fixture
def tilt(start: Callable[..., Tilt], lab: Lab, cluster: Cluster) -> Tilt:
    """Start a Tilt as a developer who may do nothing in `vault`, nor read slices in `search`."""
    cluster.apply((PROJECT / "search.yaml").read_text().replace("search", "vault"))
    for name in ("storefront", "billing"):
        cluster.allow("restricted", name, [*DEPLOYS, SLICES])
    cluster.allow("restricted", "search", DEPLOYS)
    cluster.allow("restricted", "vault", [])
    return start(kubeconfig=lab.kubeconfig(cluster, "restricted"))


def namespace(tilt: Tilt, name: str, reason: str) -> Json:
    """Wait for the row of a namespace with that reason; return it."""

    def rows(status: Json) -> list[Json]:
        fits = (name, reason)
        return [row for row in status["namespaces"] if (row["name"], row["reason"]) == fits]

    return rows(tilt.wait_status(rows))[0]


def test_a_403_concerns_its_own_namespace_only(tilt: Tilt, cluster: Cluster) -> None:
    row = namespace(tilt, "vault", "Forbidden")
    assert "services" in row["message"]
    assert "kubectl auth can-i" in row["message"]
    wait_answer("web.storefront", "ledger.billing")
    assert set(namespaces_of(tilt.status())) == set(NAMESPACES)

    # Without endpointslices, pods are found by the service's selector; the row says so.
    row = namespace(tilt, "search", "Forbidden")
    assert "endpointslices" in row["message"]
    assert "kubectl auth can-i" in row["message"]
    wait_answer("index.search")

    cluster.allow("restricted", "vault", [*DEPLOYS, SLICES])
    wait_answer("index.vault", "web.storefront")
