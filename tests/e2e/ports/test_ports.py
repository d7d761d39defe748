"""What a service's ports may be: several, by name, of single pods, or none that can be carried."""

import socket

import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.forwarding import address, forms, get, is_ready, names_of, row, wait_answer
from tests.lab.tilt import Tilt

pytestmark = pytest.mark.engines("native", "kubefwd")

PODS = ("db-0", "db-1")


@pytest.fixture(scope="module", autouse=True)
def forwarded(tilt: Tilt, cluster: Cluster) -> None:
    """Wait until every pod is ready, and every service is listed."""
    cluster.pods.wait_ready("storefront", 5)
    names = {name for pod in PODS for name in forms("db", "storefront", pod=pod)}
    tilt.wait_status(lambda status: is_ready(status) and names <= names_of(status))


def test_each_of_several_ports_reaches_its_own_target() -> None:
    wait_answer("api.storefront", "api.storefront:9000")
    assert get("api.storefront").json()["port"] == 8080
    assert get("api.storefront:9000").json()["port"] == 9001  # by the name of the target port


@pytest.mark.engines("native")  # kubefwd forwards to one pod of a service
def test_a_target_port_by_name_may_be_another_one_in_each_pod(cluster: Cluster) -> None:
    ports = {"cart-old": 8080, "cart-new": 9090}
    seen = set()

    def both() -> bool:
        said = get("cart.storefront").raise_for_status().json()
        assert said["port"] == ports[said["pod"].rsplit("-", 2)[0]]
        seen.add(said["port"])
        return seen == set(ports.values())

    eventually(both)


@pytest.mark.parametrize("pod", PODS)
def test_a_pod_of_a_headless_service_answers_under_its_own_names(pod: str) -> None:
    for name in forms("db", "storefront", pod=pod):
        wait_answer(name)
        assert [get(name).json()["pod"] for _ in range(5)] == [pod] * 5


def test_a_headless_service_lists_the_addresses_of_all_its_pods() -> None:
    single = {address(f"{pod}.db.storefront") for pod in PODS}
    assert len(single) == len(PODS)
    for name in forms("db", "storefront"):
        found = socket.getaddrinfo(name, 80, socket.AF_INET, socket.SOCK_STREAM)
        assert {where[0] for *_, where in found} == single
        assert get(name).json()["pod"] in PODS


@pytest.mark.engines("native")  # kubefwd listens on the ports of the service only
def test_a_headless_service_listens_on_its_target_port_as_well() -> None:
    # In the cluster there is no proxy in between: clients use the pod's own port.
    assert get("db-0.db.storefront:8080").json()["pod"] == "db-0"


@pytest.mark.parametrize(
    ("service", "says"),
    [
        pytest.param("legacy", "selector", id="without a selector"),
        pytest.param("partner", "ExternalName", id="an external name"),
        pytest.param("dns", "UDP", id="only UDP"),
    ],
)
def test_what_cannot_be_forwarded_is_listed_with_its_reason(
    tilt: Tilt, service: str, says: str
) -> None:
    status = tilt.status()
    found = row(status, f"{service}.storefront")
    assert (found["state"], found["reason"]) == ("NotForwarded", "NotForwardable")
    assert says in found["message"]
    assert not found["names"]
    assert not address(f"{service}.storefront")
    assert is_ready(status)  # it is nobody's fault, so nothing is degraded
