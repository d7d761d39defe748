"""Somebody who can write to the cluster, and to nothing else, tries to take names."""

import socket

import pytest
from tests.e2e.policies.team import install, policy, wait_told
from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.fixtures import Lab
from tests.lab.forwarding import HOSTS, forms, is_ready, known, names_of, namespaces_of, wait_answer
from tests.lab.tilt import Tilt

BANKS = ["bank.com", "www.bank.com", "github.com", "com.test", "localhost.test", "wpad.localhost"]
SERVICES = ["github", "www", "localhost", "wpad", "jira", *(f"s{number}" for number in range(50))]
ENTRIES = 5000


def services(namespace: str) -> list[Json]:
    """Services that nobody stands behind, under names that would be of use to a thief."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": namespace},
            "spec": {"selector": {"app": "thief"}, "ports": [{"port": 443}]},
        }
        for name in SERVICES
    ]


def hostile(namespace: str) -> list[Json]:
    """Policies with 5,000 hostnames in all, for these services and for others."""
    found = []
    for number in range(ENTRIES // (64 * 8) + 1):
        names = [*SERVICES, *(f"x{number}" for number in range(64))][:64]
        rows = [
            {
                "name": name,
                "hostnames": [*BANKS[:6], f"{name}-{number}.test", f"{name}-{number}.bank.com"],
            }
            for name in names
        ]
        found.append(policy(namespace, f"p{number}", forward="Always", services=rows))
    return found


@pytest.fixture(scope="module")
def tilt(lab: Lab, cluster: Cluster, engine: str) -> Tilt:
    """Start a Tilt on a cluster in which the thief has been at work."""
    install(cluster)
    for namespace in ("com", "dev", "localhost", "plain"):
        meta = {"name": namespace}
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
        cluster.apply(services(namespace))
        cluster.apply(hostile(namespace))
    made = lab.tilt(f"{lab.extension()}k8s_yaml('storefront.yaml')\n")
    return made.start()


def test_a_thief_gets_no_name_that_it_should_not(tilt: Tilt) -> None:
    before = set(socket.getaddrinfo("localhost", 80, proto=socket.IPPROTO_TCP))
    status = tilt.wait_status(lambda status: is_ready(status) and "www.com.svc" in names_of(status))
    assert namespaces_of(status)[0] == "storefront"
    assert {"com", "dev", "localhost", "plain"} <= set(namespaces_of(status))
    wait_answer("web.storefront")
    assert set(forms("web", "storefront")) <= names_of(status)

    ours = [line for line in HOSTS.read_text().splitlines() if "# kubefwd-operator:" in line]
    names = {name for line in ours for name in line.split("#")[0].split()[1:]}
    assert len(names) > 100, "it was at work"
    stolen = {
        name
        for name in names - set(forms("web", "storefront"))
        if not name.endswith((".svc", ".svc.cluster.local", ".plain", ".test"))
    }
    assert stolen == set()
    hostnames = {name for name in names if name.endswith(".test")}
    assert len(hostnames) <= 1000
    assert not names & {"com", "github", "jira", "wpad", "localhost", "localhost.test"}
    for name in ("bank.com", "www.bank.com", "github.com", "github.dev", "github"):
        assert not known(name)
    assert set(socket.getaddrinfo("localhost", 80, proto=socket.IPPROTO_TCP)) == before
    assert tilt.prompts == 1


def test_it_is_told_of_its_conflicts(tilt: Tilt) -> None:
    said = wait_told(tilt, "ForwardPolicy com/p1", "PolicyConflict")
    assert "ForwardPolicy com/p0" in said
