"""A client of kubefwd's REST API, which is at one fixed address and is plain HTTP.

Every call has an end: a stuck kubefwd never answers, and its own server sets no limit. Changes go
one after the other, and after a DELETE the next POST waits: kubefwd tells its list of rows later
than it answers, and a namespace or service that comes back too soon is forwarded without any row
(read in its source). The key goes only where it is needed, never to who may be a stranger.

Raises only the KubefwdError family.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote

import aiohttp
from yarl import URL

from kubefwd_operator.core.errors import KubefwdError, KubefwdRefused, KubefwdUnreachable
from kubefwd_operator.engines.kubefwd import answers
from kubefwd_operator.engines.kubefwd.answers import (
    Health,
    Info,
    Json,
    Listed,
    LogLine,
    Page,
    Watched,
)
from kubefwd_operator.engines.kubefwd.rows import Forward

CONTEXT: Final = "kubefwd-operator"
"""The one context of the kubeconfig that root writes for kubefwd."""

CHANGE = 20.0
"""Seconds for a change: adding a service waits up to 10 s for a pod, a DELETE for every forward."""

SETTLE = 1.0
"""Seconds between a DELETE and the next POST."""

PAGE = 1000
"""Rows of a page; kubefwd takes more for a wish of 100."""

T = TypeVar("T")

_PAGES = 100
_ROUNDS = 3
_LONGEST = 16 * 1024 * 1024


class KubefwdApi:
    """One kubefwd and the key to it. Build it inside the running loop; `close()` it.

    `seconds` is how long a question may take, `change` how long a change may.
    """

    def __init__(
        self,
        key: str,
        *,
        base: str = "http://127.2.27.1",
        seconds: float = 5.0,
        change: float = CHANGE,
        settle: float = SETTLE,
    ) -> None:
        self._base = base
        self._key = {"Authorization": f"Bearer {key}"}
        self._seconds, self._change, self._settle = seconds, change, settle
        self._changing = asyncio.Lock()
        self._settled = 0.0
        self._session = aiohttp.ClientSession(
            trust_env=False, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
        )

    # --- questions -------------------------------------------------------------------------------

    async def health(self) -> Health:
        """Ask who is there; anybody may."""
        _, body = await self._send("GET", "/api/health", self._seconds)
        return answers.health(answers.document(body))

    async def guarded(self) -> bool:
        """Say whether it asks for the key: one older than 1.25.15 obeys every local program."""
        return answers.is_guarded(*await self._send("GET", "/api/info", self._seconds))

    async def info(self) -> Info:
        """Ask with the key: KubefwdForeign tells another kubefwd from ours."""
        return answers.info(await self._ask("/api/info"))

    async def namespaces(self) -> tuple[Watched, ...]:
        """List the namespaces that it watches, whether they exist or not, by name."""
        return answers.namespaces(await self._ask("/api/v1/namespaces"))

    async def services(self) -> tuple[Listed, ...]:
        """List the services that have a row."""
        return await self._list("/api/v1/services", answers.services)

    async def forwards(self) -> tuple[Forward, ...]:
        """List every row."""
        return await self._list("/api/v1/forwards", answers.forwards)

    async def errors(self) -> tuple[LogLine, ...]:
        """Return the errors among the last thousand lines of its log, newest first."""
        return answers.log(await self._ask("/api/v1/logs/system", count=PAGE, level="error"))

    # --- changes ---------------------------------------------------------------------------------

    async def add_namespace(self, namespace: str) -> None:
        """Begin to watch a namespace; one that is watched already is as good.

        That it is accepted says nothing: kubefwd has not asked the cluster yet.
        """
        body = {"namespace": namespace, "context": CONTEXT}
        with _as_good(lambda error: "already watching" in str(error)):
            await self._do("POST", "/api/v1/namespaces", body)

    async def remove_namespace(self, namespace: str) -> None:
        """Stop watching a namespace and end its forwards; one that is not watched is as good."""
        with _as_good(lambda error: error.code == "remove_namespace_failed"):
            await self._do("DELETE", f"/api/v1/namespaces/{_key(namespace)}")

    async def sync(self, service: str, namespace: str) -> None:
        """Have a service's pods listed again: what is missing is added, the rest is left alone."""
        await self._do("POST", f"/api/v1/services/{_key(service, namespace)}/sync?force=true")

    async def reconnect(self, service: str, namespace: str) -> None:
        """Drop every forward of a service and make them anew.

        It races with itself. Measured on 1.25.16: of ten healthy services three to five lose their
        row or names by it, and keep a listener that nothing but a restart ends. `remove_service`
        and `add_service` do the same without harm.
        """
        await self._do("POST", f"/api/v1/services/{_key(service, namespace)}/reconnect")

    async def remove_service(self, service: str, namespace: str) -> None:
        """End a service's forwards, until it is added; one that has none is as good."""
        with _as_good(lambda error: error.code == "remove_service_failed"):
            await self._do("DELETE", f"/api/v1/services/{_key(service, namespace)}")

    async def add_service(self, service: str, namespace: str) -> None:
        """Forward a service as its spec is at this moment; one that is forwarded is as good."""
        body = {"serviceName": service, "namespace": namespace, "context": CONTEXT}
        with _as_good(lambda error: "already being forwarded" in str(error)):
            await self._do("POST", "/api/v1/services", body)

    async def close(self) -> None:
        """End every connection; whoever still calls is told that nobody is there."""
        await self._session.close()

    # --- the wire --------------------------------------------------------------------------------

    async def _list(self, path: str, read: Callable[[Json], Page[T]]) -> tuple[T, ...]:
        """Read a list of any length.

        Rows come and go between two pages, so a list of several is read again until it is whole.
        """
        for _ in range(_ROUNDS):
            pages = [page async for page in self._pages(path, read)]
            found = {key: row for page in pages for key, row in page.rows.items()}
            if len(pages) == 1 or {page.total for page in pages} == {len(found)}:
                break
        return tuple(found.values())

    async def _pages(self, path: str, read: Callable[[Json], Page[T]]) -> AsyncIterator[Page[T]]:
        for number in range(_PAGES):
            page = read(await self._ask(path, limit=PAGE, offset=number * PAGE))
            yield page
            if len(page.rows) < PAGE:
                return

    async def _ask(self, path: str, **query: str | int) -> Json:
        words = "&".join(f"{name}={value}" for name, value in query.items())
        return answers.opened(
            *await self._send("GET", f"{path}?{words}", self._seconds, headers=self._key)
        )

    async def _do(self, method: str, path: str, body: Json | None = None) -> None:
        """Make one change, when those before have settled."""
        loop = asyncio.get_running_loop()
        async with self._changing:
            if method != "DELETE":
                await asyncio.sleep(self._settled - loop.time())
            try:
                status, answer = await self._send(
                    method, path, self._change, headers=self._key, json=body
                )
            finally:
                if method == "DELETE":
                    self._settled = loop.time() + self._settle
            answers.opened(status, answer)

    async def _send(
        self, method: str, path: str, seconds: float, **options: Any
    ) -> tuple[int, bytes]:
        if self._session.closed:  # else aiohttp raises RuntimeError
            raise KubefwdUnreachable("This kubefwd is no longer ours to talk to: it is replaced.")
        try:
            async with (
                asyncio.timeout(seconds),
                self._session.request(
                    method,
                    URL(self._base + path, encoded=True),
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None),
                    **options,
                ) as response,
            ):
                return response.status, await _read(response)
        except TimeoutError as error:
            raise KubefwdUnreachable(
                f"kubefwd does not answer at {self._base} within {seconds:.0f} s: it hangs, or is "
                "stopped. Refresh starts another one."
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _unreachable(error, self._base) from error


@contextmanager
def _as_good(so_already: Callable[[KubefwdRefused], bool]) -> Iterator[None]:
    """Take a refusal that says that it is as wanted for success."""
    try:
        yield
    except KubefwdRefused as error:
        if not so_already(error):
            raise


def _unreachable(error: Exception, base: str) -> KubefwdError:
    if isinstance(error, aiohttp.ClientResponseError):
        return answers.foreign("it does not speak HTTP")
    refused = isinstance(error, aiohttp.ClientConnectorError)
    why = "nothing listens there" if refused else "it has ended the connection"
    return KubefwdUnreachable(f"kubefwd does not answer at {base}: {why}. It may have ended.")


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Read a whole answer of a length that kubefwd's may have."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > _LONGEST:
            raise answers.foreign("its answer has no end")
    return bytes(body)


def _key(*parts: str) -> str:
    """Spell a key of kubefwd's for a path: it splits at the first dot, and decodes."""
    return quote(".".join((*parts, CONTEXT)), safe="")
