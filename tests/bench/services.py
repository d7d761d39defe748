"""A namespace of 250 services appears: until all are listening and named, until all have answered.

It appears when Tilt has deployed into it: `lastApplyTime` of its KubernetesApply.
"""

import socket
import time
from concurrent.futures import ThreadPoolExecutor

from tests.bench.place import MANY, SERVICES, Place, addresses, deployed_at
from tests.bench.probe import answers, columns
from tests.lab.api import Json

RUNS = 5
AT_ONCE = 16  # requests


def measure(place: Place) -> Json:
    """Return the seconds of each run, counted from the deployment."""
    place.fill()
    place.shared.status()
    runs = [_run(place) for _ in range(RUNS)]
    place.add_many()  # what follows finds it there
    return {"services": SERVICES, "at_once": AT_ONCE, **columns(runs)}


def _run(place: Place) -> dict[str, float]:
    place.add_many()
    named = time.time()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        known = list(pool.map(lambda address: socket.gethostbyname(address[0]), addresses()))
        resolved = time.time()
        answered_all = all(pool.map(answers, addresses()))
    answered = time.time()
    assert answered_all
    assert len(set(known)) == SERVICES
    began = deployed_at(place.shared, MANY)
    place.remove_many()
    return {
        "named_s": round(named - began, 3),
        "resolved_s": round(resolved - began, 3),
        "answered_s": round(answered - began, 3),
    }
