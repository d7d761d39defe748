"""What the engine needs of its neighbour, the catalog."""

from typing import Protocol

from kubefwd_operator.engines.native.picker import Pods
from kubefwd_operator.engines.native.transport.websocket import WebSocketClient


class CatalogLike(Pods, Protocol):
    """What the engine needs of `cluster/catalog.py`'s Catalog."""

    @property
    def client(self) -> WebSocketClient | None:
        """What dials go through; None while there is no cluster."""
