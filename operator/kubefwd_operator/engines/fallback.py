"""Two engines for `auto`: kubefwd, and the native one as long as kubefwd is hopeless here.

Another user may run a kubefwd, of which there can be one on a machine; or ours may end again and
again. Then the native engine goes on, and the next Refresh tries kubefwd once more.
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from kubefwd_operator.core.model import Desired, Dialled, EngineSeen
from kubefwd_operator.engines.engine import RunningEngine

SWITCHING = Dialled("The engine is being replaced by the other one.", ours=False)

_log = logging.getLogger(__name__)


class Preferred(RunningEngine, Protocol):
    """An engine that may turn out to be of no use on this machine."""

    @property
    def hopeless(self) -> str:
        """Why nobody should wait for it; empty while there is hope."""

    async def end(self) -> None:
        """Stop, and leave the helper to others; this may take seconds."""


class Fallback:
    """The engine `first()`, and `second()` while that one is hopeless; built when needed."""

    def __init__(
        self,
        first: Callable[[Callable[[], None]], Preferred],
        second: Callable[[Callable[[], None]], RunningEngine],
        changed: Callable[[], None],
    ) -> None:
        self._first, self._second, self._changed = first, second, changed
        self._preferred: Preferred | None = first(self._look)
        self._active: RunningEngine | None = self._preferred
        self._why = ""
        self._seen = self._preferred.seen()
        self._desired = Desired()
        self._switching: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Start the preferred one."""
        if self._active is not None:
            self._active.start()

    def wake(self) -> None:
        """Look again: catalog or authority have changed."""
        if self._active is not None:
            self._active.wake()

    def want(self, desired: Desired) -> None:
        """Pass the wish on; a grown generation gives the preferred one another chance."""
        before, self._desired = self._desired, desired
        if desired.generation > before.generation and self._why and self._switching is None:
            self._switching = asyncio.create_task(self._return())
        elif self._active is not None:
            self._active.want(desired)

    def seen(self) -> EngineSeen:
        """Show the active one, and why it is that one."""
        if self._active is not None:
            self._seen = self._active.seen()
        return replace(self._seen, why=self._why or self._seen.why)

    async def dial(self, address: str, port: int) -> Dialled:
        """Pass it on to the active one."""
        if self._active is None:
            return SWITCHING
        return await self._active.dial(address, port)

    async def close(self) -> None:
        """Close the active one."""
        if self._switching is not None:
            self._switching.cancel()
            await asyncio.wait([self._switching])
        if self._active is not None:
            await self._active.close()

    def _look(self) -> None:
        if self._preferred is not None and self._preferred.hopeless and self._switching is None:
            self._switching = asyncio.create_task(self._fall_back(self._preferred))
        self._changed()

    async def _fall_back(self, preferred: Preferred) -> None:
        self._why = f"kubefwd cannot be used: {preferred.hopeless}"
        _log.warning("Forwarding with the native engine, because %s", self._why)
        self._seen, self._preferred, self._active = preferred.seen(), None, None
        await preferred.end()
        self._begin(self._second(self._changed))

    async def _return(self) -> None:
        active, self._active = self._active, None
        if active is not None:
            self._seen = active.seen()
            await active.close()
        self._why = ""
        self._preferred = self._first(self._look)
        self._begin(self._preferred)

    def _begin(self, engine: RunningEngine) -> None:
        self._active, self._switching = engine, None
        engine.start()
        engine.want(self._desired)
        self._changed()
