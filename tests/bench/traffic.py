"""What a connection is like, beside `kubectl port-forward` and the bare backend, in turns.

All three reach the same server in the same pod; `bare` is the server's own address, without any
cluster in between. `kubectl` keeps one connection to the cluster for all that it carries.
"""

import statistics
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from tests.bench import probe
from tests.bench.place import PORT, WEB, Place, only_operator
from tests.bench.probe import Address
from tests.lab import tools
from tests.lab.api import Json
from tests.lab.proc import free_port, listening

CONNECTIONS = 200
LENGTH, DOWNLOADS = 400_000_000, 3  # bytes
ALIVE, SECONDS, ROUNDS = 4, 3.0, 3  # connections, each round


def measure(place: Place) -> Json:
    """Return milliseconds to the first byte, MB/s and requests/s of each."""
    tilt = place.shared
    with _kubectl(place) as kubectl:
        ways = {"ours": WEB, "kubectl": kubectl, "bare": _backend(place)}
        first: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(CONNECTIONS):
            for way, address in ways.items():
                first[way].append(probe.first_byte(address) * 1000)
        speeds = _rounds(ways, DOWNLOADS, lambda address: probe.download(address, LENGTH))
        rates = _rounds(ways, ROUNDS, lambda address: probe.keep_alive(address, ALIVE, SECONDS))
    assert tilt.status()["state"] == "Ready"
    return {
        "first_byte_ms": {way: _percentiles(found) for way, found in first.items()},
        "download_mb_s": speeds,
        "requests_s": rates,
        "operator_after": probe.memory([only_operator()]),
        "connections": CONNECTIONS,
        "bytes": LENGTH,
        "keep_alive_connections": ALIVE,
    }


def _rounds(
    ways: Mapping[str, Address], rounds: int, one: Callable[[Address], float]
) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way, address in ways.items():
            found[way].append(round(one(address), 1))
    return found


def _percentiles(milliseconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(milliseconds, n=20)
    return {"p50": round(cuts[9], 2), "p95": round(cuts[18], 2)}


def _backend(place: Place) -> Address:
    (pod,) = place.cluster.pods.wait_ready("shop")
    host, port = place.cluster.pods.backends()[f"shop/{pod}:{PORT}"]["address"].split(":")
    return host, int(port)


@contextmanager
def _kubectl(place: Place) -> Iterator[Address]:
    """Run `kubectl port-forward` to the same service."""
    port, cluster = free_port(), place.cluster
    command = [tools.path("kubectl"), "-n", "shop", "port-forward", "service/web", f"{port}:80"]
    env = {"KUBECONFIG": str(place.lab.kubeconfig(cluster))}
    with place.lab.dev.background(*command, env=env) as server:
        server.wait_healthy(lambda: listening(port))
        yield "127.0.0.1", port
