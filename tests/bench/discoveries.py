"""1,000 KubernetesDiscovery objects in Tilt, of which 20 change every second.

How old the status is: now and then one of the changes is of the namespace that an object watches,
and the time is taken until the status lists that namespace. So the age holds all of it: Tilt's
event, the wait for the next pass, the pass, and what it publishes.
"""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import quote

import httpx
from tests.bench.place import Place, forwarding, only_operator
from tests.bench.probe import processor
from tests.lab.api import Json
from tests.lab.tilt import GROUP, Tilt

OBJECTS, RATE, SECONDS = 1000, 20, 40.0  # a second
BEACON_EVERY = 21  # changes: a little more than a second, so that every phase is met
PATH = f"{GROUP}/kubernetesdiscoveries"


def measure(place: Place) -> Json:
    """Return the age of the status at every beacon, and the operator's share of one core."""
    with forwarding(place) as tilt, _client(tilt) as client:
        for number in range(OBJECTS):
            client.post(PATH, json=_discovery(number)).raise_for_status()
        with _watching(tilt) as seen:
            time.sleep(5)  # the passes for their creation are over
            operator = [only_operator()]
            used, began = processor(operator), time.monotonic()
            sent, changes = _change(client)
            took = time.monotonic() - began
            share = (processor(operator) - used) / took
            time.sleep(2)  # so that the last beacon has its chance
    ages = [round(seen.at[name] - when, 3) for name, when in sent.items() if name in seen.at]
    return {
        "objects": OBJECTS,
        "changes_per_s": round(changes / took, 1),
        "seconds": round(took, 1),
        "ages_s": ages,
        "beacons_lost": len(sent) - len(ages),
        "operator_cpu_percent": round(share * 100, 1),
    }


def _discovery(number: int) -> Json:
    return {
        "apiVersion": "tilt.dev/v1alpha1",
        "kind": "KubernetesDiscovery",
        "metadata": {"name": f"bench-{number}"},
        "spec": {"watches": [{"namespace": "shop"}]},
    }


@contextmanager
def _client(tilt: Tilt) -> Iterator[httpx.Client]:
    """Give a client with a connection that stays: one handshake per change would be the load."""
    headers = {"Authorization": f"Bearer {tilt.api.token}"}
    with httpx.Client(
        base_url=tilt.api.server,
        headers=headers,
        verify=tilt.api.tls(),
        timeout=30,
        trust_env=False,
    ) as client:
        yield client


def _change(client: httpx.Client) -> tuple[dict[str, float], int]:
    """Make the changes, evenly; return when each beacon was sent, and the number of changes."""
    sent: dict[str, float] = {}
    began = time.monotonic()
    for count in range(int(SECONDS * RATE)):
        time.sleep(max(0.0, began + count / RATE - time.monotonic()))
        if count % BEACON_EVERY:
            body: Json = {"metadata": {"annotations": {"bench/changed": str(count)}}}
            name = f"bench-{count % OBJECTS}"
        else:
            beacon = f"beacon-{count}"
            body, name = {"spec": {"watches": [{"namespace": beacon}]}}, "bench-0"
            sent[beacon] = time.monotonic()
        client.patch(
            f"{PATH}/{name}",
            content=json.dumps(body),
            headers={"Content-Type": "application/merge-patch+json"},
        ).raise_for_status()
    return sent, int(SECONDS * RATE)


@dataclass(slots=True)
class Seen:
    """When each namespace was first listed by the status (monotonic)."""

    at: dict[str, float] = field(default_factory=dict)

    def take(self, line: str) -> None:
        event = json.loads(line)["object"]
        if event["metadata"]["name"] != "kubefwd:status":
            return
        now, status = time.monotonic(), json.loads(event["data"]["status.json"])
        for namespace in status["namespaces"]:
            self.at.setdefault(namespace["name"], now)


@contextmanager
def _watching(tilt: Tilt) -> Iterator[Seen]:
    """Follow the status by a watch, in a thread."""
    seen, ended = Seen(), threading.Event()

    def follow() -> None:
        field = quote("metadata.name=kubefwd:status")
        path = f"{GROUP}/configmaps?watch=1&fieldSelector={field}"
        # Tilt cuts it when it ends; were it cut before, beacons would be lost, which is counted.
        with (
            suppress(httpx.HTTPError),
            _client(tilt) as client,
            client.stream("GET", path, timeout=None) as answer,
        ):
            for line in answer.raise_for_status().iter_lines():
                if ended.is_set():
                    return
                seen.take(line)

    thread = threading.Thread(target=follow, daemon=True)  # it ends with Tilt
    thread.start()
    yield seen
    ended.set()
