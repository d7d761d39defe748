"""A recording proxy in front of Tilt's apiserver, which the operator takes for Tilt's own.

It serves with Tilt's own certificate (the key lies in the developer's cache), and the operator is
led to it by `TILT_CONFIG`.
"""

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
from aiohttp import web
from tests.contract.tilt.peer import Tilt
from tests.lab.proc import free_port

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
HOP = frozenset({"connection", "transfer-encoding", "content-length", "content-encoding", "host"})


@dataclass(slots=True)
class Recording:
    """Every request, as (method, path)."""

    requests: list[tuple[str, str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    @property
    def writes(self) -> set[tuple[str, str]]:
        return {request for request in self.requests if request[0] in WRITES}


@contextmanager
def recording(tilt: Tilt) -> Iterator[Recording]:
    """Record between this and the end; give the operator `env`."""
    found, port = Recording(), free_port()
    started, stop = threading.Event(), threading.Event()
    config = tilt.home / f"recorded {tilt.port}"
    original = tilt.home / ".tilt-dev/config"
    config.write_text(original.read_text().replace(tilt.api.server, f"https://127.0.0.1:{port}"))
    found.env = {"TILT_CONFIG": str(config)}
    served = _serve(tilt, port, found, started, stop)
    # asyncio.run also ends the relays that still wait for an event of a watch.
    thread = threading.Thread(target=lambda: asyncio.run(served), daemon=True)
    thread.start()
    assert started.wait(30)
    try:
        yield found
    finally:
        stop.set()
        thread.join(30)


async def _serve(
    tilt: Tilt, port: int, found: Recording, started: threading.Event, stop: threading.Event
) -> None:
    upstream = ssl.create_default_context(cadata=tilt.api.ca)
    connector = aiohttp.TCPConnector(ssl=upstream, limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as session:

        async def relay(request: web.Request) -> web.StreamResponse:
            found.requests.append((request.method, request.path))
            headers = {k: v for k, v in request.headers.items() if k.lower() not in HOP}
            async with session.request(
                request.method,
                tilt.api.server + request.raw_path,
                headers=headers,
                data=await request.read() or None,
                skip_auto_headers=("Content-Type", "User-Agent", "Accept-Encoding"),
            ) as answer:
                kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP}
                response = web.StreamResponse(status=answer.status, headers=kept)
                await response.prepare(request)
                with suppress(ConnectionError, aiohttp.ClientError):
                    async for part in answer.content.iter_any():
                        await response.write(part)
            return response

        application = web.Application()
        application.router.add_route("*", "/{path:.*}", relay)
        runner = web.AppRunner(application, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", port, ssl_context=_certificate(tilt)).start()
        started.set()
        await asyncio.to_thread(stop.wait)
        await runner.cleanup()
    await asyncio.sleep(0.25)  # aiohttp's advice: TLS connections close a moment later


def _certificate(tilt: Tilt) -> ssl.SSLContext:
    (folder,) = (tilt.home / ".cache/tilt-dev/certs").glob(tilt.context)
    certificates: list[Path] = list(folder.glob("*.crt"))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificates[0], certificates[0].with_suffix(".key"))
    return context
