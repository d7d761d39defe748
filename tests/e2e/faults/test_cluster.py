"""The cluster goes away and comes back; credentials fail and work again."""

from collections.abc import Callable
from contextlib import suppress

import httpx
import pytest
from tests.e2e.faults.conftest import make_namespaces
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.exec_plugin import ExecPlugin
from tests.lab.fixtures import Lab
from tests.lab.forwarding import condition, is_ready, wait_answer, wait_false
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")


@pytest.fixture
def own(start_cluster: Callable[..., Cluster]) -> Cluster:
    """Start a cluster that a test may stop."""
    made = start_cluster("own")
    make_namespaces(made)
    return made


def test_a_cluster_that_is_restarted_is_found_again(
    start: Callable[..., Tilt], own: Cluster, dev: Dev
) -> None:
    tilt = start(cluster=own)
    wait_answer("web.storefront", "ledger.billing")
    tilt.wait_status(is_ready)
    prompts = dev.prompts
    own.stop_apiserver()
    message = wait_false(tilt, "ClusterReachable", "ClusterUnreachable")
    assert own.server.removeprefix("https://") in message
    assert tilt.status()["state"] == "ClusterUnreachable"
    own.start_apiserver()
    wait_answer("web.storefront", "ledger.billing")
    tilt.wait_status(is_ready)
    assert dev.prompts == prompts


def test_an_exec_plugin_that_fails_then_works(
    start: Callable[..., Tilt], lab: Lab, cluster: Cluster, dev: Dev
) -> None:
    plugin = ExecPlugin(dev.mkdir("plugin"))
    plugin.give_token(cluster.token("admin"), lives=25)
    made = cluster.folder / "kubeconfig-plugin"
    config = cluster.write_kubeconfig(made, credentials=plugin.user())
    tilt = start(kubeconfig=dev.write(".kube/plugin", config.read_text(), mode=0o600))
    wait_answer("web.storefront", "ledger.billing")
    plugin.fail("the login has expired: run `corp login`")

    # What is open stays open; it is a connection of somebody's that needs fresh credentials.
    def told() -> str:
        with suppress(httpx.TransportError):
            httpx.get("http://web.storefront/", timeout=1, trust_env=False)
        found = condition(tilt.status(), "ClusterReachable")
        told = (
            found["reason"] == "CredentialsFailed" and "when you click Refresh" in found["message"]
        )
        return str(found["message"]) if told else ""

    message = eventually(told)
    assert "corp login" in message

    plugin.give_token(cluster.token("admin"))
    tilt.click("kubefwd:refresh")
    wait_answer("web.storefront", "ledger.billing")
    tilt.wait_status(is_ready)
