"""Keeps what a running kubefwd was given fresh: a token in its file, a certificate by a restart.

kubefwd reads its token file at most once a minute and its kubeconfig once (client-go), so what
expires is replaced well before. An exec plugin runs as the developer, in `cluster/plugin.py`, and
only when what it gave is about to expire; files are looked at every time.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Protocol

from kubefwd_operator.cluster.handover import Handover
from kubefwd_operator.core.errors import ClusterError, HelperError

POLL = 20.0
"""Seconds between two looks."""

MARGIN = 90.0
"""Seconds before its end at which a credential is replaced: client-go caches a token file's content
for a minute."""

_log = logging.getLogger(__name__)


class Source(Protocol):
    """What it needs of `cluster/credentials.py`'s Access."""

    async def handover(self, margin: float = 0.0) -> Handover:
        """Give the values of this moment. Raises ClusterError."""


class Keeper:
    """Runs while kubefwd does.

    `token` hands a fresh token over. `renew` asks for a restart: why, and until when (Unix time) it
    may wait. `trouble` takes what is wrong with the credentials once they have expired, and None
    when that is over.
    """

    def __init__(
        self,
        source: Callable[[], Source | None],
        *,
        token: Callable[[str], Awaitable[None]],
        renew: Callable[[str, float | None], None],
        trouble: Callable[[ClusterError | None], None],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source, self._token, self._renew, self._trouble = source, token, renew, trouble
        self._wall = wall
        self._task: asyncio.Task[None] | None = None

    def keep(self, given: Handover) -> None:
        """Begin to keep fresh what the running kubefwd was started with."""
        self.stop()
        self._task = asyncio.create_task(self._keep(given), name="kubefwd credentials")

    def stop(self) -> None:
        """Leave it: kubefwd is not running."""
        if self._task is not None:
            self._task.cancel()
            self._task = None

    async def _keep(self, given: Handover) -> None:
        while True:
            await asyncio.sleep(POLL)
            try:
                fresh = await self._look(given)
            except ClusterError as error:
                self._fail(error, given)
            except HelperError as error:
                _log.debug("A token could not be handed over: %s", error)
            except Exception:  # noqa: BLE001 - a part never dies; it says so and goes on
                _log.exception("The credentials of kubefwd could not be looked after")
            else:
                self._trouble(None)
                if replace(fresh.access, token=given.access.token) != given.access:
                    self._renew("its credentials have changed", given.expires)
                    return
                given = fresh

    async def _look(self, given: Handover) -> Handover:
        source = self._source()
        if source is None:
            return given
        fresh = await source.handover(MARGIN)
        if fresh.access.token != given.access.token:
            await self._token(fresh.access.token)
            _log.info("kubefwd has been given a fresh token.")
        return fresh

    def _fail(self, error: ClusterError, given: Handover) -> None:
        """Say what is wrong, once it hurts: until then it is tried again."""
        if given.expires is None or self._wall() >= given.expires:
            self._trouble(error)
        else:
            _log.info("Fresh credentials for kubefwd are not to be had yet: %s", error)
