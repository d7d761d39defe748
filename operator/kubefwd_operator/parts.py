"""The parts of the operator, wired: catalog, authority and engine, and who wakes whom.

Every change of a part wakes the loop. The engine is built on the other two and looks again when
either has changed; `waiting/` asks it on behalf of `kubefwd-operator wait`. The end goes the other
way round: the engine takes its names and listeners back through the helper, then the helper's
connection is closed without a `bye` (it lingers for a next operator), then the cluster's.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from kubefwd_operator.cluster.catalog import Catalog
from kubefwd_operator.config import Config
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.model import AuthoritySeen, CatalogSeen, Desired, EngineSeen
from kubefwd_operator.engines.select import select
from kubefwd_operator.privileged.authority import Authority
from kubefwd_operator.privileged.ways import chosen
from kubefwd_operator.waiting.server import WaitServer

log = logging.getLogger(__name__)

ENGINE_SECONDS, OTHER_SECONDS = 0.5, 0.2
"""What each part may take to close; what is left over then, the helper undoes."""


class Parts:
    """Built from the configuration; `changed` is called when any part shows something else."""

    def __init__(self, setup: Config, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._catalog = Catalog(changed=self._wake_engine)
        self._authority = Authority(
            instance=setup.settings.instance,
            linger=setup.settings.linger,
            environ=setup.environ,
            changed=self._wake_engine,
            ways=chosen(setup.settings.root),
            kubefwd=setup.kubefwd if isinstance(setup.kubefwd, PinnedKubefwd) else None,
            hostnames=setup.settings.allow_hostnames,
        )
        built_on = (setup.kubefwd, self._catalog, self._authority, changed)
        allow = setup.settings.allow_other_users
        self._engine = select(setup.settings.engine, *built_on, allow_other_users=allow)
        self._waiting = WaitServer.of(setup.settings.instance, self._engine.dial)

    def start(self) -> None:
        """Start the tasks of all parts."""
        self._catalog.start()
        self._authority.start()
        self._engine.start()
        self._waiting.start()

    def want(self, desired: Desired) -> None:
        """Tell every part what is wanted."""
        self._catalog.want(desired)
        self._authority.want(desired)
        self._engine.want(desired)

    def seen(self) -> tuple[CatalogSeen, AuthoritySeen, EngineSeen]:
        """Give what the parts show right now."""
        return self._catalog.seen(), self._authority.seen(), self._engine.seen()

    async def close(self) -> None:
        """Stop everything, in order, each within its time."""
        await _within(OTHER_SECONDS, self._waiting.close())
        await _within(ENGINE_SECONDS, self._engine.close())
        await _within(OTHER_SECONDS, self._authority.close())
        await _within(OTHER_SECONDS, self._catalog.close())

    def _wake_engine(self) -> None:
        self._engine.wake()
        self._changed()


async def _within(seconds: float, closing: Awaitable[None]) -> None:
    """Let one part close; neither slowness nor an exception keeps the next from closing."""
    try:
        await asyncio.wait_for(closing, seconds)
    except TimeoutError:
        log.debug("A part has not closed within %s s.", seconds)
    except Exception:
        log.exception("A part has failed to close.")
