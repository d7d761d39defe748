"""What the engine needs of its neighbours, the catalog and the authority."""

from typing import Protocol

from kubefwd_operator.core.model import AuthoritySeen
from kubefwd_operator.engines.native.bindings import HelperLike
from kubefwd_operator.engines.native.picker import Pods
from kubefwd_operator.engines.native.transport.websocket import WebSocketClient


class CatalogLike(Pods, Protocol):
    """What the engine needs of `cluster/catalog.py`'s Catalog."""

    @property
    def client(self) -> WebSocketClient | None:
        """What dials go through; None while there is no cluster."""


class AuthorityLike(Protocol):
    """What the engine needs of `privileged/authority.py`'s Authority."""

    @property
    def helper(self) -> HelperLike | None:
        """The helper, while authorised."""

    def seen(self) -> AuthoritySeen:
        """Return where the authorisation stands."""
