"""Looks at a running kubefwd: its rows and namespaces, and the sockets that listen.

Quick while something is on its way, slow while all is well, at once when asked.
"""

import asyncio
import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from kubefwd_operator.core.errors import KubefwdError, KubefwdForeign, KubefwdRefused
from kubefwd_operator.engines.kubefwd import sockets
from kubefwd_operator.engines.kubefwd.api import KubefwdApi
from kubefwd_operator.engines.kubefwd.rows import Forward
from kubefwd_operator.engines.kubefwd.sockets import Sockets
from kubefwd_operator.engines.kubefwd.truth import Place

QUICK, SLOW = 0.5, 5.0
"""Seconds between two looks while something is on its way, and while all is well."""

SPACING = 0.2
"""Seconds that two looks are apart, however often one is asked for."""

SILENCE = 15.0
"""Seconds without an answer after which it counts as silent."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Observation:
    """What was there at one moment. `sockets` is None where they cannot be looked at."""

    api: KubefwdApi
    rows: tuple[Forward, ...]
    watched: frozenset[str]
    sockets: Sockets | None

    @property
    def listening(self) -> frozenset[Place] | None:
        """What listens, where that can be known."""
        return self.sockets.listening if self.sockets else None

    @property
    def busy(self) -> bool:
        """Whether somebody uses a forward, as far as can be known."""
        places = {(row.ip, row.port) for row in self.rows}
        return self.sockets is None or bool(places & self.sockets.connected)


class Observer:
    """Looks while there is an API. `seen` is called after each look, `silent` when it is mute."""

    def __init__(
        self,
        api: Callable[[], KubefwdApi | None],
        seen: Callable[[], None],
        silent: Callable[[str], None],
    ) -> None:
        self._api, self._seen, self._silent = api, seen, silent
        self._now = asyncio.Event()
        self._answered = 0.0
        self.quick = True
        self.last: Observation | None = None

    def look(self) -> None:
        """Look at once."""
        self._now.set()

    async def run(self) -> None:
        """Look until cancelled."""
        api: KubefwdApi | None = None
        while True:
            if self._api() is not api:
                api, self.last = self._api(), None
                self._answered = asyncio.get_running_loop().time()
            answered = api is None or await self._once(api)
            await asyncio.sleep(SPACING)
            with suppress(TimeoutError):
                async with asyncio.timeout(SLOW if answered and not self.quick else QUICK):
                    await self._now.wait()
            self._now.clear()

    async def _once(self, api: KubefwdApi) -> bool:
        """Look; say whether it has answered."""
        loop = asyncio.get_running_loop()
        try:
            watched = frozenset(each.namespace for each in await api.namespaces())
            rows = await api.forwards()
        except KubefwdForeign as error:
            self._silent(str(error))
        except KubefwdRefused as error:
            _log.warning("kubefwd refuses to say what it forwards: %s", error)
        except KubefwdError as error:
            if loop.time() - self._answered >= SILENCE:
                self._silent(str(error))
        except Exception:  # noqa: BLE001 - a part never dies; it says so and goes on
            _log.exception("A look at kubefwd has failed; it is tried again")
        else:
            self._answered = loop.time()
            self.last = Observation(api, rows, watched, await sockets.look())
            self._seen()
            return True
        return False
