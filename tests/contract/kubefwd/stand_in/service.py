"""Which pods of a service are forwarded, and when it looks again."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any

from .forward import Forward
from .log import Fault, Json

if TYPE_CHECKING:
    from .namespace import Namespace

CURES = ["sync", "reconnect", "service", "namespace", "restart"]
ILLNESSES = ("vanish", "early", "stuck", "half_open")
DEBOUNCE, NO_PODS, LONGEST_BACK_OFF = 5.0, 10.0, 300.0  # seconds


def _eligible(pod: Json) -> bool:
    phase, statuses = pod["status"].get("phase"), pod["status"].get("containerStatuses", [])
    ready = phase == "Pending" or any(each.get("ready") for each in statuses)
    return phase in ("Pending", "Running") and "deletionTimestamp" not in pod["metadata"] and ready


class Service:
    """Forwards the first pod of an ordinary service, and every pod of a headless one."""

    def __init__(self, namespace: "Namespace", spec: Json) -> None:
        self.namespace, self.spec = namespace, spec["spec"]
        self.name = spec["metadata"]["name"]
        self.key = f"{self.name}.{namespace.key}"
        self.forwards: dict[str, Forward] = {}
        self.back_off = 0.0
        self.removed = False
        self._log = namespace.world.log
        self._without_pods = False
        self._synced = False
        self._waiting: dict[str, asyncio.Task[None]] = {}
        self._one = asyncio.Lock()

    @property
    def short(self) -> str:
        return f"{self.name}.{self.namespace.name}"

    def illness(self) -> str:
        defects = self.namespace.world.defects
        return next((each for each in ILLNESSES if self.short in defects.get(each, {})), "")

    def cure(self, remedy: str) -> bool:
        """Take away an illness that this remedy, or one that is less, helps against."""
        ill = self.namespace.world.defects.get(self.illness(), {})
        if CURES.index(remedy) < CURES.index(ill.get(self.short, "restart")):
            return False
        return ill.pop(self.short, None) is not None

    async def allowed(self, pod: str) -> None:
        """Raises Fault unless port-forwards to this pod are allowed."""
        path = f"/api/v1/namespaces/{self.namespace.name}/pods/{pod}/portforward?ports=1"
        try:
            await self.namespace.cluster.get(path)
        except Fault as fault:
            if fault.code != "400":  # it is allowed, and wants an upgrade
                raise

    async def sync(self, *, force: bool) -> None:
        """List the pods again, now or (after the first time) when things have calmed down."""
        if not force and self._synced:
            self._later("sync", DEBOUNCE, lambda: self.sync(force=True))
            return
        async with self._one:
            await self._sync(force=force)

    async def _sync(self, *, force: bool) -> None:
        if self.removed:
            return
        if not self._without_pods:
            state = f"(force={str(force).lower()}, currentForwards={len(self.forwards)})"
            self._log.say(f"SyncPodForwards starting for service {self.key} {state}")
        pods = await self._pods()
        if pods or not self._without_pods:
            self._log.say(
                f"SyncPodForwards: Found {len(pods)} eligible pods for service {self.key}"
            )
        if not pods:
            if not self._without_pods:
                self._log.caution(f"No Running Pods returned for service {self.key}")
            self._without_pods = True
            self._later("retry", NO_PODS, lambda: self.sync(force=False))
            return
        if self._without_pods:
            self._log.say(f"Pods now available for service {self.key}")
        self._without_pods, self._synced = False, True
        await self._have(pods)

    async def _pods(self) -> list[Json]:
        selector = ",".join(
            f"{key}={value}" for key, value in sorted(self.spec["selector"].items())
        )
        try:
            found = await self.namespace.cluster.list(self.namespace.name, "pods", selector)
        except Fault as fault:
            self._log.caution(f"Error in List pods for {self.key}: {fault}")
            return []
        return [pod for pod in found if _eligible(pod)]

    async def _have(self, pods: list[Json]) -> None:
        names = {pod["metadata"]["name"]: pod for pod in pods}
        headless = self.spec.get("clusterIP") == "None"
        kept = [each.pod for each in self.forwards.values() if each.pod in names]
        chosen = pods[0] if headless or not kept else names[kept[0]]
        for each in list(self.forwards.values()):
            if each.pod not in names or (not headless and each.pod != chosen["metadata"]["name"]):
                each.end()
        await self._forward(self.name, chosen)
        for pod in pods if headless else []:
            await self._forward(f"{pod['metadata']['name']}.{self.name}", pod)

    async def _forward(self, name: str, pod: Json) -> None:
        for port in self.spec["ports"]:
            shown = f"{self.name}:{port['port']} to pod {pod['metadata']['name']}"
            if port.get("protocol") == "UDP":
                why = "k8s port-forwarding doesn't support UDP protocol"
                self._log.caution(f"Skipped Port-Forward for {shown}:{port['targetPort']} - {why}")
                continue
            made = Forward(self, name, pod, port)
            if made.key in self.forwards or self.illness() == "vanish":
                continue
            self._log.say(f"Port-Forward: {made.ip:>16} {shown}:{made.pod_port}")
            self.forwards[made.key] = made
            await made.begin()

    def pod_gone(self, pod: str) -> None:
        """Drop what goes to a pod that is being deleted, and look for another one."""
        for each in [each for each in self.forwards.values() if each.pod == pod]:
            each.end()
        self._log.say(
            f"Pod {pod} marked for deletion, resyncing the {self.key} service pods.", "warning"
        )
        self._log.say(f"Stopped forwarding pod {pod} for {self.key}", "warning")
        self.reconnect_later()

    def reconnect_later(self) -> None:
        """Sync after 1 s, the next time 2 s, 4 s, ..., until something has become Active."""
        if self.removed or "reconnect" in self._waiting:
            return
        delay = self.back_off or 1.0
        self.back_off = min(2 * delay, LONGEST_BACK_OFF)
        self._log.say(f"Scheduling reconnection for {self.key} in {delay:.0f}s")
        self._later("reconnect", delay, self._reconnect)

    async def _reconnect(self) -> None:
        self._log.say(f"Attempting reconnection for service {self.key}")
        await self.sync(force=True)

    async def reconnect(self) -> None:
        """Drop everything and begin again, at once."""
        self._log.say(f"Force reconnecting service {self.key}")
        self.back_off = 0.0
        self._stop()
        await self.sync(force=True)

    def remove(self) -> None:
        self.removed = True
        self._stop()

    def _stop(self) -> None:
        for task in self._waiting.values():
            task.cancel()
        self._waiting.clear()
        for each in list(self.forwards.values()):
            each.end()

    def _later(self, what: str, delay: float, do: Callable[[], Coroutine[Any, Any, None]]) -> None:
        async def wait() -> None:
            await asyncio.sleep(delay)
            self._waiting.pop(what, None)
            await do()

        if old := self._waiting.pop(what, None):
            old.cancel()
        self._waiting[what] = self.namespace.world.spawn(wait())
