"""The composition root: builds everything, starts it, and takes it down again. No decisions.

Kopf loses exceptions of tasks it does not know (Kopf 1.45), so our own are watched here: one
that dies ends the process by SIGTERM to ourselves, and then `close` tells that it was not well, for
code 1. The end of our Tilt takes the same road and exits with code 0.

Everything closes within CLOSE_SECONDS, since Tilt gives its children two seconds when it ends:
what is not undone by then, the helper undoes when our socket closes.
"""

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from kubefwd_operator import __version__, config
from kubefwd_operator.config import Config
from kubefwd_operator.core.errors import TiltError
from kubefwd_operator.core.settings import EngineChoice
from kubefwd_operator.core.status import Process
from kubefwd_operator.engines.kubefwd.find import find
from kubefwd_operator.loop import Loop, PartsLike
from kubefwd_operator.parts import Parts
from kubefwd_operator.tilt.client import TiltClient
from kubefwd_operator.tilt.life import Life
from kubefwd_operator.tilt.session import TiltAccess, read_access

log = logging.getLogger(__name__)

CLOSE_SECONDS = 1.0
"""For all parts together; from SIGTERM to exit it must take less than 1.5 s."""

FILES = 65536
"""Open files to ask for: a listener per port and two sockets per connection add up."""

MakeParts = Callable[[Config, Callable[[], None]], PartsLike]


class App:
    """One operator on one Tilt."""

    make_parts: MakeParts = Parts
    """What builds the parts; tests of everything around them put smaller ones here."""

    def __init__(self, setup: Config, access: TiltAccess) -> None:
        self.access = access
        self._client = TiltClient(access, private_directory(setup.cache / "tilt"))
        self._life = Life(setup.tilt, access)
        self._parts = type(self).make_parts(setup, self.wake)
        process = Process(os.getpid(), setup.settings.instance, __version__)
        self._loop = Loop(
            self._client, self._parts, setup.settings, process, self._life.met, self.end
        )
        self._tasks: list[asyncio.Task[None]] = []
        self._well = True
        self._ending = False

    @classmethod
    async def start(cls) -> "App":
        """Build everything from the environment and start it.

        Raises KubefwdOperatorError with what the developer has to put right.
        """
        setup = await with_kubefwd(config.load())
        raise_file_limit()
        app = cls(setup, read_access(setup.tilt))
        app._parts.start()
        app._watch(app._loop.run(), "loop")
        app._watch(app._outlive(), "life of Tilt")
        return app

    def wake(self) -> None:
        """Look again."""
        self._loop.wake()

    def end(self, reason: str) -> None:
        """End the process, in order and once; the reason is a sentence for the log."""
        if not self._ending:
            self._ending = True
            log.info("%s The operator ends.", reason)
            os.kill(os.getpid(), signal.SIGTERM)

    async def close(self) -> bool:
        """Take everything down; say whether all of our tasks had been well."""
        self._ending = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(self._leave_page(), self._close_parts())
        self._client.close()
        return self._well

    async def _close_parts(self) -> None:
        try:
            await asyncio.wait_for(self._parts.close(), CLOSE_SECONDS)
        except TimeoutError:
            log.warning("Closing took too long; the helper undoes the rest.")

    async def _leave_page(self) -> None:
        """Take our rows off the page. What is left of them, the next operator sweeps."""
        try:
            await asyncio.wait_for(self._loop.leave(), CLOSE_SECONDS)
        except (TiltError, TimeoutError) as error:
            log.debug("Rows are left on Tilt's page: %r", error)

    async def _outlive(self) -> None:
        self.end(await self._life.ended())

    def _watch(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(self._finished)
        self._tasks.append(task)

    def _finished(self, task: asyncio.Task[None]) -> None:
        if task.cancelled() or (error := task.exception()) is None:
            return
        self._well = False
        log.error("The task '%s' has failed.", task.get_name(), exc_info=error)
        self.end("This cannot be mended from inside.")


async def with_kubefwd(setup: Config) -> Config:
    """Add which kubefwd may be run, unless the native engine is asked for."""
    if setup.settings.engine is EngineChoice.NATIVE:
        return setup
    return replace(setup, kubefwd=await find(setup.settings.kubefwd, setup.environ))


def private_directory(path: Path) -> Path:
    """Make a directory of the developer's alone, and give it back."""
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.chmod(0o700)
    return path


def raise_file_limit() -> None:
    """Raise the soft limit of open files as far as the hard one allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
