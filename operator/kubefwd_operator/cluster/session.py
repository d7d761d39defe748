"""The catalog of one cluster in one generation: kubeconfig, client, namespaces, policies.

A Refresh or another cluster gets a new session, so nothing (credentials, back-offs, versions) can
leak from one into the other. Until the kubeconfig can be used, reading it is tried again: Tilt may
be about to write it.
"""

import asyncio
import logging
from collections.abc import Callable
from types import MappingProxyType

from kubefwd_operator.cluster import credentials
from kubefwd_operator.cluster.census import Census
from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.cluster.namespace import Namespace
from kubefwd_operator.cluster.policies import Policies
from kubefwd_operator.cluster.problems import InternalError, problem_of
from kubefwd_operator.core.errors import ClusterError, CredentialsError
from kubefwd_operator.core.model import UNREAD, CatalogSeen, ClusterRef, NamespaceSeen, PoliciesSeen

log = logging.getLogger(__name__)

REOPEN = 5.0
"""Seconds until a kubeconfig that could not be used is read again."""

Loader = Callable[[ClusterRef], credentials.Access]


class Session:
    """Opens itself when made (inside the loop); `changed` is called after a change.

    `policies` are those that the session before knew of the same cluster.
    """

    def __init__(
        self,
        ref: ClusterRef,
        load: Loader,
        changed: Callable[[], None],
        policies: PoliciesSeen = UNREAD,
    ) -> None:
        self.ref = ref
        self.client: ClusterClient | None = None
        self.access: credentials.Access | None = None
        self._load, self._changed = load, changed
        self._error: ClusterError | None = None
        self._dial_error: ClusterError | None = None
        self._wanted: tuple[str, ...] = ()
        self._census: Census | None = None
        self._namespaces: dict[str, Namespace] = {}
        self._known_policies = policies
        self._policies: Policies | None = None
        self._leaving: set[asyncio.Task[None]] = set()
        self._opening = asyncio.create_task(self._open(), name=f"cluster {ref.key}")

    def want(self, names: tuple[str, ...]) -> None:
        """Follow these namespaces; the ones that stay are not disturbed."""
        self._wanted = names
        if self.client is None:
            return
        if self._policies is None:
            self._policies = Policies(self.client, self._changed, self._known_policies)
            self._policies.start()
        self._policies.want(names)
        for name in [name for name in self._namespaces if name not in names]:
            self._leave(self._namespaces.pop(name))
        for name in names:
            if name not in self._namespaces:
                self._namespaces[name] = Namespace(self.client, name, self._changed)
                self._namespaces[name].start()

    def relist(self) -> None:
        """List everything anew, over new connections."""
        if self.client is not None:
            self.client.renew()
        for part in (*self._namespaces.values(), self._policies):
            if part is not None:
                part.relist()

    def seen(self) -> CatalogSeen:
        """Give what is known now, wanted namespaces in order."""
        found = {
            name: self._namespaces[name].seen() if name in self._namespaces else NamespaceSeen()
            for name in self._wanted
        }
        errors = (namespace.cluster_error for namespace in self._namespaces.values())
        error = self._error or next((error for error in errors if error), self._dial_error)
        problem = problem_of(error) if error else None
        available = self._census.names if self._census else None
        policies = self._policies.seen() if self._policies else self._known_policies
        return CatalogSeen(self.ref, MappingProxyType(found), problem, available, policies)

    async def close(self) -> None:
        """End everything; never raises."""
        self._opening.cancel()
        await asyncio.wait([self._opening])
        for namespace in self._namespaces.values():
            self._leave(namespace)
        self._namespaces.clear()
        if self._census is not None:
            await self._census.close()
        if self._policies is not None:
            await self._policies.close()
        if self._leaving:
            await asyncio.wait(self._leaving)
        if self.client is not None:
            await self.client.close()

    async def _open(self) -> None:
        while self.client is None:
            try:
                access = await asyncio.to_thread(self._load, self.ref)
                self.client = ClusterClient(access, noted=self._note)
                self.access = access
            except CredentialsError as error:
                self._error = error
            except Exception as error:
                log.exception("The kubeconfig could not be used path=%s", self.ref.config_path)
                self._error = InternalError(
                    f"The kubeconfig could not be used ({type(error).__name__}): see the log."
                )
            else:
                self._error = None
                self._census = Census(self.client, self._changed)
                self.want(self._wanted)
            self._changed()
            if self.client is None:
                await asyncio.sleep(REOPEN)

    def _note(self, error: ClusterError | None) -> None:
        """Take what dials say: watches live on long after credentials have expired."""
        if str(error) != str(self._dial_error):
            self._dial_error = error
            self._changed()

    def _leave(self, namespace: Namespace) -> None:
        task = asyncio.create_task(namespace.close(), name=f"close {namespace.name}")
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
