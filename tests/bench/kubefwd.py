"""The same 250 services through kubefwd itself, side by side, when it is on PATH."""

import shutil
import time

import psutil
from tests.bench.place import MANY, Place, addresses
from tests.bench.probe import answers, memory
from tests.lab.api import Json
from tests.lab.forwarding import HOSTS
from tests.lab.proc import Server, ServerError

PATIENCE = 300.0  # seconds


def measure(place: Place) -> Json:
    """Return how long kubefwd takes for all 250, and its memory; `present` False without it."""
    program = shutil.which("kubefwd")
    if program is None:
        return {"present": False}
    place.fill()
    place.stop_shared()  # two on one machine would be measured together
    command = [program, "svc", "-n", MANY, "-c", place.cluster.kubeconfig]
    began = time.monotonic()
    server = Server("kubefwd", command, place.lab.folder / "kubefwd.log")
    try:
        found = _until_all_answer(server, began)
        return {"present": True, **found, **memory([psutil.Process(server.pid)])}
    finally:
        server.stop()
        HOSTS.write_bytes(place.hosts)


def _until_all_answer(server: Server, began: float) -> Json:
    """Ask those that have not answered, again and again; say how many did, and when the last.

    Raises ServerError, with kubefwd's last words, when it ends by itself.
    """
    waiting, last = addresses(), 0.0
    while waiting and time.monotonic() - began < PATIENCE:
        if server.exit_code is not None:
            raise ServerError(f"kubefwd has ended: {server.output[-2000:]}")
        left = [address for address in waiting if not answers(address)]
        if len(left) < len(waiting):
            last = time.monotonic() - began
        waiting = left
        time.sleep(0.1)
    return {"answered": len(addresses()) - len(waiting), "last_answer_s": round(last, 1)}
