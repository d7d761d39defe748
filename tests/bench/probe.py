"""What is measured with. Everything here is cheap, since it runs beside what it measures.

Sockets are used as they are: a client library's own time would be most of a short answer's.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
from tests.lab.api import Json
from tests.lab.forwarding import HOSTS

LISTEN = "0A"  # in /proc/net/tcp
PATIENCE = 60.0  # seconds
Address = tuple[str, int]


def wait(condition: Callable[[], object], what: str, period: float = 0.003) -> float:
    """Poll until it is so; return the monotonic time. Raises AssertionError after PATIENCE."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, f"{what}: not within {PATIENCE:.0f} s"
        time.sleep(period)
    return time.monotonic()


def columns(runs: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    """Return the numbers of all runs by their name."""
    return {key: [run[key] for run in runs] for key in runs[0]}


# --- HTTP --------------------------------------------------------------------------------------


def request(host: str, path: str = "/") -> bytes:
    """Return the bytes of a GET."""
    return f"GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()


def whole(connection: socket.socket, begun: bytes = b"") -> bytes:
    """Read one answer to `GET /` to its end, which is the end of its JSON.

    Not until the server closes: whoever carries the bytes may take a second for that
    (facts/portforward), and no browser waits for it.
    """
    while not begun.endswith(b"}"):
        more = connection.recv(65536)
        if not more:
            raise ConnectionError("the answer was cut")
        begun += more
    return begun


def ask(address: Address, timeout: float = PATIENCE) -> bytes:
    """`GET /` on a connection of its own; return the whole answer, head included."""
    with socket.create_connection(address, timeout) as connection:
        connection.sendall(request(address[0]))
        return whole(connection)


def answers(address: Address) -> bool:
    """Say whether a GET is answered with 200, right now."""
    try:
        return ask(address, timeout=5).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


def first_byte(address: Address) -> float:
    """Return the seconds from connect() to the first byte of an answer on a fresh connection."""
    began = time.perf_counter()
    with socket.create_connection(address, PATIENCE) as connection:
        connection.sendall(request(address[0]))
        begun = connection.recv(1)
        took = time.perf_counter() - began
        whole(connection, begun)
    return took


def download(address: Address, length: int) -> float:
    """Return the megabytes per second of a body of that length, from its first byte to its last."""
    buffer = bytearray(1 << 20)
    with socket.create_connection(address, PATIENCE) as connection:
        connection.sendall(request(address[0], f"/stream/{length}"))
        read = connection.recv_into(buffer)
        began = time.perf_counter()
        while read < length:
            got = connection.recv_into(buffer)
            assert got, f"cut after {read} bytes of {length}"
            read += got
        return length / (time.perf_counter() - began) / 1e6


def keep_alive(address: Address, connections: int, seconds: float) -> float:
    """Return the requests per second of so many connections, each one request after the other."""
    ends, counts = time.perf_counter() + seconds, [0] * connections

    def work(number: int) -> None:
        with socket.create_connection(address, PATIENCE) as connection:
            while time.perf_counter() < ends:
                connection.sendall(request(address[0]))
                whole(connection)
                counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(counts)
    return sum(counts) / seconds


# --- the machine -------------------------------------------------------------------------------


def named(namespace: str) -> int:
    """Return how many services of a namespace /etc/hosts knows by `S.N.svc`, over IPv4."""
    mark = f".{namespace}.svc"
    return sum(
        line.startswith("127.") and any(word.endswith(mark) for word in line.split())
        for line in HOSTS.read_text(errors="replace").splitlines()
    )


def listening() -> int:
    """Return how many listeners stand in 127.18.0.0/15, from the kernel's table."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    # The address is little-endian hexadecimal: 127.18.x.y ends in 127F, 127.19 in 137F.
    return sum(row[3] == LISTEN and row[1][4:8] in {"127F", "137F"} for row in rows)


def age(pid: int) -> float:
    """Return the seconds since a process was started, to the kernel's tick."""
    ticks = int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[19])
    return time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")


def processor(processes: Sequence[psutil.Process]) -> float:
    """Return the seconds of processor that they have used so far."""
    times = [process.cpu_times() for process in processes]
    return sum(each.user + each.system for each in times)


def memory(processes: Sequence[psutil.Process]) -> Json:
    """Return resident and proportional memory in MB (10^6 bytes), summed."""
    found = [process.memory_full_info() for process in processes]
    return {
        "rss_mb": round(sum(each.rss for each in found) / 1e6, 1),
        "pss_mb": round(sum(each.pss for each in found) / 1e6, 1),
    }
