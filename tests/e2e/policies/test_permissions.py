"""A developer who may read policies in one namespace, and in no other."""

import pytest
from tests.e2e.policies.team import install, policy, service
from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.fixtures import Lab
from tests.lab.forwarding import wait_answer, wait_gone, wait_row
from tests.lab.tilt import Tilt

ALL = ["get", "list", "watch", "create", "update", "patch", "delete"]
DEPLOYS: list[Json] = [
    {"apiGroups": ["apps"], "resources": ["*"], "verbs": ALL},
    {"apiGroups": [""], "resources": ["pods", "pods/log", "events", "services"], "verbs": ALL},
    {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]},
    {
        "apiGroups": ["discovery.k8s.io"],
        "resources": ["endpointslices"],
        "verbs": ["list", "watch"],
    },
]
POLICIES: Json = {
    "apiGroups": ["kubefwd-operator.dev"],
    "resources": ["forwardpolicies"],
    "verbs": ["list", "watch"],
}


@pytest.fixture(scope="module")
def tilt(lab: Lab, cluster: Cluster, engine: str) -> Tilt:
    install(cluster)
    for name, rules in (("storefront", [*DEPLOYS, POLICIES]), ("billing", DEPLOYS)):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        cluster.allow("restricted", name, rules)
        cluster.apply(policy(name, **service("skipped", skip=True)))
    config = lab.kubeconfig(cluster, "restricted")
    deploys = "k8s_yaml(['storefront.yaml', 'billing.yaml'])\n"
    return lab.tilt(lab.extension() + deploys, kubeconfig=config).start()


def test_what_may_be_read_counts_and_the_rest_is_as_before(tilt: Tilt, cluster: Cluster) -> None:
    wait_answer("web.storefront", "ledger.billing")
    cluster.apply(policy("billing", **service("ledger", skip=True)))
    cluster.apply(policy("storefront", **service("web", skip=True)))
    wait_row(tilt, "web.storefront", "Skipped")
    wait_gone("web.storefront")
    wait_answer("ledger.billing")
    assert tilt.status()["policies"] == []
    assert "forwardpolicies" not in tilt.run_output, "it is doctor's to tell"
