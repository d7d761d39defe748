"""One thread, in order, off the event loop, and nobody waits for it at the end."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

from kubefwd_operator.tilt.worker import Worker


def _named(number: int) -> tuple[int, str]:
    return number, threading.current_thread().name


async def test_it_gives_results_in_order_and_always_in_the_same_thread() -> None:
    worker = Worker("w")
    names = await asyncio.gather(*(worker.run(partial(_named, i), 1) for i in range(5)))
    assert names == [(i, "w") for i in range(5)]
    worker.close()


async def test_it_carries_exceptions_over() -> None:
    worker = Worker("w")
    with pytest.raises(ZeroDivisionError):
        await worker.run(lambda: 1 / 0, 1)
    assert await worker.run(lambda: "still alive", 1) == "still alive"
    worker.close()


async def test_a_late_call_is_given_up_and_the_next_one_is_made() -> None:
    worker = Worker("w")
    release = threading.Event()
    with pytest.raises(TimeoutError):
        await worker.run(lambda: release.wait(5), 0.05)
    release.set()
    assert await worker.run(lambda: 1, 1) == 1
    worker.close()


async def test_the_event_loop_goes_on_meanwhile() -> None:
    worker = Worker("w")
    release = threading.Event()
    call = asyncio.create_task(worker.run(lambda: release.wait(5), 5))
    await asyncio.sleep(0.01)
    release.set()
    assert await call is True
    worker.close()


def test_a_call_that_hangs_does_not_hold_up_the_end_of_the_process() -> None:
    program = (
        "import asyncio, time\n"
        "from kubefwd_operator.tilt.worker import Worker\n"
        "async def main():\n"
        "    worker = Worker('w')\n"
        "    try: await worker.run(lambda: time.sleep(30), 0.05)\n"
        "    except TimeoutError: worker.close()\n"
        "asyncio.run(main())\n"
    )
    begun = time.monotonic()
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    subprocess.run([sys.executable, "-c", program], env=env, check=True, timeout=20)
    assert time.monotonic() - begun < 10
