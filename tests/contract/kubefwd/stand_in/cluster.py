"""The cluster: one context of a kubeconfig in JSON, GET, and WebSockets to pods."""

import asyncio
import base64
import http.client
import json
import secrets
import socket
import ssl
import tempfile
from pathlib import Path
from urllib.parse import quote, urlsplit

from .log import Fault, Json


class Cluster:
    """One context of the kubeconfig: GET, and WebSockets to pods."""

    def __init__(self, config: Path, context: str) -> None:
        found = json.loads(config.read_text())
        parts: dict[str, Json] = {
            kind: {each["name"]: each[kind] for each in found[f"{kind}s"]}
            for kind in ("context", "cluster", "user")
        }
        if context not in parts["context"]:
            raise KeyError(context)
        chosen = parts["context"][context]
        self._cluster, self._user = (
            parts["cluster"][chosen["cluster"]],
            parts["user"][chosen["user"]],
        )
        address = urlsplit(self._cluster["server"])
        self._host, self._port = address.hostname or "", address.port or 443
        self._prefix = address.path.rstrip("/")
        self._name = self._cluster.get("tls-server-name") or self._host
        self._tls = self._make_tls()

    def _make_tls(self) -> ssl.SSLContext:
        def pem(of: Json, key: str) -> str:
            if f"{key}-data" in of:
                return base64.b64decode(of[f"{key}-data"]).decode()
            return Path(of[key]).read_text() if key in of else ""

        context = ssl.create_default_context(
            cadata=pem(self._cluster, "certificate-authority") or None
        )
        if certificate := pem(self._user, "client-certificate"):
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(certificate + "\n" + pem(self._user, "client-key"))
                file.flush()
                context.load_cert_chain(file.name)
        return context

    def _headers(self) -> dict[str, str]:
        token = self._user.get("token", "")
        if "tokenFile" in self._user:
            token = Path(self._user["tokenFile"]).read_text().strip()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _get(self, path: str) -> tuple[int, Json]:
        connection = http.client.HTTPSConnection(self._host, self._port, timeout=10)
        raw = socket.create_connection((self._host, self._port), 10)
        connection.sock = self._tls.wrap_socket(raw, server_hostname=self._name)
        try:
            connection.request("GET", self._prefix + path, headers=self._headers())
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())
        finally:
            connection.close()

    async def get(self, path: str) -> Json:
        """Raises Fault with what went wrong."""
        try:
            status, found = await asyncio.to_thread(self._get, path)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise Fault("unreachable", f"Get {path}: {error}") from error
        if status != 200:
            raise Fault(str(status), found.get("message", f"status {status}"))
        return found

    async def list(self, namespace: str, kind: str, selector: str = "") -> list[Json]:
        query = f"?labelSelector={quote(selector)}" if selector else ""
        found = await self.get(f"/api/v1/namespaces/{namespace}/{kind}{query}")
        items: list[Json] = found["items"]
        return items

    async def dial(self, namespace: str, pod: str, port: str) -> "Tunnel":
        """Open a WebSocket to a port of a pod. Raises Fault."""
        path = f"{self._prefix}/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}"
        reader, writer = await asyncio.open_connection(
            self._host, self._port, ssl=self._tls, server_hostname=self._name
        )
        headers = {
            **self._headers(), "Host": f"{self._host}:{self._port}", "Upgrade": "websocket",
            "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": "v4.channel.k8s.io",
            "Sec-WebSocket-Key": base64.b64encode(secrets.token_bytes(16)).decode(),
        }  # fmt: skip
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        writer.write(f"GET {path} HTTP/1.1\r\n{lines}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if b" 101 " not in head.split(b"\r\n")[0]:
            writer.close()
            raise Fault("upgrade", f"error upgrading connection: {head.split()[1].decode()}")
        return Tunnel(reader, writer)


class Tunnel:
    """One connection to a pod; frames with a mask of zeros, which changes nothing."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._begun: set[int] = set()

    async def send(self, opcode: int, data: bytes) -> None:
        long = len(data) > 125
        head = bytes([0x80 | opcode, 0x80 | (127 if long else len(data))])
        self._writer.write(head + (len(data).to_bytes(8, "big") if long else b"") + bytes(4) + data)
        await self._writer.drain()

    async def receive(self) -> bytes:
        """Return data of the pod, b"" at its end. Raises Fault with the pod's error."""
        while True:
            first, second = await self._reader.readexactly(2)
            length = second & 0x7F
            if length > 125:
                length = int.from_bytes(await self._reader.readexactly(2 if length == 126 else 8))
            data = await self._reader.readexactly(length)
            if first & 0xF == 8:
                return b""
            if first & 0xF == 9:
                await self.send(10, data)
            elif data and data[0] not in self._begun:
                self._begun.add(data[0])  # the first of each channel is the port
            elif data and data[0] == 1:
                raise Fault("pod", data[1:].decode())
            elif len(data) > 1:
                return data[1:]

    def close(self) -> None:
        self._writer.close()
