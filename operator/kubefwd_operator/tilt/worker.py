"""One thread that makes blocking calls one after the other, off the event loop.

pykube-ng is synchronous. A ThreadPoolExecutor would do, but the interpreter joins its threads at
exit, and a call that hangs in a stopped Tilt would hold up our own end; this thread is a daemon.
"""

import asyncio
import concurrent.futures
import queue
import threading
from collections.abc import Callable
from typing import TypeVar

_T = TypeVar("_T")
_Job = Callable[[], None]


class Worker:
    """Runs functions in its thread. `close()` ends it after the call at hand."""

    def __init__(self, name: str) -> None:
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    async def run(self, function: Callable[[], _T], seconds: float) -> _T:
        """Give the function's result or exception; TimeoutError after that many seconds.

        A call that is late goes on in the thread, and its outcome is dropped.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[_T] = loop.create_future()
        self._jobs.put(lambda: _call(function, future, loop))
        async with asyncio.timeout(seconds):
            return await future

    def close(self) -> None:
        """End the thread after the call at hand; returns at once."""
        self._jobs.put(None)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            job()


def _call(
    function: Callable[[], _T], future: asyncio.Future[_T], loop: asyncio.AbstractEventLoop
) -> None:
    """Run it in the thread, and hand the outcome over to the event loop if that is still there."""
    if future.cancelled():
        return
    outcome: concurrent.futures.Future[_T] = concurrent.futures.Future()
    try:
        outcome.set_result(function())
    except Exception as error:  # noqa: BLE001 - carried to the caller whole
        outcome.set_exception(error)
    try:
        loop.call_soon_threadsafe(_settle, future, outcome)
    except RuntimeError:
        return  # the loop is closed: nobody waits any more


def _settle(future: asyncio.Future[_T], outcome: concurrent.futures.Future[_T]) -> None:
    if future.done():
        return
    if (error := outcome.exception()) is not None:
        future.set_exception(error)
    else:
        future.set_result(outcome.result())
