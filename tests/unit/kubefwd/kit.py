"""What the kubefwd engine lives on, small: a helper, credentials, and an API that obeys."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, cast

from tests.unit.native.kit import service

from kubefwd_operator.cluster.handover import Handover
from kubefwd_operator.core.errors import ClusterError, HelperRefused, KubefwdError
from kubefwd_operator.core.kubefwd import KubefwdAccess
from kubefwd_operator.core.names import HostsEntry, spell
from kubefwd_operator.engines.kubefwd.answers import Health, Info, Watched
from kubefwd_operator.engines.kubefwd.api import CONTEXT, KubefwdApi
from kubefwd_operator.engines.kubefwd.rows import Forward
from kubefwd_operator.privileged.channel import HostsOutcome, StartedKubefwd
from kubefwd_operator.privileged.wire import Event
from kubefwd_operator.privileged.withheld import Withheld

__all__ = ["Api", "Credentials", "Helper", "access", "forward", "service"]


def access(token: str = "t1", **more: str) -> KubefwdAccess:
    """What kubefwd is given."""
    return KubefwdAccess("https://10.0.0.1", token=token, **more)


class Credentials:
    """Hands over what it is told to, or fails."""

    def __init__(self) -> None:
        self.given = Handover(access())
        self.error: ClusterError | None = None
        self.margins: list[float] = []

    async def handover(self, margin: float = 0.0) -> Handover:
        self.margins.append(margin)
        if self.error:
            raise self.error
        return self.given


class Helper:
    """Root's side: notes what it is asked, and refuses what it is told to."""

    def __init__(self) -> None:
        self.heard: Callable[[Event], None] | None = None
        self.asked: list[str] = []
        self.accesses: list[KubefwdAccess] = []
        self.refusals: dict[str, HelperRefused] = {}
        self.ending = asyncio.Event()
        self.ending.set()
        self.entries: tuple[HostsEntry, ...] = ()
        self.withheld: set[str] = set()

    async def kubefwd_start(self, access: KubefwdAccess) -> StartedKubefwd:
        self._note("start")
        self.accesses.append(access)
        return StartedKubefwd(f"key{len(self.accesses)}", 4711)

    async def kubefwd_stop(self) -> None:
        self._note("stop")
        await self.ending.wait()

    async def kubefwd_token(self, token: str) -> None:
        self._note(f"token {token}")

    async def hosts(self, entries: Sequence[HostsEntry]) -> HostsOutcome:
        self._note("hosts")
        self.entries = tuple(entries)
        names = [(name, entry.ip) for entry in entries for name in spell(entry)]
        return HostsOutcome(
            tuple(
                Withheld(name, ip, "held-by-user", "A line of your own holds it.")
                for name, ip in names
                if name in self.withheld
            )
        )

    @property
    def names(self) -> dict[str, str]:
        """What the hosts file would hold."""
        return {name: entry.ip for entry in self.entries for name in spell(entry)}

    def say(self, message: str, name: str = "log") -> None:
        """Send an event."""
        assert self.heard is not None
        self.heard(Event(name, "info", message))

    def _note(self, what: str) -> None:
        self.asked.append(what)
        if error := self.refusals.get(what.split(maxsplit=1)[0]):
            raise error


class Api:
    """kubefwd's API: what it watches and forwards is set by the test, changes are noted."""

    def __init__(self) -> None:
        self.error: KubefwdError | RuntimeError | None = None
        self.open = False
        self.rows: list[Forward] = []
        self.watched: list[str] = []
        self.changes: list[str] = []
        self.keys: list[str] = []
        self.closed = 0

    def connect(self, key: str) -> KubefwdApi:
        """Be the client of a kubefwd that was started."""
        self.keys.append(key)
        return cast("KubefwdApi", _Client(self))


class _Client:
    def __init__(self, api: Api) -> None:
        self._api = api

    def _answer(self, value: Any) -> Any:
        if self._api.error:
            raise self._api.error
        return value

    async def health(self) -> Health:
        return cast("Health", self._answer(Health("1.25.16")))

    async def info(self) -> Info:
        return cast("Info", self._answer(Info("1.25.16", "now")))

    async def guarded(self) -> bool:
        return not self._answer(self._api.open)

    async def namespaces(self) -> tuple[Watched, ...]:
        return tuple(Watched(name, CONTEXT, 1) for name in self._answer(self._api.watched))

    async def forwards(self) -> tuple[Forward, ...]:
        return tuple(self._answer(self._api.rows))

    async def add_namespace(self, name: str) -> None:
        self._api.changes.append(self._answer(f"add {name}"))
        self._api.watched.append(name)

    async def remove_namespace(self, name: str) -> None:
        self._api.changes.append(self._answer(f"remove {name}"))
        self._api.watched.remove(name)

    async def sync(self, service: str, namespace: str) -> None:
        self._api.changes.append(self._answer(f"sync {service}.{namespace}"))

    async def remove_service(self, service: str, namespace: str) -> None:
        self._api.changes.append(self._answer(f"remove {service}.{namespace}"))

    async def add_service(self, service: str, namespace: str) -> None:
        self._api.changes.append(self._answer(f"add {service}.{namespace}"))

    async def close(self) -> None:
        self._api.closed += 1


def forward(
    pod: str,
    ip: str = "127.1.27.1",
    *,
    service: str = "web",
    namespace: str = "shop-a",
    port: int = 80,
    pod_port: int = 8080,
    alone: bool = False,
) -> Forward:
    """A row; `alone` is one of a single pod of a headless service."""
    return Forward(service, namespace, pod, ip, port, pod_port, "Active", 0.0, alone)
