"""One port of one pod: a row, names, a listener, and the connections through it."""

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

from .cluster import Tunnel
from .log import Fault, Json, now

if TYPE_CHECKING:
    from .service import Service


NO_BYTES = dict.fromkeys(("bytesIn", "bytesOut", "rateIn", "rateOut", "avgRateIn", "avgRateOut"), 0)


class Forward:
    """One port of one pod: a row, names, a listener."""

    def __init__(self, service: "Service", name: str, pod: Json, port: Json) -> None:
        self.service, self.name, self.pod = service, name, pod["metadata"]["name"]
        self.uid, self.pending = pod["metadata"]["uid"], pod["status"]["phase"] == "Pending"
        self.ip = service.namespace.address(name, self.pod)
        self.port: int = port["port"]
        self.pod_port, self.container = _target(port, pod)
        self.shown = self.pod_port
        self.status, self.started, self.hosts = "Connecting", now(), list[str]()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def key(self) -> str:
        return f"{self.name}.{self.pod}.{self.port}"

    def row(self) -> Json:
        space = self.service.namespace
        key = f"{self.name}.{space.key}"
        return {
            "key": f"{key}.{self.pod}.{self.port}", "serviceKey": key, "serviceName": self.name,
            "namespace": space.name, "context": space.context, "headless": False,
            "podName": self.pod, "containerName": self.container, "localIP": self.ip,
            "localPort": str(self.port), "podPort": self.shown, "hostnames": self.hosts or None,
            "status": self.status, "startedAt": self.started, "lastActive": "0001-01-01T00:00:00Z",
            **NO_BYTES,
        }  # fmt: skip

    async def begin(self) -> None:
        """Forward; what it fails of is for the service to mend."""
        service, world = self.service, self.service.namespace.world
        names = service.namespace.names(self.name)
        world.hosts.add(self.ip, names)
        illness = service.illness()
        if self.pending:
            # Its --timeout is never set, so the wait for a pod ends at once.
            self.end()
            world.log.say(f"Stopped forwarding pod {self.pod} for {service.key}", "warning")
            service.reconnect_later()
        elif illness != "stuck":
            self.hosts, self.status = names, "Active"
            service.back_off = 0.0
            if illness != "early":
                await self._listen(silent=illness == "half_open")

    async def _listen(self, *, silent: bool) -> None:
        self.pod_port = self.pod_port if self.pod_port.isdecimal() else str(self.port)
        handler = self._be_silent if silent else self._carry
        ip = "127.0.0.1" if self.ip == "<nil>" else self.ip
        try:
            await self.service.allowed(self.pod)
            self._server = await asyncio.start_server(handler, ip, self.port)
        except OSError:
            ports = f"[{{{self.port} {self.pod_port}}}]"
            self.lose(f"unable to listen on any of the requested ports: {ports}")
        except Fault as fault:
            self.lose(f"error upgrading connection: {fault}")

    def lose(self, why: str) -> None:
        """Break down, and have the service try again."""
        if self.service.forwards.get(self.key) is not self:
            return
        log, where = self.service.namespace.world.log, f"{self.service.namespace.name}/{self.pod}"
        log.complain(f"Lost connection to {where}: {why}")
        self.end()
        log.complain(f"PortForward error on {where}: {why}")
        self.service.reconnect_later()

    def end(self) -> None:
        """Stop listening, drop every connection, take the names and the row away."""
        if self.service.forwards.get(self.key) is self:
            del self.service.forwards[self.key]
        if self._server:
            self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        space = self.service.namespace
        space.world.hosts.remove(space.names(self.name))

    async def _be_silent(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        world = self.service.namespace.world
        await asyncio.sleep(world.defects.get("stall", 30))
        between = f"{self.port} -> {self.pod_port}"
        world.log.complain(
            f"Runtime: error creating error stream for port {between}: Timeout occurred"
        )
        writer.close()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        space = self.service.namespace
        try:
            tunnel = await space.cluster.dial(space.name, self.pod, self.pod_port)
        except (Fault, OSError, asyncio.IncompleteReadError) as error:
            writer.transport.abort()
            return self.lose(f"lost connection to pod ({error})")
        up = asyncio.create_task(_pump_up(reader, tunnel))
        try:
            while data := await tunnel.receive():
                writer.write(data)
                await writer.drain()
            writer.close()
        except Fault as fault:
            between, log = f"{self.port} -> {self.pod_port}", space.world.log
            log.complain(f"Runtime: an error occurred forwarding {between}: {fault}")
            writer.transport.abort()
            self.lose("lost connection to pod")
        except (OSError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            up.cancel()
            tunnel.close()
            self._writers.discard(writer)
        return None


async def _pump_up(reader: asyncio.StreamReader, tunnel: Tunnel) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            await tunnel.send(2, b"\0" + data)


def _target(port: Json, pod: Json) -> tuple[str, str]:
    """Return the pod's port, as text, and its container; a name that no container has stays."""
    target = port["targetPort"]
    for container in pod["spec"]["containers"]:
        for each in container.get("ports", []):
            if target in (each.get("name"), each["containerPort"]):
                return str(each["containerPort"]), container["name"]
    first = "" if isinstance(target, str) else pod["spec"]["containers"][0]["name"]
    return str(target), first
