"""The CRD on a real apiserver: what it takes, what it refuses and with which words."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.contract.kube.conftest import Look
from tests.lab.api import ApiError, Json
from tests.lab.cluster import Cluster
from tests.lab.proc import wait_for

from kubefwd_operator.cluster.reflector import PAGE
from kubefwd_operator.core.model import Forward
from kubefwd_operator.core.policies import MAX_POLICIES, PATH, PLURAL, parse

pytestmark = pytest.mark.contract

CRDS = Path(__file__).parents[3] / "crds"


@pytest.fixture(scope="module", autouse=True)
def _installed(cluster: Cluster) -> Iterator[None]:
    """Install it as the README says; take it away again for the other modules."""
    cluster.kubectl("apply", "-f", str(CRDS))
    wait_for(lambda: cluster.api.exists(f"{PATH}/{PLURAL}"), "the apiserver serves the kind")
    yield
    cluster.kubectl("delete", "-f", str(CRDS))


def policy(namespace: str, name: str = "web", **spec: object) -> Json:
    return {
        "apiVersion": "kubefwd-operator.dev/v1alpha1",
        "kind": "ForwardPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def service(**row: object) -> dict[str, Any]:
    return {"services": [{"name": "ledger", **row}]}


def expression(**row: object) -> dict[str, Any]:
    return {"serviceSelector": {"matchExpressions": [row]}}


def create(cluster: Cluster, item: Json) -> Json:
    return cluster.api.create(
        f"{PATH}/namespaces/{item['metadata']['namespace']}/{PLURAL}?fieldValidation=Strict", item
    )


LONGEST = ".".join([*("a" * 63 for _ in range(3)), "b" * 61])

VALID = [
    pytest.param({}, id="empty"),
    pytest.param({"forward": "Always"}, id="always"),
    pytest.param({"forward": "WhenDeployed"}, id="when deployed"),
    pytest.param({"forward": "Never"}, id="never"),
    pytest.param({"serviceSelector": {}}, id="selector that fits all"),
    pytest.param({"serviceSelector": {"matchLabels": {"a.b/c": "d", "e": ""}}}, id="labels"),
    pytest.param(expression(key="a", operator="In", values=["b", ""]), id="in"),
    pytest.param(expression(key="a", operator="DoesNotExist"), id="does not exist"),
    pytest.param(service(), id="service without anything"),
    pytest.param(service(skip=True), id="skip"),
    pytest.param(service(skip=False, hostnames=["a.test"]), id="not skipped"),
    pytest.param(service(hostnames=["a.test", "b.example.com"]), id="hostnames"),
    pytest.param(service(hostnames=[LONGEST]), id="longest hostname"),
    pytest.param(service(ports=[{"port": 80, "localPort": 8080}]), id="ports"),
    pytest.param(
        {
            "services": [
                {
                    "name": f"s{n}",
                    "hostnames": [f"{n}-{h}.{'a' * 60}.{'b' * 60}.test" for h in range(8)],
                    "ports": [{"port": p + 1, "localPort": p + 1} for p in range(16)],
                }
                for n in range(64)
            ]
        },
        id="as much as there may be",
    ),
]


@pytest.mark.parametrize("spec", VALID)
def test_the_apiserver_takes_what_the_operator_takes(
    cluster: Cluster, namespace: str, spec: dict[str, Any]
) -> None:
    read = parse(create(cluster, policy(namespace, **spec)))
    assert read is not None
    assert read.error == ""
    assert read.forward == spec.get("forward", Forward.WHEN_DEPLOYED)
    assert len(read.services) == len(spec.get("services", ()))


NAME = "A service's name has lower-case letters"
HOSTNAME = "A hostname has two labels or more"

INVALID = [
    pytest.param({"forward": "Sometimes"}, 'supported values: "Always"', id="forward"),
    pytest.param({"forward": "Never", **service()}, "With forward: Never", id="never, services"),
    pytest.param({"forward": "Never", "serviceSelector": {}}, "With forward: Never", id="never"),
    pytest.param(service(skip=True, hostnames=["a.test"]), "that is skipped has", id="skip, names"),
    pytest.param(
        service(skip=True, ports=[{"port": 1, "localPort": 2}]), "is skipped has", id="skip, ports"
    ),
    pytest.param({"services": [{"name": "A"}]}, NAME, id="service in upper case"),
    pytest.param({"services": [{"name": "a-"}]}, NAME, id="service with a dash at its end"),
    pytest.param({"services": [{}]}, "name: Required value", id="service without a name"),
    pytest.param({"services": [{"name": "a"}] * 2}, "Duplicate value", id="service twice"),
    pytest.param(
        {"services": [{"name": f"s{n}"} for n in range(65)]}, "at most 64 items", id="65 services"
    ),
    pytest.param(service(hostnames=["localhost"]), HOSTNAME, id="localhost"),
    pytest.param(service(hostnames=["A.test"]), HOSTNAME, id="hostname in upper case"),
    pytest.param(service(hostnames=["a b.test"]), HOSTNAME, id="hostname with a blank"),
    pytest.param(service(hostnames=["a.test\n127.0.0.1 b.test"]), HOSTNAME, id="a second line"),
    pytest.param(service(hostnames=["a.test."]), HOSTNAME, id="final dot"),
    pytest.param(service(hostnames=["*.test"]), HOSTNAME, id="wildcard"),
    pytest.param(service(hostnames=["a" * 254]), "Too long", id="long hostname"),
    pytest.param(service(hostnames=["a.test"] * 2), "Duplicate value", id="hostname twice"),
    pytest.param(
        service(hostnames=[f"h{n}.test" for n in range(9)]), "at most 8 items", id="9 hostnames"
    ),
    pytest.param(service(ports=[{"port": 80}]), "localPort: Required value", id="no localPort"),
    pytest.param(service(ports=[{"port": 0, "localPort": 1}]), "greater than or", id="port 0"),
    pytest.param(service(ports=[{"port": 1, "localPort": 65536}]), "less than or", id="65536"),
    pytest.param(
        service(ports=[{"port": 1, "localPort": 3}, {"port": 2, "localPort": 3}]),
        "Two ports cannot listen on one localPort",
        id="one localPort for two",
    ),
    pytest.param(expression(key="a", operator="In"), "In and NotIn take values", id="in"),
    pytest.param(
        expression(key="a", operator="Exists", values=["b"]), "take none", id="exists, values"
    ),
    pytest.param(expression(key="a", operator="Gt"), "supported values", id="operator"),
    pytest.param({"hosts": ["a.test"]}, 'unknown field "spec.hosts"', id="unknown field"),
]


@pytest.mark.parametrize("spec, sentence", INVALID)
def test_the_apiserver_refuses_with_a_sentence(
    cluster: Cluster, namespace: str, spec: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ApiError) as refusal:
        create(cluster, policy(namespace, **spec))
    assert sentence in str(refusal.value).replace("\\", "")


async def test_more_than_a_page_of_them_is_read(
    cluster: Cluster, namespace: str, look: Look
) -> None:
    for number in range(PAGE + 20):
        create(cluster, policy(namespace, f"p{number:02}", forward="Always"))
    look.want(cluster.kubeconfig, namespace)
    seen = await look.until(lambda seen: namespace in seen.policies.namespaces)
    assert len(seen.policies.of(namespace).faults) == PAGE + 20 - MAX_POLICIES


def test_kubectl_knows_its_short_name_and_explains_every_field(
    cluster: Cluster, namespace: str
) -> None:
    create(cluster, policy(namespace, forward="Always", **service()))
    shown = cluster.kubectl("get", "fwp", "--namespace", namespace, "--output", "wide")
    header, row = shown.splitlines()
    assert header.split() == ["NAME", "FORWARD", "SERVICES", "AGE"]
    assert row.split()[:3] == ["web", "Always", "ledger"]
    explained = cluster.kubectl("explain", "fwp.spec", "--recursive")
    assert "hostnames" in explained


def undescribed(schema: Json, where: str = "spec") -> list[str]:
    """Find the fields that have no description."""
    found = [] if schema.get("description") else [where]
    for name, child in schema.get("properties", {}).items():
        if name == "metadata":
            continue  # the apiserver forbids to say anything about it
        found += undescribed(child, f"{where}.{name}")
    if "properties" in schema.get("items", {}):
        found += undescribed(schema["items"], f"{where}[]")
    return found


def test_every_field_is_described() -> None:
    crd = yaml.safe_load((CRDS / "forwardpolicies.yaml").read_text())
    (version,) = crd["spec"]["versions"]
    assert undescribed(version["schema"]["openAPIV3Schema"]) == []
