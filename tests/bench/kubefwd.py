"""The same 250 services through kubefwd, by itself and under the operator, when it is on PATH."""

import shutil
import time
from collections.abc import Callable

import psutil
from tests.bench.place import MANY, Place, addresses, forwarding, only_operator
from tests.bench.probe import answers, memory, processor
from tests.lab.api import Json
from tests.lab.forwarding import HOSTS, helpers, kubefwds
from tests.lab.proc import Server, ServerError

PATIENCE = 300.0  # seconds
QUIET, WINDOW = 10.0, 60.0  # seconds, as for the native engine


def measure(place: Place) -> Json:
    """Return how long all 250 take, and memory, either way; `present` False without kubefwd."""
    program = shutil.which("kubefwd")
    if program is None:
        return {"present": False}
    place.fill()
    place.stop_shared()  # two on one machine would be measured together
    return {"present": True, **_alone(place, program), "supervised": _supervised(place, program)}


def _alone(place: Place, program: str) -> Json:
    """Measure kubefwd as it is started by hand."""
    command = [program, "svc", "-n", MANY, "-c", place.cluster.kubeconfig]
    began = time.monotonic()
    server = Server("kubefwd", command, place.lab.folder / "kubefwd.log")
    try:
        found = _until_all_answer(lambda: _alive(server), began)
        return {**found, **memory([psutil.Process(server.pid)])}
    finally:
        server.stop()
        HOSTS.write_bytes(place.hosts)


def _alive(server: Server) -> None:
    if server.exit_code is not None:
        raise ServerError(f"kubefwd has ended: {server.output[-2000:]}")


def _supervised(place: Place, program: str) -> Json:
    """Measure it under the operator: the namespace is an argument, so it is asked for at once."""
    place.lab.kubefwd = program
    with forwarding(place, engine="kubefwd", kubefwd=program, namespaces=MANY):
        (process,) = kubefwds()
        found = _until_all_answer(
            lambda: None, process.create_time() - time.time() + time.monotonic()
        )
        time.sleep(QUIET)
        groups = {"kubefwd": [process], "operator": [only_operator()], "helpers": helpers()}
        before = {name: processor(group) for name, group in groups.items()}
        time.sleep(WINDOW)
        return {
            **found,
            **{
                name: {
                    "cpu_percent": round((processor(group) - before[name]) / WINDOW * 100, 2),
                    **memory(group),
                }
                for name, group in groups.items()
            },
        }


def _until_all_answer(check: Callable[[], None], began: float) -> Json:
    """Ask those that have not answered, again and again; say how many did, and when the last.

    `check` raises ServerError, with kubefwd's last words, when it has ended by itself.
    """
    waiting, last = addresses(), 0.0
    while waiting and time.monotonic() - began < PATIENCE:
        check()
        left = [address for address in waiting if not answers(address)]
        if len(left) < len(waiting):
            last = time.monotonic() - began
        waiting = left
        time.sleep(0.1)
    return {"answered": len(addresses()) - len(waiting), "last_answer_s": round(last, 1)}
