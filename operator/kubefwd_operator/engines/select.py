"""Which engine forwards: the argument `engine`, and what is usable on this machine.

A wish that cannot be met is never met by another engine instead: it becomes an engine that
forwards nothing and shows the Problem, so that status and log say what to do.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from kubefwd_operator.core.model import Desired, EngineSeen, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.engine import Engine
from kubefwd_operator.engines.native.engine import NativeEngine
from kubefwd_operator.engines.native.neighbours import AuthorityLike, CatalogLike

_log = logging.getLogger(__name__)


class RunningEngine(Engine, Protocol):
    """An engine with the two calls that its owner makes besides the loop's."""

    def start(self) -> None:
        """Start its tasks, on the running loop."""

    def wake(self) -> None:
        """Look again: catalog or authority have changed."""


class NoEngine:
    """Stands in for an engine that cannot be had."""

    def __init__(self, name: str, sentence: str) -> None:
        self._seen = EngineSeen(name, problems=(Problem(Reason.ENGINE_UNAVAILABLE, sentence),))

    def start(self) -> None:
        """Do nothing."""

    def wake(self) -> None:
        """Do nothing."""

    def want(self, desired: Desired) -> None:
        """Take the wish, and nothing follows from it."""

    def seen(self) -> EngineSeen:
        """Return why there is no engine."""
        return self._seen

    async def close(self) -> None:
        """Do nothing."""


def select(
    wish: str, catalog: CatalogLike, authority: AuthorityLike, changed: Callable[[], None]
) -> RunningEngine:
    """Build the engine that `wish` (auto, native or kubefwd) names, and say why in the log."""
    if wish in ("auto", "native"):
        why = "it is what engine='native' asks for" if wish == "native" else "it needs nothing more"
        _log.info("Forwarding with the native engine: %s.", why)
        return NativeEngine(catalog, authority, changed)
    if wish == "kubefwd":
        sentence = "This version has no kubefwd engine: use engine='auto' or engine='native'."
    else:
        sentence = f"There is no engine {wish!r}: use engine='auto' or engine='native'."
    _log.error("%s", sentence)
    return NoEngine(wish, sentence)
