"""The lab itself: Tilt deploys into a real cluster, and bytes reach a pod's own backend."""

import hashlib
import socket
from pathlib import Path

import httpx
import pytest
from tests.lab import tools
from tests.lab.cluster import Cluster
from tests.lab.proc import Server, free_port, listening
from tests.lab.servers import pattern
from tests.lab.tilt import Tilt
from tests.lab.user import Dev


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
    kubectl: list[str | Path] = [tools.path("kubectl"), "--kubeconfig", cluster.kubeconfig]
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
