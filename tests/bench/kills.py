"""SIGKILL of the operator, the worker or the guardian, with 250 services: until /etc/hosts is as it
was, byte for byte, and until nothing listens on our range any more.
"""

import time
from collections.abc import Callable

import psutil
from tests.bench.place import Place, only_operator
from tests.bench.probe import listening, wait
from tests.lab.api import Json
from tests.lab.forwarding import HOSTS, helpers, is_ready

RUNS = 5
VICTIMS: dict[str, Callable[[], psutil.Process]] = {
    "operator": only_operator,
    "worker": lambda: helpers()[0],
    "guardian": lambda: helpers()[1],
}


def measure(place: Place) -> Json:
    """Return the seconds of every run, by who is killed."""
    place.add_many()
    return {who: _columns([_kill(place, who) for _ in range(RUNS)]) for who in VICTIMS}


def _kill(place: Place, who: str) -> dict[str, float]:
    victim = VICTIMS[who]()
    began = time.monotonic()
    victim.kill()
    hosts = wait(lambda: HOSTS.read_bytes() == place.hosts, "hosts is clean", 0.001)
    silent = wait(lambda: not listening(), "nothing listens", 0.001)
    _again(place, who)
    return {"hosts_s": round(hosts - began, 3), "listeners_s": round(silent - began, 3)}


def _again(place: Place, who: str) -> None:
    if who == "operator":
        place.shared.run("trigger", "kubefwd:run")
    else:
        wait(lambda: not helpers(), "both have ended", 0.02)
        wait(lambda: not is_ready(place.shared.status()), "the loss is told", 0.02)
        place.shared.click("kubefwd:refresh")
    place.wait_many()
    wait(lambda: is_ready(place.shared.status()), "all is well", 0.05)


def _columns(runs: list[dict[str, float]]) -> dict[str, list[float]]:
    return {key: [run[key] for run in runs] for key in runs[0]}
