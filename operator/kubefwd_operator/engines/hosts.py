"""The names that an engine has had written, through one helper, and what became of each.

Both engines give addresses to services, and leave the names to this: which there are is decided in
`core/names.py`, and the helper writes them all in one update, or says why not.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from kubefwd_operator.core import clashes
from kubefwd_operator.core.errors import HelperRefused
from kubefwd_operator.core.model import Desired, Repaired
from kubefwd_operator.core.names import HostsEntry, Placed, Published, ServiceKey, publish
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.privileged.channel import HostsOutcome
from kubefwd_operator.privileged.rivals import Contested
from kubefwd_operator.privileged.withheld import Withheld

AGAIN = "It is tried again every 30 seconds."

_REASONS = {"limit": Reason.LIMIT_REACHED, "read-only": Reason.HOSTS_NOT_WRITABLE}


class NamingHelper(Protocol):
    """What names need of `privileged/channel.py`'s Helper."""

    async def hosts(self, entries: Sequence[HostsEntry]) -> HostsOutcome:
        """Replace this instance's names. Raises HelperRefused, HelperGone."""


_NOTHING = Published((), {}, {})


@dataclass(frozen=True, slots=True)
class Written:
    """What was asked for last, and what is not so. `problem` concerns the file as a whole."""

    published: Published = _NOTHING
    withheld: tuple[Withheld, ...] = ()
    contested: tuple[Contested, ...] = ()
    problem: Problem | None = None


UNWRITTEN = Written()


class HostsWriter:
    """Keeps the names of one instance, through one helper."""

    def __init__(self, helper: NamingHelper) -> None:
        self._helper = helper
        self.written = UNWRITTEN
        self.named: frozenset[str] = frozenset()
        """The addresses that the file leads to."""

    async def write(
        self, placed: Iterable[Placed], desired: Desired, *, retry: bool, repair: bool = False
    ) -> None:
        """Write all names in one update, if there is anything new to write. Raises HelperGone.

        A retry writes them anyhow: somebody may have replaced the file, or wait for a name. A
        repair does so even when there are none.
        """
        published = publish(placed, desired)
        again = repair or (retry and bool(published.entries or self.written.problem))
        if published.entries == self.written.published.entries and not again:
            self.written = replace(self.written, published=published)
            return
        try:
            outcome = await self._helper.hosts(published.entries)
        except HelperRefused as error:
            problem = Problem(_REASONS.get(error.code, Reason.INTERNAL_ERROR), f"{error} {AGAIN}")
            self.written = replace(self.written, problem=problem)
            return
        self.named = frozenset(entry.ip for entry in published.entries)
        self.written = Written(published, outcome.withheld, outcome.contested)

    def repaired(self, number: int) -> Repaired:
        """Say what stands after the repair of this number."""
        written = self.written
        given = {name for names in written.published.names.values() for name in names}
        lost = {each.name for each in written.withheld}
        return Repaired(number, len(given - lost), written.problem)

    async def clear(self) -> None:
        """Take every name back. Raises HelperGone."""
        with suppress(HelperRefused):
            await self._helper.hosts(())
        self.forget()

    def forget(self) -> None:
        """Take note that somebody else has taken every name back."""
        self.named, self.written = frozenset(), UNWRITTEN


def names(written: Written, placed: Placed) -> tuple[tuple[str, ...], tuple[Problem, ...]]:
    """Return the names that lead to a service now, and what became of those that do not."""
    own = {*placed.addresses, *(ip for _, ip in placed.pods)}
    lost = [each for each in written.withheld if each.ip in own]
    gone = {each.name for each in lost}
    given = written.published.names.get(placed.key, ())
    problems = tuple(_lost(name, _whose(placed.key)) for name in lost)
    return tuple(name for name in given if name not in gone), problems


def notes(written: Written, key: ServiceKey, given: Iterable[str]) -> tuple[Problem, ...]:
    """Return what is to be known of names that a service has: who waits for them, and more."""
    contested = [
        clashes.contested(each.name, _whose(key), each.by)
        for each in written.contested
        if each.name in given
    ]
    return (*contested, *written.published.problems.get(key, ()))


def _lost(name: Withheld, service: str) -> Problem:
    if name.reason == "refused":
        return clashes.machines(name.name, service, name.message)
    if name.reason == "held-by-user":
        return clashes.in_hosts_file(name.name, service, name.message, name.holder)
    if name.reason == "held-by-instance":
        return clashes.other_tilts(name.name, service, name.message, name.holder)
    return Problem(Reason.NAME_TAKEN, f"{name.name}: {name.message}")


def _whose(key: ServiceKey) -> str:
    return f"{key[1]}.{key[0]}"
