"""What a kubeconfig may be like: names that are no part of a URL, tokens that change."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.exec_plugin import ExecPlugin
from tests.lab.forwarding import folder_of, is_ready, kubefwds, wait_answer
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("kubefwd")

ARN = "arn:aws:eks:eu-west-1:123456789012:cluster/shop"
EVERYTHING = [{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]
HERE = Path(__file__).parent


def test_a_context_may_be_called_as_eks_calls_it(
    start_tilt: Callable[..., Tilt], cluster: Cluster, dev: Dev, tmp_path: Path
) -> None:
    config = cluster.write_kubeconfig(tmp_path / "config", context=ARN)
    kubeconfig = dev.write(".kube/arn", config.read_text(), mode=0o600)
    text = f"allow_k8s_contexts({ARN!r})\n{(HERE / 'Tiltfile').read_text()}"
    source = dev.mkdir("arn")
    dev.write(source / "twin.yaml", (HERE / "twin.yaml").read_text())
    dev.write(source / "Tiltfile", text)
    tilt = start_tilt(source, kubeconfig=kubeconfig)
    wait_answer("web.storefront", "ledger.billing")
    assert tilt.wait_status(is_ready)["cluster"] == ARN
    assert "arn:" not in Path("/etc/hosts").read_text()


def test_a_token_that_changes_reaches_kubefwd_without_a_restart(
    start_tilt: Callable[..., Tilt], cluster: Cluster, dev: Dev, tmp_path: Path
) -> None:
    for namespace in ("storefront", "twin", "billing"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        cluster.allow("restricted", namespace, EVERYTHING)
    plugin = ExecPlugin(dev.mkdir("rotating"))
    plugin.give_token(cluster.token("admin"), lives=60)
    config = cluster.write_kubeconfig(tmp_path / "config", credentials=plugin.user())
    tilt = start_tilt(HERE, kubeconfig=dev.write(".kube/rotating", config.read_text(), mode=0o600))
    wait_answer("web.storefront")
    (process,) = kubefwds()
    token = folder_of(process) / "token"
    assert token.read_text() == cluster.token("admin")
    user = json.loads((folder_of(process) / "kubeconfig").read_text())["users"][0]["user"]
    assert user == {"tokenFile": str(token)}

    plugin.give_token(cluster.token("restricted"), lives=60)
    eventually(lambda: token.read_text() == cluster.token("restricted"))
    tilt.wait_log("kubefwd has been given a fresh token.")
    assert kubefwds() == [process]
    wait_answer("web.storefront")


def test_a_client_certificate_of_a_plugin_works_and_its_change_is_a_restart(
    start_tilt: Callable[..., Tilt], cluster: Cluster, dev: Dev, tmp_path: Path
) -> None:
    certificate = (cluster.pki / "admin.crt").read_text()
    key = (cluster.pki / "admin.key").read_text()
    plugin = ExecPlugin(dev.mkdir("certificates"))
    plugin.give_certificate(certificate, key, lives=100)
    config = cluster.write_kubeconfig(tmp_path / "config", credentials=plugin.user())
    kubeconfig = dev.write(".kube/certificates", config.read_text(), mode=0o600)
    tilt = start_tilt(HERE, kubeconfig=kubeconfig)
    wait_answer("web.storefront")
    (process,) = kubefwds()
    asked = dev.prompts
    plugin.give_certificate(certificate + cluster.ca, key, lives=600)  # with its chain
    eventually(lambda: kubefwds() not in ([process], []), 120)
    tilt.wait_log("its credentials have changed")
    wait_answer("web.storefront")
    assert dev.prompts == asked
