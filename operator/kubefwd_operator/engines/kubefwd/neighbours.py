"""What the engine needs of its neighbours, the catalog and the helper."""

from typing import Protocol

from kubefwd_operator.core.model import CatalogSeen
from kubefwd_operator.engines.hosts import NamingHelper
from kubefwd_operator.engines.kubefwd.keeper import Source
from kubefwd_operator.engines.kubefwd.process import KubefwdHelper


class CatalogLike(Protocol):
    """What the engine needs of `cluster/catalog.py`'s Catalog."""

    @property
    def access(self) -> Source | None:
        """The developer's credentials, while there is a usable kubeconfig."""

    def seen(self) -> CatalogSeen:
        """Return what is known."""


class HelperLike(NamingHelper, KubefwdHelper, Protocol):
    """What the engine needs of `privileged/channel.py`'s Helper."""
