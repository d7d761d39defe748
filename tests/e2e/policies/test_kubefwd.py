"""Policies with kubefwd, which forwards whole namespaces: what it can, and what it cannot."""

import pytest
from tests.e2e.policies.team import drop, install, policy, service
from tests.lab import forwarding
from tests.lab.cluster import Cluster
from tests.lab.forwarding import forms, wait_answer, wait_gone, wait_row
from tests.lab.tilt import Tilt

pytestmark = pytest.mark.engines("kubefwd")


def test_names_follow_policies_and_the_rest_is_told(tilt: Tilt, cluster: Cluster) -> None:
    install(cluster)
    wait_answer("web.storefront", "ledger.billing")
    ports = [{"port": 80, "localPort": 8080}]
    cluster.apply(policy("storefront", **service("web", hostnames=["shop.test"], ports=ports)))
    cluster.apply(policy("billing", **service("ledger", skip=True)))
    row = wait_row(tilt, "ledger.billing", "Skipped")
    assert "so it opens this service all the same, under no name" in row["message"]
    wait_gone(*forms("ledger", "billing"))
    wait_answer("shop.test", "web.storefront")
    row = wait_row(tilt, "web.storefront", "PolicyUnsupported")
    assert "which kubefwd cannot" in row["message"]
    assert row["ports"] == [80]
    assert forwarding.is_ready(tilt.status())
    drop(cluster, "billing")
    wait_answer("ledger.billing")
