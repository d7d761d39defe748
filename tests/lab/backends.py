"""What answers in the pods: one process per cluster, one server per pod and port.

It watches the cluster's pods, gives each port of each of them a server of its own on 127.0.0.1, and
tells the port-forward endpoint where that is. The server is closed when its pod is deleted, as a
process ends on SIGTERM: no connection is accepted any more, requests under way may finish.

Annotations of a pod:

  lab/backend         http (default), tcp, banner, grpc or none (nothing listens); see `servers.py`
  lab/backend.PORT    the same for one port
  lab/ports           "8080,9090": ports beyond the pod's containerPorts
  lab/listen-after    seconds after Running before anything listens
  lab/on-delete       abrupt: open connections are cut at once
"""

import argparse
import asyncio
import contextlib
import json
import logging
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from tests.lab.servers import Served, Who, serve

log = logging.getLogger("backends")
Pod = dict[str, Any]
GRACE = 5.0  # seconds for requests under way when a pod is deleted


def ports(pod: Pod) -> dict[int, str]:
    """Return port -> kind of backend for a pod; a port that nothing listens on is left out."""
    annotations = pod["metadata"].get("annotations") or {}
    declared = [
        port["containerPort"]
        for container in pod["spec"]["containers"]
        for port in container.get("ports") or []
        if port.get("protocol", "TCP") == "TCP"
    ]
    more = [int(each) for each in annotations.get("lab/ports", "").split(",") if each.strip()]
    default = annotations.get("lab/backend", "http")
    kinds = {each: annotations.get(f"lab/backend.{each}", default) for each in [*declared, *more]}
    crashing = annotations.get("lab/state") in {"crashloop", "imagepull"}
    return {} if crashing else {port: kind for port, kind in kinds.items() if kind != "none"}


@dataclass(slots=True)
class Backed:
    """A pod that has backends, or is about to."""

    task: asyncio.Task[None]
    abrupt: bool
    served: dict[int, Served] = field(default_factory=dict)


class Backends:
    """Keeps one set of servers per pod uid, and the endpoint's table true."""

    def __init__(self, endpoint: str, session: aiohttp.ClientSession) -> None:
        self._endpoint, self._session = endpoint, session
        self._pods: dict[str, Backed] = {}  # by uid
        self._closing: set[asyncio.Task[None]] = set()

    def see(self, pod: Pod, *, gone: bool = False) -> None:
        """Take note of a pod as it is now."""
        uid = pod["metadata"]["uid"]
        if gone or "deletionTimestamp" in pod["metadata"]:
            self._end(uid)
        elif pod["status"].get("phase") == "Running" and uid not in self._pods:
            abrupt = (pod["metadata"].get("annotations") or {}).get("lab/on-delete") == "abrupt"
            self._pods[uid] = Backed(asyncio.create_task(self._begin(pod)), abrupt)

    def see_all(self, pods: list[Pod]) -> None:
        """Take note of a full list: what is not in it is gone."""
        for uid in self._pods.keys() - {pod["metadata"]["uid"] for pod in pods}:
            self._end(uid)
        for pod in pods:
            self.see(pod)

    async def _begin(self, pod: Pod) -> None:
        meta = pod["metadata"]
        await asyncio.sleep(float((meta.get("annotations") or {}).get("lab/listen-after", "0")))
        for port, kind in ports(pod).items():
            labels = meta.get("labels") or {}
            who = Who(meta["name"], meta["namespace"], labels.get("app", ""), meta["uid"], port)
            server = await serve(kind, who)
            self._pods[meta["uid"]].served[port] = server
            await self._send_to(who, server.running.address)

    async def _send_to(self, who: Who, address: str) -> None:
        url = f"{self._endpoint}/{who.namespace}/{who.pod}:{who.port}"
        async with self._session.put(url, json={"address": address}) as answer:
            answer.raise_for_status()

    def _end(self, uid: str) -> None:
        if uid in self._pods:
            task = asyncio.create_task(self._close(self._pods.pop(uid)))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _close(self, backed: Backed) -> None:
        backed.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await backed.task
        grace = 0.0 if backed.abrupt else GRACE
        await asyncio.gather(*(server.running.close(grace) for server in backed.served.values()))

    async def answer(self, _: web.Request) -> web.Response:
        """Serve the control port: every backend with its counters."""
        found = {
            f"{server.who.namespace}/{server.who.pod}:{port}": {
                "kind": server.kind,
                "address": server.running.address,
                "uid": server.who.uid,
                "connections": server.count.connections,
                "open": server.running.open(),
                "requests": server.count.requests,
            }
            for backed in self._pods.values()
            for port, server in backed.served.items()
        }
        return web.json_response(found)


@dataclass(frozen=True, slots=True)
class PodWatch:
    """Lists and watches all pods for ever."""

    server: str
    headers: dict[str, str]
    tls: ssl.SSLContext
    session: aiohttp.ClientSession

    async def follow(self, backends: Backends) -> None:
        """Tell `backends` of every pod and every change."""
        while True:
            try:
                await self._once(backends)
            except (aiohttp.ClientError, OSError, KeyError, ValueError) as error:
                log.info("watch ended: %r", error)
            await asyncio.sleep(0.2)

    async def _once(self, backends: Backends) -> None:
        async with self._get("") as answer:
            listed = await answer.json()
        backends.see_all(listed["items"])
        version = listed["metadata"]["resourceVersion"]
        async with self._get(f"?watch=1&resourceVersion={version}") as answer:
            async for line in _lines(answer):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    return
                backends.see(event["object"], gone=event["type"] == "DELETED")

    def _get(self, query: str) -> Any:
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=5)
        url = f"{self.server}/api/v1/pods{query}"
        return self.session.get(url, headers=self.headers, ssl=self.tls, timeout=timeout)


async def _lines(answer: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield lines of any length (aiohttp's own reader has a limit)."""
    rest = b""
    async for chunk in answer.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line


async def run(arguments: argparse.Namespace) -> None:
    """Serve until killed."""
    tls = ssl.create_default_context(cafile=arguments.ca)
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        backends = Backends(arguments.endpoint, session)
        app = web.Application()
        app.router.add_get("/", backends.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", arguments.control).start()
        headers = {"Authorization": f"Bearer {arguments.token}"}
        await PodWatch(arguments.server, headers, tls, session).follow(backends)


def main() -> None:
    """Read argv and serve."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name in ("server", "token", "endpoint"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--ca", type=Path, required=True)
    parser.add_argument("--control", type=int, required=True)
    logging.basicConfig(level=logging.INFO)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
