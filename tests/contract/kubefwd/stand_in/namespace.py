"""A namespace that is watched: its services, and the pods that go away."""

import asyncio
import re
from typing import TYPE_CHECKING

from .log import Fault, Json
from .service import Service

if TYPE_CHECKING:
    from .world import World

LOOK, BACK_OFF, LONGEST = 0.2, 0.8, 30.0  # seconds


class Namespace:
    """Looks at one namespace until it is stopped."""

    def __init__(self, world: "World", name: str, context: str) -> None:
        self.world, self.name, self.context = world, name, context
        self.key = f"{name}.{context}"
        self.cluster = world.cluster(context)
        self.index = world.index(self.key)
        self.services: dict[str, Service] = {}
        self._specs: dict[str, Json] = {}
        self._watch: asyncio.Task[None] | None = None

    def names(self, service: str) -> list[str]:
        """Return every name that kubefwd writes, dashed twins included."""
        long = f"{service}.{self.name}"
        names = [service] if self.index == 0 else []
        names += [long, f"{long}.svc", f"{long}.svc.cluster.local", f"{long}.{self.context}"]
        names += [f"{long}.svc.{self.context}", f"{long}.svc.cluster.{self.context}"]
        twins = [re.sub(r"[^a-zA-Z0-9-]", "-", each).strip("-") for each in names]
        return list(dict.fromkeys(both for pair in zip(names, twins, strict=True) for both in pair))

    def address(self, name: str, pod: str) -> str:
        return self.world.address(self.index, name, pod)

    def start(self) -> None:
        self.world.log.say(f"Starting watcher for namespace {self.name} in context {self.context}")
        self._watch = self.world.spawn(self._run())

    async def stop(self) -> None:
        if self._watch:
            self._watch.cancel()
            await asyncio.wait([self._watch])
        self.world.log.say(f"Stopped watcher for namespace {self.name} in context {self.context}")
        for service in self.services.values():
            service.remove()
        self.services.clear()

    async def _run(self) -> None:
        delay = BACK_OFF
        while True:
            try:
                specs = await self.cluster.list(self.name, "services")
            except Fault as fault:
                if fault.code != "unreachable":  # client-go says nothing of those
                    self.world.log.complain(f"Runtime: failed to list *v1.Service: {fault}")
                await asyncio.sleep(delay)
                delay = min(2 * delay, LONGEST)
                continue
            delay = BACK_OFF
            self._see({each["metadata"]["name"]: each for each in specs})
            await self._see_pods()
            await asyncio.sleep(LOOK)

    def _see(self, specs: dict[str, Json]) -> None:
        before, self._specs = self._specs, specs
        for name in before.keys() - specs.keys():
            if gone := self.services.pop(f"{name}.{self.key}", None):
                gone.remove()
        for name, spec in sorted(specs.items()):
            if name not in before:
                self._appeared(name, spec)
            else:
                self._changed(name, before[name]["spec"], spec["spec"])

    def _appeared(self, name: str, spec: Json) -> None:
        if not spec["spec"].get("selector"):
            self.world.log.caution(f"No Pod selector for service {name}.{self.name}, skipping")
        elif f"{name}.{self.key}" not in self.services:
            self.add(spec)

    def _changed(self, name: str, old: Json, new: Json) -> None:
        selector = old.get("selector") != new.get("selector")
        ports = len(old["ports"]) != len(new["ports"])
        service = self.services.get(f"{name}.{self.key}")
        if selector or ports:
            what = f"(selector={str(selector).lower()}, ports={str(ports).lower()})"
            self.world.log.say(f"Service {name}.{self.key} updated {what}, triggering resync")
            if service:
                _ = self.world.spawn(service.sync(force=True))

    def add(self, spec: Json) -> Service:
        """Forward a service, as its spec is now and for ever."""
        made = Service(self, spec)
        self.services[made.key] = made
        _ = self.world.spawn(made.sync(force=False))
        return made

    async def _see_pods(self) -> None:
        forwarded = [
            (one, each) for one in self.services.values() for each in one.forwards.values()
        ]
        if not forwarded:
            return
        try:
            pods = await self.cluster.list(self.name, "pods")
        except Fault:
            return
        uids = {
            pod["metadata"]["uid"] for pod in pods if "deletionTimestamp" not in pod["metadata"]
        }
        gone = {(one.key, each.pod): one for one, each in forwarded if each.uid not in uids}
        for (_, pod), service in gone.items():
            service.pod_gone(pod)
