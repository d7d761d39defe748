"""A recording proxy in front of Tilt's apiserver, which the operator takes for Tilt's own.

It serves with Tilt's own certificate (the key lies in the developer's cache), and the operator is
led to it by `TILT_CONFIG`. It is a process of its own, so that nothing of it is left behind.
"""

import os
import ssl
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import aiohttp
from aiohttp import web
from tests.lab.api import Api
from tests.lab.proc import Server, free_port, listening

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host"})
NOT_ADDED = ("Content-Type", "User-Agent", "Accept-Encoding")


class Tilt(Protocol):
    """A Tilt that is up: the lab's, or one beside which an operator is started."""

    port: int
    folder: Path

    @property
    def home(self) -> Path: ...
    @property
    def context(self) -> str: ...
    @property
    def api(self) -> Api: ...


@dataclass(frozen=True, slots=True)
class Recording:
    """Every request, as (method, path). Give the operator `env`."""

    server: Server
    env: dict[str, str]

    @property
    def requests(self) -> list[tuple[str, str]]:
        lines = [line.split(" ") for line in self.server.output.split("\n")[:-1]]
        return [(line[0], line[1]) for line in lines]

    @property
    def writes(self) -> set[tuple[str, str]]:
        return {request for request in self.requests if request[0] in WRITES}


@contextmanager
def recording(tilt: Tilt) -> Iterator[Recording]:
    """Record between this and the end."""
    port, original = free_port(), tilt.home / ".tilt-dev/config"
    config = tilt.home / f"recorded {tilt.port}"
    config.write_text(original.read_text().replace(tilt.api.server, f"https://127.0.0.1:{port}"))
    authority = tilt.home / f"authority {tilt.port}"
    authority.write_text(tilt.api.ca)
    (certificate,) = (tilt.home / ".cache/tilt-dev/certs").glob(f"{tilt.context}/*.crt")
    command = [sys.executable, "-m", __name__, tilt.api.server, authority, certificate, str(port)]
    env = {"PYTHONPATH": os.pathsep.join(sys.path)}
    server = Server("recorder", command, tilt.folder / "requests", env=env)
    try:
        server.wait_healthy(lambda: listening(port))
        yield Recording(server, {"TILT_CONFIG": str(config)})
    finally:
        server.stop()


CLIENT = web.AppKey("client", aiohttp.ClientSession)
UPSTREAM = web.AppKey("upstream", str)


def serve(upstream: str, authority: str, certificate: str, port: str) -> None:
    """Relay until stopped, one line on stdout for each request."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate, Path(certificate).with_suffix(".key"))

    async def client(application: web.Application) -> AsyncIterator[None]:
        tls = ssl.create_default_context(cafile=authority)
        connector = aiohttp.TCPConnector(ssl=tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:
            application[CLIENT] = session
            yield

    application = web.Application()
    application[UPSTREAM] = upstream
    application.cleanup_ctx.append(client)
    application.router.add_route("*", "/{path:.*}", _relay)
    web.run_app(
        application,
        host="127.0.0.1",
        port=int(port),
        ssl_context=context,
        shutdown_timeout=0.1,  # watches would be waited for
        print=None,
    )


async def _relay(request: web.Request) -> web.StreamResponse:
    sys.stdout.write(f"{request.method} {request.path}\n")
    sys.stdout.flush()
    async with request.app[CLIENT].request(
        request.method,
        request.app[UPSTREAM] + request.raw_path,
        headers={k: v for k, v in request.headers.items() if k.lower() not in HOP},
        data=await request.read() or None,
        skip_auto_headers=NOT_ADDED,
    ) as answer:
        kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
        response = web.StreamResponse(status=answer.status, headers=kept)
        await response.prepare(request)
        with suppress(ConnectionError, aiohttp.ClientError):
            async for part in answer.content.iter_any():
                await response.write(part)
    return response


if __name__ == "__main__":
    serve(*sys.argv[1:])
