"""The machine has something already: that service says so, the others answer."""

import socket
from collections.abc import Callable, Iterator

import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.forwarding import HOSTS, address, wait_answer, wait_row
from tests.lab.tilt import Tilt

from kubefwd_operator.core.addresses import candidates
from kubefwd_operator.core.model import ClusterRef

pytestmark = pytest.mark.engines("native", "kubefwd")


@pytest.fixture
def hosts() -> Iterator[bytes]:
    """Give the developer a line of their own in the hosts file."""
    before = HOSTS.read_bytes()
    mine = before + b"192.0.2.7\tweb.storefront   # mine\n"
    HOSTS.write_bytes(mine)
    yield mine
    HOSTS.write_bytes(before)


def test_a_name_that_the_developer_has_already_stays_theirs(
    hosts: bytes, start: Callable[..., Tilt]
) -> None:
    tilt = start()
    row = wait_row(tilt, "web.storefront", "NameTaken")
    assert "web.storefront" in row["message"]
    assert "/etc/hosts" in row["message"]
    wait_answer("ledger.billing", "web.storefront.svc")
    assert address("web.storefront") == "192.0.2.7"
    assert "web.storefront" not in row["names"]
    assert hosts in HOSTS.read_bytes()
    tilt.stop()
    eventually(lambda: HOSTS.read_bytes() == hosts)


@pytest.mark.engines("native")  # kubefwd chooses its addresses itself
def test_a_port_that_is_taken_is_that_services_problem(
    start: Callable[..., Tilt], cluster: Cluster
) -> None:
    ref = ClusterRef("", cluster.context, cluster.context)
    ip = next(iter(candidates(ref.key, "billing", "ledger")))
    with socket.create_server((ip, 80)):
        tilt = start()
        row = wait_row(tilt, "ledger.billing", "PortTaken")
        assert row["address"] == ip
        assert f"{ip}:80" in row["message"]
        wait_answer("web.storefront", "index.search")
    tilt.click("kubefwd:refresh")
    wait_answer("ledger.billing")
