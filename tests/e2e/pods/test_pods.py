"""Pods that are late, keep crashing, or die in the middle: a client is told the truth in time."""

import time

import httpx
import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.tilt import Tilt

HOLD = 30.0  # seconds that a connection is held for a pod; an error at once comes far earlier


def get(url: str) -> httpx.Response:
    """Ask once, on a connection of its own."""
    return httpx.get(url, timeout=45, trust_env=False)


@pytest.fixture(autouse=True)
def forwarded(tilt: Tilt) -> None:
    """Wait until the namespace is forwarded."""
    eventually(lambda: get("http://web.storefront/").is_success)


def test_the_first_request_waits_for_a_pod_that_starts_to_listen_late(
    tilt: Tilt, cluster: Cluster
) -> None:
    cluster.kubectl("-n", "storefront", "rollout", "restart", "deployment/slow")
    cluster.kubectl("-n", "storefront", "rollout", "status", "deployment/slow", "--timeout=60s")
    (pod,) = cluster.pods.find("storefront", "app=slow")[-1:]
    began = time.monotonic()
    assert get("http://slow.storefront/").raise_for_status().json()["service"] == "slow"
    # It did wait: a pod that listened already would make this test prove nothing.
    assert time.monotonic() - began > 1, pod["metadata"]["name"]


def test_a_crash_looping_pod_is_an_error_at_once(tilt: Tilt) -> None:
    def told() -> bool:
        rows = {row["service"]: row for row in tilt.status()["services"]}
        assert rows["broken"]["reason"] == "PodFailing", rows["broken"]
        assert "CrashLoopBackOff" in rows["broken"]["message"]
        return True

    began = time.monotonic()
    with pytest.raises(httpx.TransportError) as caught:
        get("http://broken.storefront/")
    assert not isinstance(caught.value, httpx.TimeoutException)
    assert time.monotonic() - began < HOLD / 2
    eventually(told)
    assert get("http://web.storefront/").is_success


@pytest.mark.parametrize("how", ["reset", "fin"])
def test_a_backend_that_dies_within_a_body_is_a_broken_transfer(tilt: Tilt, how: str) -> None:
    with (
        pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)),
        httpx.stream(
            "GET",
            f"http://web.storefront/die?after=300000&how={how}",
            timeout=45,
            trust_env=False,
        ) as answer,
    ):
        for _ in answer.iter_raw():
            pass


def test_a_backend_that_resets_is_a_reset_for_the_client(tilt: Tilt) -> None:
    with (
        pytest.raises(httpx.ReadError),
        httpx.stream(
            "GET", "http://web.storefront/die?after=300000&how=reset", timeout=45, trust_env=False
        ) as answer,
    ):
        for _ in answer.iter_raw():
            pass
