"""What the engine needs of its neighbours, the catalog and the authority."""

from typing import Protocol

from kubefwd_operator.core.model import AuthoritySeen, CatalogSeen, Service
from kubefwd_operator.engines.native.bindings import HelperLike
from kubefwd_operator.engines.native.transport.websocket import WebSocketClient


class CatalogLike(Protocol):
    """What the engine needs of `cluster/catalog.py`'s Catalog."""

    @property
    def client(self) -> WebSocketClient | None:
        """What dials go through; None while there is no cluster."""

    def seen(self) -> CatalogSeen:
        """Return everything that is known of the cluster now."""

    async def failing(self, service: Service) -> str:
        """Return why every pod of this service keeps failing, or nothing. Asks the cluster."""


class AuthorityLike(Protocol):
    """What the engine needs of `privileged/authority.py`'s Authority."""

    @property
    def helper(self) -> HelperLike | None:
        """The helper, while authorised."""

    def seen(self) -> AuthoritySeen:
        """Return where the authorisation stands."""
