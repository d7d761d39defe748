"""The cluster's API as raw JSON: get, watch, and the WebSockets that dials are made of.

Requests go through a lane (see lane.py). A grant with another TLS context (a plugin's new client
certificate) gets a new lane: old connections would still show the old certificate. What runs on
the old one runs on, and when nothing does any more, the next request or dial closes it.

Every wait has an end: connecting 10 s, silence within an answer 20 s, an answer 60 s, a watch
without a word 90 s (bookmarks come about every minute).

Raises only the ClusterError family, see failures.py.
"""

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import Any, cast

import aiohttp
from yarl import URL

from kubefwd_operator.cluster import failures
from kubefwd_operator.cluster.credentials import Access, Grant
from kubefwd_operator.cluster.failures import Asked
from kubefwd_operator.cluster.lane import CONNECT, SILENCE, Lane, WebSocket, let_go
from kubefwd_operator.core.errors import ClusterError, ClusterUnreachable, CredentialsError

ANSWER, WATCH_SILENCE = 60.0, 90.0
"""Seconds for a whole answer, and between two events of a watch."""

_WATCH_SECONDS = "270"
_WIRE_ERRORS = (aiohttp.ClientError, TimeoutError, OSError)

Json = dict[str, Any]


class ClusterClient:
    """One cluster, asked with one `Access`. Build it inside the running loop; `close()` it.

    `noted` hears of every dial that fails for a reason that concerns the whole cluster, and, with
    None, of everything that succeeds: a quiet catalog has no other way to learn of either.
    """

    def __init__(
        self,
        access: Access,
        *,
        watch_silence: float = WATCH_SILENCE,
        noted: Callable[[ClusterError | None], None] = lambda _: None,
    ) -> None:
        self._access = access
        self._host = failures.host_of(access.server)
        self._watch_silence = watch_silence
        self._noted = noted
        self._lane: Lane | None = None
        self._retired: set[Lane] = set()

    @property
    def context(self) -> str:
        """The kubeconfig's context, for messages."""
        return self._access.context

    def renew(self) -> None:
        """Use new connections from now on: after a sleep of the machine the old ones may be dead.

        What still runs on old ones runs on.
        """
        if self._lane is not None:
            self._retired.add(self._lane)
            self._lane = None

    async def get(self, path: str, **query: str) -> Json:
        """GET one object or list; `path` begins with /api or /apis."""
        return await self._document(path, query)

    async def create(self, path: str, body: Json) -> Json:
        """POST one object, and give the one that the cluster has made of it."""
        return await self._document(path, {}, body)

    async def _document(
        self, path: str, query: Mapping[str, str], body: Json | None = None
    ) -> Json:
        timeout = aiohttp.ClientTimeout(
            total=ANSWER, connect=CONNECT, sock_connect=CONNECT, sock_read=SILENCE
        )
        response = await self._request(path, query, timeout, body)
        try:
            document = json.loads(await response.read())
        except ValueError as error:
            raise failures.not_kubernetes(self._host) from error
        except _WIRE_ERRORS as error:
            raise failures.of_exception(error, self._host) from error
        finally:
            let_go(response)
        if not isinstance(document, dict):
            raise failures.not_kubernetes(self._host)
        return document

    @asynccontextmanager
    async def watch(
        self, path: str, resource_version: str, **query: str
    ) -> AsyncIterator[AsyncIterator[Json]]:
        """Open a watch from `resource_version` on: `async with` opens it, `async for` reads it.

        It ends when the server ends it, the link breaks or falls silent. Raises on opening, and on
        an ERROR event; Gone when the version is too old.
        """
        query = {
            **query, "watch": "true", "resourceVersion": resource_version,
            "allowWatchBookmarks": "true", "timeoutSeconds": _WATCH_SECONDS,
        }  # fmt: skip
        limits = aiohttp.ClientTimeout(
            total=None, connect=CONNECT, sock_connect=CONNECT, sock_read=self._watch_silence
        )
        response = await self._request(path, query, limits)
        try:
            async with aclosing(self._events(response, Asked.of(path, query))) as events:
                yield events
        finally:
            let_go(response)

    async def websocket(
        self,
        path: str,
        *,
        protocols: tuple[str, ...],
        query: Mapping[str, str] | None = None,
    ) -> WebSocket:
        """Open a WebSocket: no compression, messages of any size.

        Pings and pongs are received like any message; to answer a ping is the caller's affair.
        """
        try:
            opened = await self._dial(path, protocols, query or {})
        except (ClusterUnreachable, CredentialsError) as error:
            self._noted(error)
            raise
        self._noted(None)
        return opened

    async def _dial(
        self, path: str, protocols: tuple[str, ...], query: Mapping[str, str]
    ) -> WebSocket:
        asked = Asked.of(path)
        grant = await self._access.grant()
        for attempt in range(2):
            try:
                lane = await self._lane_of(grant)
                result = await lane.dial(self._url(path, query), grant, protocols)
            except aiohttp.WSServerHandshakeError as error:
                if error.status != 401:
                    self._access.accept(grant)
                    raise failures.of_dial(
                        error.status, asked, context=self.context, host=self._host
                    ) from error
                grant = await self._after_401(grant, attempt)
            except _WIRE_ERRORS as error:
                raise failures.of_exception(error, self._host) from error
            else:
                self._access.accept(grant)
                return result
        raise self._access.refuse(grant)

    async def close(self) -> None:
        """End every connection, WebSockets and watches included."""
        self.renew()
        for lane in tuple(self._retired):
            await lane.close()
        self._retired.clear()
        await self._access.close()

    async def _request(
        self,
        path: str,
        query: Mapping[str, str],
        limits: aiohttp.ClientTimeout,
        body: Json | None = None,
    ) -> aiohttp.ClientResponse:
        """Send a GET, or a POST of `body`, with one renewal of the credentials after a 401.

        The status is 200, or 201 of what was created.
        """
        grant = await self._access.grant()
        for attempt in range(2):
            try:
                lane = await self._lane_of(grant)
                response = await lane.send(self._url(path, query), grant, limits, body)
            except _WIRE_ERRORS as error:
                raise failures.of_exception(error, self._host) from error
            if response.status != 401:
                self._access.accept(grant)
                if response.status == 200 or (body is not None and response.status == 201):
                    self._noted(None)
                    return response
                let_go(response)
                asked = Asked.of(path, query, creates=body is not None)
                raise failures.of_status(
                    response.status, asked, context=self.context, host=self._host
                )
            let_go(response)
            grant = await self._after_401(grant, attempt)
        raise self._access.refuse(grant)

    async def _after_401(self, grant: Grant, attempt: int) -> Grant:
        if attempt:
            raise self._access.refuse(grant)
        return await self._access.renew(grant)

    async def _lane_of(self, grant: Grant) -> Lane:
        """Give the lane of the grant's TLS context, and close those that nobody needs any more."""
        for lane in [lane for lane in self._retired if lane.idle]:
            await lane.close()
            self._retired.discard(lane)
        if self._lane is None or self._lane.tls is not grant.tls:
            self.renew()
            self._lane = Lane(self._access, grant)
        return self._lane

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        return URL(self._access.server + path).with_query(query)

    async def _events(
        self, response: aiohttp.ClientResponse, asked: Asked
    ) -> AsyncGenerator[Json, None]:
        async with aclosing(_lines(response)) as lines:
            async for line in lines:
                yield self._event(line, asked)

    def _event(self, line: bytes, asked: Asked) -> Json:
        try:
            event = json.loads(line)
            kind, found = event["type"], event["object"]
        except (ValueError, KeyError, TypeError) as error:
            raise failures.not_kubernetes(self._host) from error
        if kind == "ERROR":
            code = found.get("code") if isinstance(found, dict) else None
            raise failures.of_status(
                code if isinstance(code, int) else 500, asked, context=self.context, host=self._host
            )
        return cast("Json", event)


async def _lines(response: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """Split a stream into lines; a broken link or too long a silence is simply the end."""
    rest = bytearray()
    try:
        async for chunk in response.content.iter_any():
            rest += chunk
            *whole, last = rest.split(b"\n") if b"\n" in chunk else [rest]
            for line in whole:
                if line.strip():
                    yield bytes(line)
            rest = bytearray(last)
    except _WIRE_ERRORS:
        return
