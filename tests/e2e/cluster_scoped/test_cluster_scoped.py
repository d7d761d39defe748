"""Objects without a namespace, which Tilt watches in `default`, do not bring `default` in."""

import pytest
from tests.lab.cluster import Cluster
from tests.lab.forwarding import address, is_ready, names_of, namespaces_of, wait_answer
from tests.lab.tilt import Tilt

pytestmark = pytest.mark.engines("native", "kubefwd")


@pytest.fixture(scope="module", autouse=True)
def stray(tilt: Tilt, cluster: Cluster) -> None:
    """Somebody else's service in `default`: a phantom of that namespace would forward it."""
    cluster.apply((tilt.folder / "stray.yaml").read_text())
    cluster.pods.wait_ready("default")


def test_only_namespaces_of_namespaced_objects_are_forwarded(tilt: Tilt, cluster: Cluster) -> None:
    tilt.wait_deployed("team")
    tilt.wait_deployed("web")
    assert cluster.api.exists("/apis/rbac.authorization.k8s.io/v1/clusterroles/reader")
    wait_answer("web.storefront")
    status = tilt.wait_status(is_ready)
    assert namespaces_of(status) == ["storefront"]
    # What is deployed afterwards shows that the status has seen all that came before.
    tilt.add("k8s_yaml('billing.yaml')\n")
    wait_answer("ledger.billing")
    status = tilt.wait_status(lambda status: len(namespaces_of(status)) > 1)
    assert namespaces_of(status) == ["storefront", "billing"]
    assert not any("stray" in name for name in names_of(status))
    assert not address("stray.default")
    assert not address("stray")
