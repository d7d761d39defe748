"""What one helper has bound and named for us.

A helper's session is all or nothing: when it ends, everything is undone on its side, so the
listeners here are closed and the next session begins with empty hands. Within a session every
answer that is not "done" concerns one place, or the hosts file, and is tried again when `retry`
is said.
"""

import asyncio
import socket as sockets
from collections.abc import Callable, Coroutine, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from kubefwd_operator.core import clashes
from kubefwd_operator.core.errors import HelperGone, HelperRefused
from kubefwd_operator.core.model import Desired, Repaired
from kubefwd_operator.core.names import Placed
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines import occupant
from kubefwd_operator.engines.hosts import AGAIN, UNWRITTEN, HostsWriter, NamingHelper, Written
from kubefwd_operator.engines.native.listener import Listener
from kubefwd_operator.engines.native.plan import Place, Plan, steps
from kubefwd_operator.engines.native.target import Target

PIPELINE = 64
"""Requests that are under way at once; each answer carries a descriptor, whose number in flight
the kernel limits."""

_REASONS = {
    "leased": Reason.ADDRESS_TAKEN,
    "limit": Reason.LIMIT_REACHED,
}


class HelperLike(NamingHelper, Protocol):
    """What the engine needs of `privileged/channel.py`'s Helper."""

    async def listen(self, ip: str, port: int) -> sockets.socket:
        """Return a listening socket. Raises HelperRefused, HelperGone."""

    async def release(self, ip: str, port: int) -> None:
        """Let the helper close its copy. Raises HelperRefused, HelperGone."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What stands now: places that listen, names that are written, and what went wrong where."""

    places: frozenset[Place] = frozenset()
    written: Written = UNWRITTEN
    refused: Mapping[Place, Problem] | None = None


class Bindings:
    """Carries out plans through one helper."""

    def __init__(
        self,
        helper: HelperLike,
        accepted: Callable[[sockets.socket, Target], None],
        exhausted: Callable[[bool], None],
    ) -> None:
        self.helper = helper
        self.leased_elsewhere: set[str] = set()
        self._accepted = accepted
        self._exhausted = exhausted
        self._listeners: dict[Place, Listener] = {}
        self._targets: dict[Place, Target] = {}
        self._refused: dict[Place, Problem] = {}
        self._unblamed: set[Place] = set()
        self._hosts = HostsWriter(helper)
        self._pipeline = asyncio.Semaphore(PIPELINE)
        self._abandoned = False

    def named(self, address: str) -> bool:
        """Say whether the hosts file leads to this address, which keeps it leased to us."""
        return address in self._hosts.named

    def leads(self, address: str) -> bool:
        """Say whether this address is ours: it listens, or a name leads to it."""
        return self.named(address) or any(ip == address for ip, _ in self._listeners)

    def target(self, place: Place) -> Target | None:
        """Return what stands behind a place that listens."""
        return self._targets.get(place) if place in self._listeners else None

    @property
    def bound(self) -> Bound:
        """What stands now."""
        return Bound(frozenset(self._listeners), self._hosts.written, dict(self._refused))

    def repaired(self, number: int) -> Repaired:
        """Say what stands after the repair of this number."""
        return self._hosts.repaired(number)

    async def listen(self, plan: Plan, *, retry: bool) -> bool:
        """Start what the plan has and is not there.

        Returns False when an address turned out to be leased to another instance: then assign
        others and call again. Raises HelperGone.
        """
        if retry:
            self._refused.clear()
        self._refused = {p: why for p, why in self._refused.items() if p in plan.listen}
        self._targets = dict(plan.listen)
        start = [p for p in steps(plan, self._listeners).start if p not in self._refused]
        known = len(self.leased_elsewhere)
        await _all(self._start(place) for place in start)
        return len(self.leased_elsewhere) == known

    async def name(
        self, plan: Plan, desired: Desired, *, retry: bool, repair: bool = False
    ) -> None:
        """Write all names in one update; see HostsWriter. Raises HelperGone.

        Only addresses that are leased to us can be named: those that listen, or are named already.
        """
        ours = {ip for ip, _ in self._listeners} | self._hosts.named
        placed = [kept for each in plan.placed if (kept := _within(each, ours)).addresses]
        await self._hosts.write(placed, desired, retry=retry, repair=repair)

    async def stop(self, plan: Plan) -> None:
        """Stop what the plan has not; its names are gone by now. Raises HelperGone."""
        await _all(self._stop(place) for place in steps(plan, self._listeners).stop)

    async def blame(self) -> None:
        """Find out who has the ports that have turned out to be taken, as far as can be seen."""
        places, self._unblamed = self._unblamed & self._refused.keys(), set()
        if not places:
            return
        for place, who in (await occupant.ask(places)).items():
            self._refused[place] = _taken(place, self._targets[place], str(who))

    async def clear(self) -> None:
        """Take back everything: names, then listeners. Raises HelperGone."""
        await self._hosts.clear()
        self._refused.clear()
        self.leased_elsewhere.clear()
        await _all(self._stop(place) for place in tuple(self._listeners))

    def abandon(self) -> None:
        """Close our copies of the listeners: the helper is gone, and so are the names.

        A pass may be under way: what it still receives is closed at once.
        """
        self._abandoned = True
        for listener in self._listeners.values():
            listener.close()
        self._listeners.clear()

    async def _start(self, place: Place) -> None:
        async with self._pipeline:
            try:
                socket = await self.helper.listen(*place)
            except HelperRefused as error:
                if error.code == "leased":
                    self.leased_elsewhere.add(place[0])
                self._refused[place] = _problem(error)
                if error.code == "in-use":
                    self._refused[place] = _taken(place, self._targets[place], "")
                    self._unblamed.add(place)
                return
        if self._abandoned:
            socket.close()
            raise HelperGone("The helper has gone while it opened a listener.")
        self._listeners[place] = Listener(
            socket, lambda connection: self._accept(connection, place), self._exhausted
        )

    def _accept(self, connection: sockets.socket, place: Place) -> None:
        if target := self._targets.get(place):
            self._accepted(connection, target)
        else:
            connection.close()

    async def _stop(self, place: Place) -> None:
        if listener := self._listeners.pop(place, None):
            listener.close()
        async with self._pipeline:
            with suppress(HelperRefused):
                await self.helper.release(*place)


async def _all(actions: Iterable[Coroutine[object, object, None]]) -> None:
    """Do all at once, to the end of each; then raise HelperGone, or what else went wrong."""
    ended = await asyncio.gather(*actions, return_exceptions=True)
    errors = [error for error in ended if isinstance(error, BaseException)]
    for error in errors:
        if isinstance(error, HelperGone):
            raise error
    if errors:
        raise errors[0]


def _within(placed: Placed, ours: set[str]) -> Placed:
    """Leave out the addresses that are not leased to us."""
    return replace(
        placed,
        addresses=tuple(ip for ip in placed.addresses if ip in ours),
        pods=tuple((hostname, ip) for hostname, ip in placed.pods if ip in ours),
    )


def _problem(error: HelperRefused) -> Problem:
    reason = _REASONS.get(error.code, Reason.INTERNAL_ERROR)
    return Problem(reason, f"{error} {AGAIN}")


def _taken(place: Place, target: Target, who: str) -> Problem:
    at = f"{place[0]}:{place[1]}"
    return clashes.port_taken(at, target.service, target.namespace, who, AGAIN)
