"""The cluster's ForwardPolicy objects: one list and watch of all, or one for each namespace.

They are optional. A cluster that does not know the kind (404) has none, and one that lets nobody
read them has none that count: everything works as before, doctor says so, and now and then it is
tried again. Where all may not be read at once, those of the wanted namespaces are tried.

What an earlier session of the same cluster knew counts until this one has an answer, so that a
Refresh does not forward for an instant what a policy forbids. And a namespace of which something
was known is never unknown again: that would take back what works.
"""

import asyncio
from collections.abc import Callable, Iterator

from kubefwd_operator.cluster.reflector import Reflector, Source
from kubefwd_operator.core.errors import Forbidden, NotFound
from kubefwd_operator.core.model import UNREAD, PoliciesSeen
from kubefwd_operator.core.policies import PATH, PLURAL, Policy, merge, parse

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
        return Reflector(self._client, path, parse, self._moved, across=across, refused=RETRY)

    def _moved(self) -> None:
        self._follow()
        self._seen = None
        self._changed()

    def _follow(self) -> None:
        """Follow single namespaces while all of them at once are forbidden."""
        names = self._wanted if isinstance(self._all.error, Forbidden) else ()
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
            return PoliciesSeen(True, merge(self._all.items.values()))
        answered = (name for name, each in self._each.items() if each.synced or each.error)
        self._met = (self._met | frozenset(answered)) & frozenset(self._wanted)
        found = [policy for reflector in self._each.values() for policy in _items(reflector)]
        only = self._met if isinstance(error, Forbidden) else None
        return PoliciesSeen(True, merge(found), only)


def _items(reflector: Reflector[Policy]) -> Iterator[Policy]:
    if not isinstance(reflector.error, Forbidden | NotFound):
        yield from reflector.items.values()
