"""Who gets in: at accept, the other end must be the developer's own, or root's.

Loopback belongs to every user of the machine, and what is behind a forwarded port takes whoever
comes for somebody of the cluster. So a connection of another user is reset before anything is
dialled for it, and counted.

Two things can go wrong, and they are not treated alike.

- The kernel cannot be asked at all (found out at the start). Then everybody is let in, which is
  shown as a problem until the developer says `allow_other_users`: refusing would refuse all, so
  that the product would not work in such a container, where seldom another user is, and this is
  the state of affairs of `kubectl port-forward`.
- The kernel can be asked, and one answer is missing. Then that connection is a stranger's: nobody
  may come in by ending, or by provoking an error, at the right moment.
"""

import logging
import socket as sockets
from collections import Counter
from collections.abc import Callable, Mapping

from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.owner import Owners, ask
from kubefwd_operator.engines.native.sockdiag import Owner
from kubefwd_operator.engines.native.target import ServiceKey

ROOT = 0

_log = logging.getLogger(__name__)


def admits(owner: Owner | None, developer: int) -> bool:
    """Decide on the owner of the other end.

    Root with inode 0 is what a closed socket of anybody looks like, so it is nobody's.
    """
    if owner is None or (owner.uid == ROOT and not owner.inode):
        return False
    return owner.uid in (ROOT, developer)


class Admission:
    """Decides on each connection, and counts those refused. `told`: the counts have changed."""

    def __init__(
        self,
        developer: int,
        told: Callable[[], None],
        *,
        everybody: bool = False,
        ask: Callable[[], Owners | None] = ask,
    ) -> None:
        self.problem: Problem | None = None
        self._developer = developer
        self._told = told
        self._ask: Callable[[], Owners | None] = (lambda: None) if everybody else ask
        self._owners: Owners | None = None
        self._refused: Counter[ServiceKey] = Counter()

    @property
    def refused(self) -> Mapping[ServiceKey, int]:
        """How many connections were refused so far, by service."""
        return self._refused

    def start(self) -> None:
        """Find out whether owners can be told here."""
        try:
            self._owners = self._ask()
        except OSError as error:
            self.problem = _unknown(error)

    def close(self) -> None:
        """Ask no more: whoever is still to be decided on is refused, for nothing answers."""
        if self._owners:
            self._owners.close()

    def admits(self, connection: sockets.socket, service: ServiceKey) -> bool:
        """Say whether an accepted connection may go on."""
        if self._owners is None or admits(self._owner(self._owners, connection), self._developer):
            return True
        self._refused[service] += 1
        self._told()
        return False

    def _owner(self, owners: Owners, connection: sockets.socket) -> Owner | None:
        try:
            owner = owners.of(connection)
        except OSError as error:  # also when the client has reset it meanwhile
            _log.debug("The owner of a connection cannot be told: %s", error)
            return None
        _log.debug("A connection came: owner=%s", owner)
        return owner


def _unknown(error: OSError) -> Problem:
    return Problem(
        Reason.OWNERS_UNKNOWN,
        f"The kernel does not say whose a connection is ({error.strerror or error}), so other "
        "users of this machine can connect: set the argument `allow_other_users` if they may.",
    )
