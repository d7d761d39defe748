"""The cluster's ForwardPolicy objects: one list and watch of all, or one for each namespace.

They are optional. A cluster that does not know the kind (404) has none, and one that lets nobody
read them has none that count: everything works as before, doctor says so, and now and then it is
tried again. Where all may not be read at once, those of the wanted namespaces are tried; and where
there are more than are read, those of the first ones are read by themselves as well, so that nobody
can fill a cluster with policies and so keep others' from counting.

What an earlier session of the same cluster knew counts until this one has an answer, so that a
Refresh does not forward for an instant what a policy forbids. And a namespace of which something
was known is never unknown again: that would take back what works.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from types import MappingProxyType

from kubefwd_operator.cluster.reflector import Reflector, Source
from kubefwd_operator.core.errors import Forbidden, NotFound
from kubefwd_operator.core.model import UNREAD, PoliciesSeen
from kubefwd_operator.core.policies import (
    MAX_EACH,
    MAX_READ,
    MAX_READ_EACH,
    PATH,
    PLURAL,
    Merged,
    Policy,
    merge,
    parse,
)

log = logging.getLogger(__name__)

RETRY = (1.0, 5.0, 15.0, 30.0)
"""Seconds between attempts where there is no such kind, or no right to read it."""


class Policies:
    """Follows the policies of one cluster; `changed` is called after a change."""

    def __init__(
        self, client: Source, changed: Callable[[], None], before: PoliciesSeen = UNREAD
    ) -> None:
        self._client, self._changed, self._before = client, changed, before
        self._wanted: tuple[str, ...] = ()
        self._all = self._reflector(f"{PATH}/{PLURAL}", across=True)
        self._each: dict[str, Reflector[Policy]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._seen: PoliciesSeen | None = None
        self._met: frozenset[str] = frozenset()
        self._merged: Merged = {}
        self._warned = False

    def start(self) -> None:
        """Begin to list and watch."""
        self._all.start()

    def want(self, names: tuple[str, ...]) -> None:
        """Take the namespaces whose policies count if not all can be read."""
        if names != self._wanted:
            self._wanted, self._seen = names, None
            self._follow()

    def relist(self) -> None:
        """List everything anew; what is known stays until then."""
        for reflector in (self._all, *self._each.values()):
            reflector.start()

    def seen(self) -> PoliciesSeen:
        """Give what is known now."""
        if self._seen is None:
            self._seen = self._compute()
        return self._seen

    async def close(self) -> None:
        """End all watches."""
        self._wanted = ()
        for reflector in (self._all, *self._each.values()):
            await reflector.close()
        if self._leaving:
            await asyncio.wait(self._leaving)

    def _reflector(self, path: str, *, across: bool = False) -> Reflector[Policy]:
        return Reflector(
            self._client,
            path,
            parse,
            self._moved,
            across=across,
            refused=RETRY,
            at_most=MAX_READ if across else MAX_READ_EACH,
        )

    def _moved(self) -> None:
        if self._all.cut and not self._warned:
            self._warned = True
            log.warning(
                "Only the first %d ForwardPolicy objects are read, and those of what is forwarded.",
                MAX_READ,
            )
        self._follow()
        self._seen = None
        self._changed()

    def _follow(self) -> None:
        """Follow single namespaces while all of them at once are forbidden, or too many."""
        some = self._wanted[:MAX_EACH] if self._all.cut else ()
        names = self._wanted if isinstance(self._all.error, Forbidden) else some
        for name in [name for name in self._each if name not in names]:
            task = asyncio.create_task(self._each.pop(name).close(), name=f"policies of {name}")
            self._leaving.add(task)
            task.add_done_callback(self._leaving.discard)
        for name in names:
            if name not in self._each:
                self._each[name] = self._reflector(f"{PATH}/namespaces/{name}/{PLURAL}")
                self._each[name].start()

    def _compute(self) -> PoliciesSeen:
        error = self._all.error
        if not (self._all.synced or error):
            return self._before
        if not isinstance(error, Forbidden | NotFound):
            self._met = frozenset(self._wanted)
            own = {name: each.items for name, each in self._each.items() if each.synced}
            rest = (each for each in self._all.items.values() if each.namespace not in own)
            return self._known([*rest, *(each for some in own.values() for each in some.values())])
        answered = (name for name, each in self._each.items() if each.synced or each.error)
        self._met = (self._met | frozenset(answered)) & frozenset(self._wanted)
        found = [policy for reflector in self._each.values() for policy in _items(reflector)]
        return self._known(found, self._met if isinstance(error, Forbidden) else None)

    def _known(
        self, policies: Iterable[Policy], only: frozenset[str] | None = None
    ) -> PoliciesSeen:
        self._merged = merge(policies, self._merged)
        views = {name: view for name, (_, view) in self._merged.items()}
        return PoliciesSeen(True, MappingProxyType(views), only)


def _items(reflector: Reflector[Policy]) -> Iterator[Policy]:
    if not isinstance(reflector.error, Forbidden | NotFound):
        yield from reflector.items.values()
