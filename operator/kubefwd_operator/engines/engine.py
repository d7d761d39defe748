"""The interface of an engine: told what is wanted, tells what is seen, never awaited."""

from typing import Protocol, TypeVar

from kubefwd_operator.core.model import AuthoritySeen, Desired, Dialled, EngineSeen

H_co = TypeVar("H_co", covariant=True)


class AuthorityLike(Protocol[H_co]):
    """What an engine needs of `privileged/authority.py`'s Authority. H_co: what of the helper."""

    @property
    def helper(self) -> H_co | None:
        """The helper, while authorised."""

    def seen(self) -> AuthoritySeen:
        """Return where the authorisation stands."""


class Engine(Protocol):
    """Forwards the services of the desired namespaces, in tasks of its own.

    An engine reads the catalog and the authority that it was built with, and calls the `changed`
    callback it was given whenever `seen()` would answer differently.
    """

    def want(self, desired: Desired) -> None:
        """Take a new wish; returns at once. A grown `generation` means: start anew."""

    def seen(self) -> EngineSeen:
        """Return what answers right now; immediate, and a frozen value."""

    async def dial(self, address: str, port: int) -> Dialled:
        """Try a connection as a program would have it there, and end it again.

        It takes as long as it takes: the caller has the clock.
        """

    async def close(self) -> None:
        """Stop forwarding: names first, then listeners. Never raises."""


class RunningEngine(Engine, Protocol):
    """An engine with the two calls that its owner makes besides the loop's."""

    def start(self) -> None:
        """Start its tasks, on the running loop."""

    def wake(self) -> None:
        """Look again: catalog or authority have changed."""
