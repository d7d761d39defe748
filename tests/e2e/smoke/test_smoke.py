"""The lab itself: Tilt deploys into a real cluster, and bytes reach a pod's own backend."""

import hashlib
import socket
from pathlib import Path

import httpx
import pytest
from tests.lab import tools
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.exec_plugin import ExecPlugin
from tests.lab.fixtures import Lab
from tests.lab.page import page
from tests.lab.proc import Server, free_port, listening
from tests.lab.servers import pattern
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.browser
CONFIGMAP = """
k8s_yaml(blob('{apiVersion: v1, kind: ConfigMap, metadata: {name: twin, namespace: default}}'))
"""


def test_tilt_deploys_into_two_namespaces(tilt: Tilt, cluster: Cluster) -> None:
    for namespace, name in (("storefront", "web"), ("billing", "ledger")):
        tilt.wait_deployed(name)
        assert len(cluster.pods.wait_ready(namespace)) == 1


@pytest.mark.parametrize("namespace", ["storefront", "billing"])
def test_a_port_forward_reaches_the_pods_own_backend(
    tilt: Tilt, cluster: Cluster, tmp_path: Path, namespace: str
) -> None:
    (pod,) = cluster.pods.wait_ready(namespace)
    port = free_port()
    kubectl = [tools.path("kubectl"), "--kubeconfig", cluster.kubeconfig]
    forward = Server(
        "kubectl port-forward",
        [*kubectl, "-n", namespace, "port-forward", pod, f"{port}:8080"],
        tmp_path / "forward.log",
    )
    try:
        forward.wait_healthy(lambda: listening(port))
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
            assert client.get("/").json()["pod"] == pod
            assert client.get("/bytes/5000000").content == pattern(5_000_000)
            body = pattern(3_000_000)
            said = client.post("/hash", content=body).json()
            assert said == {"length": len(body), "sha256": hashlib.sha256(body).hexdigest()}
    finally:
        forward.stop()


def test_a_real_sudo_asks_for_the_password_every_time(dev: Dev) -> None:
    before = dev.prompts
    assert dev.run("sudo", "-A", "id", "-u").stdout.strip() == "0"
    assert dev.run("sudo", "-A", "id", "-u").stdout.strip() == "0"
    assert dev.prompts == before + 2
    assert dev.run("sudo", "-n", "true", check=False).returncode == 1


def test_a_wrong_password_is_refused(dev: Dev) -> None:
    dev.answer_with("wrong")
    try:
        assert dev.run("sudo", "-A", "true", check=False).returncode == 1
    finally:
        dev.answer_with(dev.password)


def test_the_place_has_its_own_hosts_file_and_host_name(dev: Dev) -> None:
    assert socket.gethostname() == "lab"
    hosts = Path("/etc/hosts")
    renamed = hosts.with_name("hosts.new")
    before = hosts.read_text()
    renamed.write_text(before + "127.18.0.9 somewhere.lab\n")
    renamed.replace(hosts)
    assert dev.run("getent", "hosts", "somewhere.lab").stdout.startswith("127.18.0.9")
    hosts.write_text(before)


def test_root_may_listen_on_port_80_of_our_range_unseen_by_the_machine() -> None:
    with socket.create_server(("127.18.0.9", 80)):
        assert listening(80, "127.18.0.9")


def test_tilt_deletes_what_is_disabled_and_deploys_it_again(tilt: Tilt, cluster: Cluster) -> None:
    tilt.wait_deployed("ledger")
    tilt.disable("ledger")
    eventually(lambda: not cluster.pods.names("billing"))
    tilt.enable("ledger")
    assert cluster.pods.wait_ready("billing")


def test_the_real_page_shows_the_resources(tilt: Tilt) -> None:
    with page(tilt) as opened:
        opened.get_by_text("ledger", exact=True).first.wait_for()
        opened.get_by_text("web", exact=True).first.wait_for()


def test_an_exec_plugin_counts_its_calls_and_fails_when_told(dev: Dev, cluster: Cluster) -> None:
    plugin = ExecPlugin(dev.mkdir("plugin"))
    plugin.give_token(cluster.token("admin"))
    written = cluster.write_kubeconfig(cluster.folder / "exec", credentials=plugin.user())
    config = dev.write(".kube/exec", written.read_text())
    command = [tools.path("kubectl"), "--kubeconfig", config, "get", "namespaces"]
    assert "storefront" in dev.run(*command).stdout
    assert plugin.calls == 1
    plugin.fail("the login has expired")
    failed = dev.run(*command, check=False)
    assert failed.returncode
    assert "the login has expired" in failed.stderr
    plugin.give_token(cluster.token("admin"))
    assert "storefront" in dev.run(*command).stdout


def test_two_tilts_of_one_user_are_each_on_a_cluster_of_its_own(lab: Lab, cluster: Cluster) -> None:
    other = lab.cluster("other")
    for own in (cluster, other):
        up = lab.tilt(CONFIGMAP, cluster=own).start()

        def uses_its_own(up: Tilt = up, own: Cluster = own) -> bool:
            status = up.get("clusters", "default")["status"]
            assert status["connection"]["kubernetes"]["context"] == own.context
            return own.api.exists("/api/v1/namespaces/default/configmaps/twin")

        eventually(uses_its_own)
    assert [each.pid for each in lab.tilts[-2:]]  # both are up
    for up in lab.tilts[-2:]:
        up.stop()


def test_what_runs_in_the_background_ends_with_its_block(dev: Dev) -> None:
    with dev.background("sleep", "1000") as server:
        assert server.exit_code is None
    assert server.exit_code is not None
