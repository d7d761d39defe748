"""SIGKILL of the operator, the worker, the guardian or Tilt, with 250 services: until /etc/hosts is
as it was, byte for byte, and until nothing listens on our range any more. And SIGTERM of the
operator: until it has ended.
"""

import time
from collections.abc import Callable

import psutil
from tests.bench.place import Place, only_operator
from tests.bench.probe import columns, listening, wait
from tests.lab.api import Json
from tests.lab.forwarding import HOSTS, helpers, is_ready
from tests.lab.proc import alive

RUNS = 5
VICTIMS: dict[str, Callable[[], psutil.Process]] = {
    "operator": only_operator,
    "worker": lambda: helpers()[0],
    "guardian": lambda: helpers()[1],
}


def measure(place: Place) -> Json:
    """Return the seconds of every run, by who is killed."""
    place.add_many()
    terminated = [_terminate(place) for _ in range(RUNS)]
    killed = {who: columns([_kill(place, who) for _ in range(RUNS)]) for who in VICTIMS}
    killed["Tilt"] = columns([_kill_tilt(place) for _ in range(RUNS)])
    return {"killed": killed, "terminated_s": terminated}


def _terminate(place: Place) -> float:
    """SIGTERM to the operator; return the seconds until its process is gone."""
    operator = only_operator()
    began = time.monotonic()
    operator.terminate()
    ended = wait(lambda: not alive(operator.pid), "it has ended", 0.001)
    _again(place, "operator")
    return round(ended - began, 3)


def _kill(place: Place, who: str) -> dict[str, float]:
    victim = VICTIMS[who]()
    found = _until_clean(place, victim.kill)
    _again(place, who)
    return found


def _kill_tilt(place: Place) -> dict[str, float]:
    place.add_many()
    found = _until_clean(place, place.shared.kill)
    place.stop_shared()
    return found


def _until_clean(place: Place, kill: Callable[[], None]) -> dict[str, float]:
    began = time.monotonic()
    kill()
    hosts = wait(lambda: HOSTS.read_bytes() == place.hosts, "hosts is clean", 0.001)
    silent = wait(lambda: not listening(), "nothing listens", 0.001)
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
