"""Processor and memory with 250 services when nothing happens.

The readiness probe is a process of Tilt's, started every ten seconds: it is measured apart.
"""

import resource
import time
from collections.abc import Sequence

import psutil
from tests.bench.place import MANY, SERVICES, Place, only_operator
from tests.bench.probe import listening, memory, named, processor
from tests.lab.api import Json
from tests.lab.forwarding import helpers

QUIET = 10.0  # seconds for what has just happened to be over
WINDOW, WINDOWS = 20.0, 3  # seconds; two resyncs are in the minute
PROBES, PROBE_PERIOD = 5, 10.0  # runs, seconds (Tiltfile)


def measure(place: Place) -> Json:
    """Return percent of one core, and memory, of the operator and of worker and guardian."""
    place.add_many()
    time.sleep(QUIET)
    operator, pair = [only_operator()], helpers()
    assert len(pair) == 2
    shares = [_window(operator, pair) for _ in range(WINDOWS)]
    assert named(MANY) == SERVICES <= listening()
    return {
        "services": SERVICES,
        "window_s": WINDOW,
        "operator": {"cpu_percent": [share[0] for share in shares], **memory(operator)},
        "helpers": {"cpu_percent": [share[1] for share in shares], **memory(pair)},
        "probe": {"cpu_percent": round(_probe(place) / PROBE_PERIOD * 100, 2)},
    }


def _window(*groups: Sequence[psutil.Process]) -> list[float]:
    """Return the percent of one core that each group uses over one window."""
    before = [processor(group) for group in groups]
    time.sleep(WINDOW)
    return [
        round((processor(group) - used) / WINDOW * 100, 2)
        for group, used in zip(groups, before, strict=True)
    ]


def _probe(place: Place) -> float:
    """Return the seconds of processor that one run of the readiness probe takes."""
    dev, port = place.lab.dev, str(place.shared.port)
    command = dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator"
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    for _ in range(PROBES):
        dev.run(command, "ready", "--port", port)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / PROBES
