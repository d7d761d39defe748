"""What is measured with measures what is there."""

import asyncio
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator

import psutil
import pytest
from tests.bench import probe
from tests.lab.servers import Served, Who, serve

WHO = Who("web-1", "shop", "web", "uid-1", 8080)


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """A pod's server, in the test's own event loop: what asks it runs in a thread."""
    made = await serve("http", WHO)
    yield made
    await made.running.close(0)


@pytest.fixture
def address(served: Served) -> probe.Address:
    host, port = served.running.address.split(":")
    return host, int(port)


async def test_an_answer_is_read_to_its_end(address: probe.Address) -> None:
    answer = await asyncio.to_thread(probe.ask, address)
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'"pod": "web-1"' in answer


async def test_the_time_to_the_first_byte_is_that_of_one_request(address: probe.Address) -> None:
    took = await asyncio.to_thread(probe.first_byte, address)
    assert 0 < took < 1


async def test_a_download_counts_every_byte(address: probe.Address) -> None:
    began = time.perf_counter()
    speed = await asyncio.to_thread(probe.download, address, 20_000_000)
    assert speed >= 20 / (time.perf_counter() - began)


async def test_requests_on_connections_that_stay_are_counted(
    served: Served, address: probe.Address
) -> None:
    rate = await asyncio.to_thread(probe.keep_alive, address, 2, 0.2)
    assert served.count.connections == 2
    assert rate * 0.2 == pytest.approx(served.count.requests)


def test_nobody_answers_where_nobody_listens() -> None:
    assert not probe.answers(("127.0.0.1", 1))


def test_the_age_of_a_process_is_that_since_its_start() -> None:
    began = time.monotonic()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        measured, most = probe.age(process.pid), time.monotonic() - began
        assert -0.02 < measured < most + 0.02
        process.communicate(b"\n")


def test_processor_and_memory_are_those_of_the_processes() -> None:
    me = [psutil.Process(os.getpid())]
    before = probe.processor(me)
    ends = time.process_time() + 0.1
    while time.process_time() < ends:
        pass
    assert 0.05 < probe.processor(me) - before < 1.5
    found = probe.memory(me)
    assert 5 < found["pss_mb"] <= found["rss_mb"] < 2000


def test_waiting_ends_with_what_it_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "PATIENCE", 0.05)
    assert probe.wait(lambda: True, "nothing") <= time.monotonic()
    with pytest.raises(AssertionError, match="the moon: not within"):
        probe.wait(lambda: False, "the moon")
