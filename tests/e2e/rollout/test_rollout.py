"""A rollout under load: requests wait for the next pod, and none of them fails.

Every request has a connection of its own, and the client never tries again. The old pod's backend
closes when the pod goes, and for three seconds no endpoint is ready.
"""

import threading
import time
from dataclasses import dataclass, field

import httpx
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.forwarding import get, wait_answer
from tests.lab.tilt import Tilt

WEB = "web.storefront"
CLIENTS = 4
REQUESTS = 200


@dataclass
class Load:
    """Clients that ask one after another until told to stop."""

    pods: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    slowest: float = 0.0
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        while not self.over.is_set():
            began = time.monotonic()
            try:
                self.pods.append(get(WEB).raise_for_status().json()["pod"])
            except httpx.HTTPError as error:
                self.failed.append(f"{type(error).__name__}: {error}")
            self.slowest = max(self.slowest, time.monotonic() - began)


def test_a_rollout_delays_requests_and_fails_none(tilt: Tilt, cluster: Cluster) -> None:
    wait_answer(WEB)
    (before,) = cluster.pods.wait_ready("storefront")
    load = Load()
    clients = [threading.Thread(target=load.ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        eventually(lambda: len(load.pods) >= REQUESTS // 2)
        cluster.kubectl("-n", "storefront", "rollout", "restart", "deployment/web")
        eventually(lambda: set(load.pods) - {before})
        enough = len(load.pods) + REQUESTS // 2
        eventually(lambda: len(load.pods) >= enough)
    finally:
        load.over.set()
        for client in clients:
            client.join(60)
    assert load.failed == []
    assert len(load.pods) >= REQUESTS
    (after,) = cluster.pods.wait_ready("storefront")
    assert set(load.pods) == {before, after}
    assert before != after
    # The gap was there: without it this test would prove nothing.
    assert load.slowest >= 2.5
