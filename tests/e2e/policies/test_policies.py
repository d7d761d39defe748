"""A team writes policies while its developers work: what each changes, and what it leaves alone."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.e2e.policies.team import drop, install, policy, service, wait_told
from tests.lab import forwarding
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.fixtures import SERVICES
from tests.lab.forwarding import (
    address,
    forms,
    get,
    is_ready,
    known,
    names_of,
    namespaces_of,
    refused,
    wait_answer,
    wait_gone,
)
from tests.lab.tilt import Tilt

WEB, LEDGER = forms("web", "storefront"), forms("ledger", "billing")


@pytest.fixture(scope="module", autouse=True)
def _ready(tilt: Tilt, cluster: Cluster) -> None:
    """Without the kind everything works; then it is installed under the running operator."""
    tilt.wait_status(lambda status: is_ready(status) and {*WEB, *LEDGER} <= names_of(status))
    wait_answer("web.storefront", "ledger.billing")
    assert tilt.status()["policies"] == []
    cluster.apply((SERVICES / "search.yaml").read_text().replace("search", "warehouse"))
    install(cluster)


@contextmanager
def applied(cluster: Cluster, namespace: str, **spec: Any) -> Iterator[None]:
    """Have a policy for a while."""
    cluster.apply(policy(namespace, **spec))
    try:
        yield
    finally:
        drop(cluster, namespace)


@contextmanager
def unbroken(name: str) -> Iterator[None]:
    """Hold a connection, half a request sent, and see that it is answered afterwards."""
    with socket.create_connection((name, 80), timeout=45) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\n")
        yield
        connection.sendall(f"Host: {name}\r\nConnection: close\r\n\r\n".encode())
        assert connection.recv(12) == b"HTTP/1.1 200"


def test_always_brings_a_namespace_in_without_bare_names(tilt: Tilt, cluster: Cluster) -> None:
    with unbroken("web.storefront"), applied(cluster, "warehouse", forward="Always"):
        eventually(lambda: known("index.warehouse"), within=90)  # when the kind is looked for again
        wait_answer("index.warehouse", "index.warehouse.svc.cluster.local")
        status = tilt.wait_status(
            lambda status: is_ready(status) and "warehouse" in namespaces_of(status)
        )
        assert namespaces_of(status)[2:] == ["warehouse"]
        assert status["namespaces"][2]["source"] == "policy"
        assert not known("index")
    wait_gone("index.warehouse")


def test_hostnames_answer_where_they_may_end(tilt: Tilt, cluster: Cluster) -> None:
    names = ["shop.test", "api.dev.example.com", "bank.com", "web.localhost"]
    with (
        unbroken("web.storefront"),
        applied(cluster, "storefront", **service("web", hostnames=names)),
    ):
        wait_answer("shop.test", "api.dev.example.com", "web.localhost")
        assert get("shop.test").json()["service"] == "web"
        assert address("shop.test") == address("web.storefront")
        assert not known("bank.com")
        given = {"shop.test", "api.dev.example.com", "web.localhost"}
        status = tilt.wait_status(lambda status: given <= names_of(status))
        row = forwarding.row(status, "web.storefront")
        assert "The hostname 'bank.com' of ForwardPolicy storefront/team" in row["message"]
        assert is_ready(status)
    wait_gone("shop.test", "api.dev.example.com", "web.localhost")
    wait_answer("web.storefront")


def test_of_two_that_claim_a_hostname_the_first_has_it(tilt: Tilt, cluster: Cluster) -> None:
    with (
        applied(cluster, "storefront", **service("web", hostnames=["shop.test"])),
        applied(cluster, "billing", **service("ledger", hostnames=["shop.test"])),
    ):
        first, last = namespaces_of(tilt.status())
        key = {"storefront": "web.storefront", "billing": "ledger.billing"}[last]
        row = forwarding.wait_row(tilt, key, "NameElsewhere")
        assert "'shop.test'" in row["message"]
        eventually(lambda: get("shop.test").json()["namespace"] == first)


def test_a_port_listens_on_another_number(tilt: Tilt, cluster: Cluster) -> None:
    ports = [{"port": 80, "localPort": 8888}]
    with unbroken("web.storefront"), applied(cluster, "billing", **service("ledger", ports=ports)):
        eventually(lambda: get("ledger.billing:8888").json()["service"] == "ledger")
        assert refused(address("ledger.billing"), 80)
        tilt.wait_status(lambda status: forwarding.row(status, "ledger.billing")["ports"] == [8888])
    wait_answer("ledger.billing")


def test_a_skipped_service_is_gone_and_says_who_said_so(tilt: Tilt, cluster: Cluster) -> None:
    with unbroken("web.storefront"), applied(cluster, "billing", **service("ledger", skip=True)):
        row = forwarding.wait_row(tilt, "ledger.billing", "Skipped")
        assert (row["state"], row["names"], row["address"]) == ("NotForwarded", [], "")
        assert "ForwardPolicy billing/team" in row["message"]
        wait_gone(*LEDGER)
        tilt.wait_status(is_ready)
    wait_answer("ledger.billing")


def test_a_selector_leaves_out_what_does_not_fit(tilt: Tilt, cluster: Cluster) -> None:
    with applied(cluster, "billing", serviceSelector={"matchLabels": {"tier": "front"}}):
        why = "its labels do not fit the serviceSelector of ForwardPolicy billing/team."
        tilt.wait_status(lambda status: why in forwarding.row(status, "ledger.billing")["message"])
        cluster.kubectl("label", "service", "ledger", "--namespace=billing", "tier=front")
        wait_answer("ledger.billing")
    cluster.kubectl("label", "service", "ledger", "--namespace=billing", "tier-")


def test_never_takes_out_what_tilt_has_deployed(tilt: Tilt, cluster: Cluster) -> None:
    with unbroken("web.storefront"), applied(cluster, "billing", forward="Never"):
        said = wait_told(tilt, "ForwardPolicy billing/team", "PolicyFollowed")
        assert "list it in the argument `namespaces`" in said
        wait_gone(*LEDGER)
        tilt.wait_status(lambda status: namespaces_of(status) == ["storefront"])
    wait_answer("ledger.billing")


def test_of_two_that_disagree_the_older_one_counts(tilt: Tilt, cluster: Cluster) -> None:
    with applied(cluster, "billing", **service("ledger", hostnames=["old.test"])):
        wait_answer("old.test")
        cluster.apply(policy("billing", "younger", **service("ledger", skip=True)))
        said = wait_told(tilt, "ForwardPolicy billing/younger", "PolicyConflict")
        assert "ForwardPolicy billing/team says something else" in said
        wait_answer("old.test")
    forwarding.wait_row(tilt, "ledger.billing", "Skipped")
    drop(cluster, "billing", "younger")
    wait_answer("ledger.billing")
    tilt.wait_status(lambda status: status["policies"] == [])
    assert tilt.prompts == 1
