"""What it costs a new connection to ask whose it is, with and without in turns.

By itself: connect, accept, and the operator's own decision in this process, while other
connections stand. As seen by a client: two operators forward the same service, one of them with
`allow_other_users`.
"""

import os
import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.bench import probe
from tests.bench.place import Place, stop
from tests.bench.probe import Address
from tests.lab.api import Json
from tests.lab.forwarding import row
from tests.lab.tilt import Tilt

from kubefwd_operator.engines.native.admission import Admission

ROUNDS, STANDING = 5000, 1000  # connections by themselves, and those that stand meanwhile
CONNECTIONS = 600  # through each operator
KEY = ("shop", "web")
WAYS = ("asked", "unasked")


def measure(place: Place) -> Json:
    """Return microseconds of an accept and milliseconds to the first byte."""
    return {
        "accept_us": _accepts(),
        "first_byte_ms": _first_bytes(place),
        "accepts": ROUNDS,
        "standing": STANDING,
        "connections": CONNECTIONS,
    }


def _accepts() -> Json:
    ways = {"asked": _admission(everybody=False), "unasked": _admission(everybody=True)}
    found: dict[str, list[float]] = {way: [] for way in ways}
    with socket.create_server(("127.18.0.3", 0), backlog=STANDING) as server, ExitStack() as stack:
        for _ in range(STANDING):
            stack.enter_context(socket.create_connection(server.getsockname()))
            stack.enter_context(server.accept()[0])
        for way in _turns(ROUNDS):
            found[way].append(_accept(server, ways[way]) * 1e6)
    for admission in ways.values():
        admission.close()
    return {way: _percentiles(each, 1) for way, each in found.items()}


def _turns(rounds: int) -> Iterator[str]:
    """Yield who is next; each goes first in every other round, and may find colder caches."""
    for number in range(rounds):
        yield from WAYS if number % 2 else reversed(WAYS)


def _admission(*, everybody: bool) -> Admission:
    made = Admission(os.getuid(), lambda: None, everybody=everybody)
    made.start()
    assert made.problem is None
    return made


def _accept(server: socket.socket, admission: Admission) -> float:
    where = server.getsockname()
    began = time.perf_counter()
    with socket.create_connection(where) as client:
        accepted, _ = server.accept()
        admitted = admission.admits(accepted, KEY)
        took = time.perf_counter() - began
        _end(client)
        accepted.close()
    assert admitted
    return took


def _end(client: socket.socket) -> None:
    """End with a reset: thousands in TIME_WAIT would be measured too."""
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    client.close()


def _first_bytes(place: Place) -> Json:
    found: dict[str, list[float]] = {way: [] for way in WAYS}
    for order in (WAYS, WAYS[::-1]):
        with _operators(place, order) as ways:
            for way in _turns(CONNECTIONS // 2):
                found[way].append(probe.first_byte(ways[way]) * 1000)
    return {way: _percentiles(each, 2) for way, each in found.items()}


@contextmanager
def _operators(place: Place, order: Sequence[str]) -> Iterator[dict[str, Address]]:
    """Run both; the service has an address of its own with each.

    The one that is started first is the slower one by a little, whichever it is (measured).
    """
    first = place.tilt(allow_other_users=order[0] == "unasked")
    try:
        second = place.tilt(allow_other_users=order[1] == "unasked")
        try:
            yield dict(zip(order, (_address(first), _address(second)), strict=True))
        finally:
            second.stop()
    finally:
        stop(first)


def _address(tilt: Tilt) -> Address:
    status = tilt.wait_status(lambda now: row(now, "web.shop")["ports"])
    address = (row(status, "web.shop")["address"], 80)
    probe.wait(lambda: probe.answers(address), "the service answers by its address")
    return address


def _percentiles(times: list[float], digits: int) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"p50": round(cuts[49], digits), "p99": round(cuts[98], digits)}
