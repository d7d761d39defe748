"""Processor and memory with 250 services when nothing happens.

The readiness probe is a process of Tilt's, started every ten seconds: it is measured apart.
"""

import resource
import time

from tests.bench.place import MANY, SERVICES, Place, only_operator
from tests.bench.probe import listening, memory, named, processor
from tests.lab.api import Json
from tests.lab.forwarding import helpers

QUIET = 10.0  # seconds for what has just happened to be over
WINDOW = 30.0  # seconds: one resync, whenever it begins
PROBES, PROBE_PERIOD = 5, 10.0  # runs, seconds (Tiltfile)


def measure(place: Place) -> Json:
    """Return percent of one core, and memory, of the operator and of worker and guardian."""
    place.add_many()
    time.sleep(QUIET)
    operator, pair = [only_operator()], helpers()
    assert len(pair) == 2
    before = processor(operator), processor(pair)
    time.sleep(WINDOW)
    used = processor(operator) - before[0], processor(pair) - before[1]
    assert named(MANY) == SERVICES <= listening()
    return {
        "services": SERVICES,
        "window_s": WINDOW,
        "operator": {"cpu_percent": round(used[0] / WINDOW * 100, 2), **memory(operator)},
        "helpers": {"cpu_percent": round(used[1] / WINDOW * 100, 2), **memory(pair)},
        "probe": {"cpu_percent": round(_probe(place) / PROBE_PERIOD * 100, 2)},
    }


def _probe(place: Place) -> float:
    """Return the seconds of processor that one run of the readiness probe takes."""
    dev, port = place.lab.dev, str(place.shared.port)
    command = dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(PROBES):
        dev.run(command, "ready", "--port", port)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / PROBES
