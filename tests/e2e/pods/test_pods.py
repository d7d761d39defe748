"""Pods that are late, keep crashing, or die in the middle: a client is told the truth in time."""

import time

import httpx
import pytest
from tests.lab.cluster import Cluster
from tests.lab.forwarding import answers, get, wait_answer, wait_row
from tests.lab.tilt import Tilt

HOLD = 30.0  # seconds that a connection is held for a pod; an error at once comes far earlier


@pytest.fixture(autouse=True)
def forwarded(tilt: Tilt) -> None:
    """Wait until the namespace is forwarded."""
    wait_answer("web.storefront")


def test_the_first_request_waits_for_a_pod_that_starts_to_listen_late(
    tilt: Tilt, cluster: Cluster
) -> None:
    cluster.kubectl("-n", "storefront", "rollout", "restart", "deployment/slow")
    cluster.kubectl("-n", "storefront", "rollout", "status", "deployment/slow", "--timeout=60s")
    (pod,) = cluster.pods.find("storefront", "app=slow")[-1:]
    began = time.monotonic()
    assert get("slow.storefront").raise_for_status().json()["service"] == "slow"
    # It did wait: a pod that listened already would make this test prove nothing.
    assert time.monotonic() - began > 1, pod["metadata"]["name"]


def test_a_crash_looping_pod_is_an_error_at_once(tilt: Tilt) -> None:
    began = time.monotonic()
    with pytest.raises(httpx.TransportError) as caught:
        get("broken.storefront")
    assert not isinstance(caught.value, httpx.TimeoutException)
    assert time.monotonic() - began < HOLD / 2
    assert "CrashLoopBackOff" in wait_row(tilt, "broken.storefront", "PodFailing")["message"]
    assert answers("web.storefront")


@pytest.mark.parametrize(
    ("how", "error"),
    [
        pytest.param("reset", httpx.ReadError, id="a reset stays a reset"),
        pytest.param("fin", (httpx.RemoteProtocolError, httpx.ReadError), id="a close too early"),
    ],
)
def test_a_backend_that_dies_within_a_body_is_a_broken_transfer(
    tilt: Tilt, how: str, error: type[Exception] | tuple[type[Exception], ...]
) -> None:
    with pytest.raises(error):
        get("web.storefront", f"/die?after=300000&how={how}")
