"""Which engine forwards: the argument `engine`, and what is usable on this machine.

A wish that cannot be met is never met by another engine instead: it becomes an engine that
forwards nothing and shows the Problem, so that status and log say what to do.
"""

import logging
from collections.abc import Callable
from typing import Protocol

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.model import Desired, Dialled, EngineSeen
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.engine import AuthorityLike, RunningEngine
from kubefwd_operator.engines.fallback import Fallback
from kubefwd_operator.engines.kubefwd.engine import KubefwdEngine
from kubefwd_operator.engines.kubefwd.neighbours import CatalogLike as KubefwdCatalog
from kubefwd_operator.engines.kubefwd.neighbours import HelperLike as KubefwdHelper
from kubefwd_operator.engines.native.bindings import HelperLike as NativeHelper
from kubefwd_operator.engines.native.engine import NativeEngine
from kubefwd_operator.engines.native.neighbours import CatalogLike as NativeCatalog

OPEN_TO_ALL = (
    "Other users of this machine can connect to what kubefwd forwards, for it listens itself: "
    "where that matters, use engine 'native', or say that they may with `allow_other_users`."
)

_log = logging.getLogger(__name__)


class CatalogLike(NativeCatalog, KubefwdCatalog, Protocol):
    """What both engines need of the catalog."""


class HelperLike(NativeHelper, KubefwdHelper, Protocol):
    """What both engines need of the helper."""


class NoEngine:
    """Stands in for an engine that cannot be had."""

    def __init__(self, name: str, sentence: str) -> None:
        self._sentence = sentence
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

    async def dial(self, address: str, port: int) -> Dialled:  # noqa: ARG002 - the protocol's
        """Return why there is no engine."""
        return Dialled(self._sentence, ours=False)

    async def close(self) -> None:
        """Do nothing."""


def select(
    wish: str,
    kubefwd: PinnedKubefwd | NoKubefwd,
    catalog: CatalogLike,
    authority: AuthorityLike[HelperLike],
    changed: Callable[[], None],
    *,
    allow_other_users: bool = False,
) -> RunningEngine:
    """Build the engine that `wish` (auto, native or kubefwd) names, and say why in the log."""

    def native(why: str) -> Callable[[Callable[[], None]], RunningEngine]:
        return lambda told: NativeEngine(
            catalog, authority, told, why=why, allow_other_users=allow_other_users
        )

    if wish == "native" or (wish == "auto" and isinstance(kubefwd, NoKubefwd)):
        why = kubefwd.why if isinstance(kubefwd, NoKubefwd) else ""
        _log.info("Forwarding with the native engine: %s", why)
        return native(why)(changed)
    if isinstance(kubefwd, NoKubefwd):
        _log.error("%s", kubefwd.why)
        return NoEngine(wish, kubefwd.why)

    def preferred(told: Callable[[], None]) -> KubefwdEngine:
        return KubefwdEngine(catalog, authority, told, pinned=kubefwd)

    _log.info("Forwarding with kubefwd %s: %s", kubefwd.version, kubefwd.path)
    if not allow_other_users:
        _log.warning(OPEN_TO_ALL)
    if wish == "kubefwd":
        return preferred(changed)
    return Fallback(preferred, native(""), changed)
