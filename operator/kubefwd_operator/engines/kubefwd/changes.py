"""Makes kubefwd watch what is wanted, and carries out remedies: one change after the other.

Namespaces are compared anew before each change, so nothing that was done or undone meanwhile is
done twice; each is added and removed alone, and nothing else drops.
"""

import asyncio
import logging
from collections.abc import Callable

from kubefwd_operator.core.errors import KubefwdError
from kubefwd_operator.engines.kubefwd.api import KubefwdApi
from kubefwd_operator.engines.kubefwd.remedies import Remedy, Step

AGAIN = 2.0
"""Seconds after a change that failed."""

_log = logging.getLogger(__name__)


class Changes:
    """A task of its own, because a change may take long. `changed` is called after each."""

    def __init__(self, api: Callable[[], KubefwdApi | None], changed: Callable[[], None]) -> None:
        self._api, self._changed = api, changed
        self._bell = asyncio.Event()
        self._wanted: tuple[str, ...] = ()
        self._remedies: list[Remedy] = []

    def want(self, namespaces: tuple[str, ...], watched: frozenset[str]) -> None:
        """Have exactly these namespaces watched; those that come are added in this order.

        `watched` are those that were seen to be watched.
        """
        self._wanted = namespaces
        if watched != frozenset(namespaces):
            self._bell.set()

    def heal(self, remedies: tuple[Remedy, ...]) -> None:
        """Carry these out, in this order."""
        self._remedies += remedies
        self._bell.set()

    def forget(self) -> None:
        """Drop remedies that were for another kubefwd."""
        self._remedies.clear()

    async def run(self) -> None:
        """Make changes until cancelled."""
        while True:
            await self._bell.wait()
            self._bell.clear()
            if (api := self._api()) is None:
                continue
            try:
                await self._make(api)
                continue
            except KubefwdError as error:
                _log.info("A change of kubefwd's has failed and is tried again: %s", error)
            except Exception:  # noqa: BLE001 - a part never dies; it says so and goes on
                _log.exception("A change of kubefwd's could not be made; it is tried again")
            asyncio.get_running_loop().call_later(AGAIN, self._bell.set)

    async def _make(self, api: KubefwdApi) -> None:
        while self._remedies:
            await _carry_out(api, self._remedies.pop(0))
            self._changed()
        watched = {each.namespace for each in await api.namespaces()}
        for name in sorted(watched - set(self._wanted)):
            await api.remove_namespace(name)
            self._changed()
        for name in self._wanted:
            if name not in watched:
                await api.add_namespace(name)
                self._changed()


async def _carry_out(api: KubefwdApi, remedy: Remedy) -> None:
    namespace, service = remedy.namespace, remedy.service
    _log.info("Remedy: %s, because %s.", remedy.step, remedy.reason)
    if remedy.step is Step.SYNC:
        await api.sync(service, namespace)
    elif remedy.step is Step.RECREATE:
        await api.remove_service(service, namespace)
        await api.add_service(service, namespace)
    elif remedy.step is Step.READD:
        await api.remove_namespace(namespace)
        await api.add_namespace(namespace)
