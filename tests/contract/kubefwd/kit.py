"""One kubefwd, real or stand-in, on the lab's cluster; what tests ask it, and put into the cluster.

It runs as the root helper runs it: idle, empty environment, output into a pipe's place, a
kubeconfig in JSON with the one context. Only in an isolated namespace: its address is fixed, and it
edits /etc/hosts.
"""

import asyncio
import json
import secrets
import subprocess
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import yaml
from tests.contract.kubefwd.binary import pack, real
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually_async
from tests.lab.proc import Server

from kubefwd_operator.engines.kubefwd.api import CONTEXT, KubefwdApi
from kubefwd_operator.engines.kubefwd.rows import Forward

HOSTS = Path("/etc/hosts")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
Json = dict[str, Any]


def program(kind: str, folder: Path) -> Path:
    """Return the file to run; raise LookupError when the real one is not there."""
    if kind == "stand-in":
        return pack(folder / "kubefwd")
    if found := real():
        return Path(found)
    raise LookupError("kubefwd is not on PATH")


def kubeconfig(cluster: Cluster, file: Path, user: str = "admin") -> Path:
    """Write a kubeconfig as root writes it: JSON, and one context with a clean name."""
    cluster.write_kubeconfig(file, user=user, context=CONTEXT)
    file.write_text(json.dumps(yaml.safe_load(file.read_text())))
    return file


@dataclass
class Kubefwd:
    """One process and a client of it."""

    program: Path
    config: Path
    folder: Path
    key: str = field(default_factory=lambda: secrets.token_hex(16), repr=False)

    def start(self) -> "Kubefwd":
        """Start it, inside a running loop; it may take a moment until it answers."""
        self.api = KubefwdApi(self.key)
        command = [self.program, "svc", "-c", self.config]
        env = {"PATH": PATH, "HOME": str(self.folder), "KUBEFWD_API_KEY": self.key}
        self.server = Server("kubefwd", command, self.folder / "kubefwd.log", env=env)
        return self

    async def up(self) -> "Kubefwd":
        """Wait until it answers."""

        async def answers() -> str:
            assert self.server.exit_code is None, self.server.output
            return (await self.api.health()).version

        _: str = await eventually_async(answers)
        return self

    async def close(self) -> None:
        await self.api.close()
        await asyncio.to_thread(self.server.stop)

    async def complaints(self) -> str:
        """Return the errors of its log, as text."""
        return "\n".join(each.message for each in await self.api.errors())

    def run(
        self, *arguments: str, without: Collection[str] = ()
    ) -> subprocess.CompletedProcess[str]:
        """Run another one of it to its end, `without` some variables of its environment."""
        given = {"PATH": PATH, "HOME": str(self.folder), "KUBEFWD_API_KEY": self.key}
        env = {name: value for name, value in given.items() if name not in without}
        words = [str(self.program), *arguments]
        return subprocess.run(
            words, env=env, capture_output=True, text=True, timeout=30, check=False
        )

    def raw(
        self, method: str, path: str, body: Mapping[str, object] | None = None
    ) -> tuple[int, Json | str]:
        """Ask without the client: status, and what was answered."""
        headers = {"Authorization": f"Bearer {self.key}"}
        with httpx.Client(trust_env=False, timeout=30) as client:
            url = f"http://127.2.27.1{path}"
            answer = client.request(method, url, json=body, headers=headers)
        kind = answer.headers["content-type"]
        return answer.status_code, answer.json() if "json" in kind else answer.text

    async def rows(self, namespace: str) -> list[Forward]:
        """Return the rows of a namespace, sorted."""
        found = [each for each in await self.api.forwards() if each.namespace == namespace]
        return sorted(found, key=lambda row: (row.pod_name_in_host, row.service, row.pod, row.port))

    async def until(
        self, namespace: str, fits: Callable[[list[Forward]], object], *, listen: bool = True
    ) -> list[Forward]:
        """Wait until there are rows, they fit, and each of them listens; return them."""

        async def fitting() -> list[Forward]:
            rows = await self.rows(namespace)
            listening = sockets()
            assert fits(rows), rows
            silent = [row for row in rows if listen and (row.ip, row.port) not in listening]
            assert not silent, silent
            return rows

        found: list[Forward] = await eventually_async(fitting)
        return found

    async def until_none(self, namespace: str) -> None:
        """Wait until a namespace has no row."""

        async def none() -> bool:
            return not await self.rows(namespace)

        _: bool = await eventually_async(none)

    async def count(self, namespace: str, count: int) -> list[Forward]:
        """Wait for that many rows that listen."""
        return await self.until(namespace, lambda rows: rows and len(rows) == count)


def sockets() -> set[tuple[str, int]]:
    """Return every (address, port) that listens."""
    found = psutil.net_connections("tcp4")
    listening = [each.laddr for each in found if each.status == psutil.CONN_LISTEN]
    return {(each.ip, each.port) for each in listening if each}


async def pod_behind(row: Forward) -> str:
    """Ask through a forward which pod answers; raise httpx.TransportError when none does."""
    async with httpx.AsyncClient(trust_env=False, timeout=20) as client:
        answer = await client.get(f"http://{row.ip}:{row.port}/")
        return str(answer.raise_for_status().json()["pod"])


def service(namespace: str, name: str, app: str, *ports: Json, **spec: object) -> Json:
    """A Service for the pods of an app; without ports it has 80 to 8080."""
    given = list(ports) or [{"port": 80, "targetPort": 8080}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"app": app}, "ports": given, **spec},
    }
