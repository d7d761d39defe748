"""The interface of an engine: told what is wanted, tells what is seen, never awaited."""

from typing import Protocol

from kubefwd_operator.core.model import Desired, EngineSeen


class Engine(Protocol):
    """Forwards the services of the desired namespaces, in tasks of its own.

    An engine reads the catalog and the authority that it was built with, and calls the `changed`
    callback it was given whenever `seen()` would answer differently.
    """

    def want(self, desired: Desired) -> None:
        """Take a new wish; returns at once. A grown `generation` means: start anew."""

    def seen(self) -> EngineSeen:
        """Return what answers right now; immediate, and a frozen value."""

    async def close(self) -> None:
        """Stop forwarding: names first, then listeners. Never raises."""
