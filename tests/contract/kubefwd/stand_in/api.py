"""The REST API: the routes that the operator uses, in kubefwd's envelope."""

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .log import Fault, Json, now
from .namespace import Namespace
from .service import Service
from .world import World

VERSION = "0.0.0"
ADDRESS = ("127.2.27.1", 80)
Answer = tuple[int, Json | str]
WHY = {400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 409: "Conflict"}
LATEST_POD = 10.0  # seconds that adding a service waits for its pod
NO_BYTES = dict.fromkeys(("totalBytesIn", "totalBytesOut", "rateIn", "rateOut"), 0)


class Request:
    """What a client asks for."""

    def __init__(self, method: str, target: str, headers: dict[str, str], body: bytes) -> None:
        url = urlsplit(target)
        self.method, self.path = method, unquote(url.path)
        self.query = {key: values[-1] for key, values in parse_qs(url.query).items()}
        self.headers, self.body = headers, body

    def number(self, name: str, default: int, most: int | None = None) -> int:
        text = self.query.get(name, "")
        found = int(text) if text.isdecimal() else default
        return default if most and not 0 < found <= most else found


class Api:
    """Serves until the process ends."""

    def __init__(self, world: World, key: str) -> None:
        self._world, self._key = world, key

    async def listen(self) -> None:
        """Bind, or say that it is not possible and go on, as kubefwd does."""
        log = self._world.log
        log.say("API server running at http://127.2.27.1:80/ (http://kubefwd.internal/)")
        log.say("Server listening on http://127.2.27.1:80 (http://kubefwd.internal/)")
        log.say("API key: using KUBEFWD_API_KEY from environment")
        if self._world.defects.get("no_api"):
            return
        try:
            await asyncio.start_server(self._serve, *ADDRESS)
        except OSError:
            why = "listen tcp 127.2.27.1:80: bind: address already in use"
            log.complain(f"API server error: {why}")

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while request := await _read(reader):
                status, found = await self._answer(request)
                writer.write(_response(status, found))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _answer(self, request: Request) -> Answer:
        if request.path == "/stand-in/defects":
            if request.method == "PUT":
                self._world.switch(json.loads(request.body))
            return 200, self._world.defects
        await self._hang(request)
        if request.path == "/api/health":
            return 200, {
                "status": "healthy",
                "version": VERSION,
                "uptime": "1s",
                "timestamp": now(),
            }
        given = request.headers.get("authorization", "")
        if given != f"Bearer {self._key}" and not self._world.defects.get("open"):
            message = "Invalid API key" if given else "API key required."
            return 401, _error(Fault("UNAUTHORIZED", message))
        try:
            return await self._route(request)
        except Fault as fault:
            return fault.status, _error(fault)

    async def _hang(self, request: Request) -> None:
        defects = self._world.defects
        if defects.get("hang") or (defects.get("hang_delete") and request.method == "DELETE"):
            await asyncio.Event().wait()

    async def _route(self, request: Request) -> Answer:
        parts = request.path.removeprefix("/api/").split("/")
        if request.method == "GET":
            return self._tell(request, parts)
        match [request.method, *parts]:
            case ["POST", "v1", "namespaces"]:
                return self._add_namespace(_json(request))
            case ["DELETE", "v1", "namespaces", key]:
                return await self._remove_namespace(key)
            case ["POST", "v1", "services"]:
                return await self._add_service(_json(request))
            case ["DELETE", "v1", "services", key]:
                return self._remove_service(key)
            case ["POST", "v1", "services", key, "sync" | "reconnect" as what]:
                return self._nudge(key, what)
        return 404, "404 page not found"

    def _tell(self, request: Request, parts: list[str]) -> Answer:
        match parts:
            case ["info"]:
                return _ok(version=VERSION, startTime=self._world.started, uptime="1s")
            case ["v1", "namespaces"]:
                return _ok(namespaces=[_watched(each) for each in self._world.namespaces.values()])
            case ["v1", "forwards"]:
                return self._page(request, "forwards", self._world.rows())
            case ["v1", "services"]:
                return self._page(request, "services", self._listed())
            case ["v1", "logs", "system"]:
                return self._log(request)
        return 404, "404 page not found"

    # --- lists -----------------------------------------------------------------------------------

    def _page(self, request: Request, name: str, rows: list[Json]) -> Answer:
        limit, offset = request.number("limit", 100, 1000), request.number("offset", 0)
        total = {"totalServices": len(self._listed()), "totalForwards": len(self._world.rows())}
        return _ok(**{name: rows[offset : offset + limit], "summary": {**total, **NO_BYTES}})

    def _listed(self) -> list[Json]:
        found: dict[str, Json] = {}
        for row in self._world.rows():
            same = ("serviceName", "namespace", "context", "headless")
            each = found.setdefault(
                row["serviceKey"],
                {"key": row["serviceKey"], **{key: row[key] for key in same}, "activeCount": 0,
                 "errorCount": 0, "status": "pending", **NO_BYTES},
            )  # fmt: skip
            if row["status"] == "Active":
                each["activeCount"] += 1
                each["status"] = "active"
        return sorted(found.values(), key=lambda each: str(each["serviceName"]))

    def _log(self, request: Request) -> Answer:
        kept, level = list(self._world.log.kept), request.query.get("level")
        lines = kept[: request.number("count", 100, 1000)]
        shown = [each for each in lines if level in (None, each["level"])]
        return _ok(logs=shown or None, totalCount=len(kept))

    # --- changes ---------------------------------------------------------------------------------

    def _add_namespace(self, body: Json) -> Answer:
        name, context = body.get("namespace"), body.get("context")
        if not name:
            raise Fault("invalid_request", "Key: 'AddNamespaceRequest.Namespace' is required", 400)
        key = f"{name}.{context}"
        if key in self._world.namespaces:
            why = f"already watching namespace {name} in context {context}"
            raise Fault("add_namespace_failed", why)
        made = self._world.namespaces[key] = Namespace(self._world, str(name), str(context))
        made.start()
        return 201, _envelope({"key": key, "namespace": name, "context": context, "services": []})

    async def _remove_namespace(self, key: str) -> Answer:
        name, dot, context = key.partition(".")
        if not dot:
            raise Fault("invalid_key", "Key must be in format 'namespace.context'", 400)
        found = self._world.namespaces.pop(key, None)
        if found is None:
            why = f"no watcher found for namespace {name} in context {context}"
            raise Fault("remove_namespace_failed", why, 404)
        for service in found.services.values():
            service.cure("namespace")
        await found.stop()
        return _ok(removed=True, key=key, message="Namespace watcher stopped and services removed")

    async def _add_service(self, body: Json) -> Answer:
        name, namespace, context = (
            body.get(key) for key in ("serviceName", "namespace", "context")
        )
        key, space_key = f"{name}.{namespace}.{context}", f"{namespace}.{context}"
        if key in self._world.services():
            raise Fault("add_service_failed", f"service {key} is already being forwarded")
        space = self._world.namespaces.get(space_key)
        space = space or Namespace(self._world, str(namespace), str(context))
        try:
            spec = await space.cluster.get(f"/api/v1/namespaces/{namespace}/services/{name}")
        except Fault as fault:
            raise Fault("add_service_failed", f"failed to get service: {fault}") from fault
        if not spec["spec"].get("selector"):
            raise Fault("add_service_failed", f"service {name} has no pod selector")
        made = space.add(spec)
        if space_key not in self._world.namespaces:
            self._world.loose[key] = made
        return 201, _envelope({"key": key, "localIP": await _first_address(made)})

    def _remove_service(self, key: str) -> Answer:
        found = self._world.services().get(key)
        if found is None:
            raise Fault("remove_service_failed", f"service not found: {key}", 404)
        self._world.loose.pop(key, None)
        found.namespace.services.pop(key, None)
        found.cure("service")
        found.remove()
        return _ok(removed=True, key=key, message="Service forwarding stopped")

    def _nudge(self, key: str, what: str) -> Answer:
        found = self._world.services().get(key)
        if found is None:
            raise Fault("NOT_FOUND", f"service not found: {key}", 404)
        well = found.cure(what)
        again = what == "reconnect" or well
        _ = self._world.spawn(found.reconnect() if again else found.sync(force=True))
        return _ok(triggered=1, service=key)


async def _first_address(service: Service) -> str:
    ends = asyncio.get_running_loop().time() + LATEST_POD
    while not service.forwards and asyncio.get_running_loop().time() < ends:  # noqa: ASYNC110
        await asyncio.sleep(0.02)
    return next((each.ip for each in service.forwards.values()), "")


def _watched(space: Namespace) -> Json:
    count = len(space.services)
    same = {"key": space.key, "namespace": space.name, "context": space.context}
    return {**same, "serviceCount": count, "activeCount": count, "errorCount": 0, "running": True}


def _envelope(data: Json) -> Json:
    return {"success": True, "data": data, "meta": {"timestamp": now()}}


def _ok(**data: Any) -> Answer:
    return 200, _envelope(data)


def _error(fault: Fault) -> Json:
    return {"success": False, "error": {"code": fault.code, "message": str(fault)}}


def _json(request: Request) -> Json:
    try:
        found = json.loads(request.body)
    except ValueError as error:
        raise Fault("invalid_request", str(error), 400) from error
    return found if isinstance(found, dict) else {}


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Read one request; None at the end of the connection."""
    if not (first := await reader.readline()):
        return None
    method, target, _ = first.decode().split()
    headers: dict[str, str] = {}
    while (line := (await reader.readline()).decode().strip()) != "":
        name, _, value = line.partition(":")
        headers[name.lower()] = value.strip()
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, target, headers, body)


def _response(status: int, found: Json | str) -> bytes:
    kind = "text/plain" if isinstance(found, str) else "application/json; charset=utf-8"
    body = (found if isinstance(found, str) else json.dumps(found)).encode()
    head = f"HTTP/1.1 {status} {WHY.get(status, 'OK')}\r\nContent-Type: {kind}\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
