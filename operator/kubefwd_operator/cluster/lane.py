"""A lane: everything that connections to the cluster need, built for one TLS context.

kubernetes.aio's ApiClient carries the requests, with a Configuration that is filled here from an
`Access` and nothing else; its models and typed APIs are never loaded. A link of lists and watches
that is dead without a word is noticed by TCP within some 15 s, where the platform has the options.

WebSockets have a session with a connector of its own, whose sockets are left as they are: what
makes a list fail fast (TCP_USER_TIMEOUT) would end an upload to a pod that has stopped reading.

Nothing is taken from the environment here (`trust_env` is off): proxy.py decides about proxies.
"""

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast
from weakref import WeakSet

import aiohttp
from kubernetes.aio.client.api_client import ApiClient
from kubernetes.aio.client.configuration import Configuration
from multidict import CIMultiDict
from yarl import URL

from kubefwd_operator import __version__
from kubefwd_operator.cluster.credentials import Access, Grant
from kubefwd_operator.cluster.keepalive import keep_alive
from kubefwd_operator.cluster.proxy import SocksConnector

WebSocket = aiohttp.ClientWebSocketResponse[bool]

CONNECT, SILENCE = 10.0, 20.0
"""Seconds to connect, and between two pieces of an answer."""


class Lane:
    """The ApiClient, the WebSocket session, and the connector of each."""

    def __init__(self, access: Access, grant: Grant) -> None:
        self.tls = grant.tls
        self._server_name = access.tls_server_name or None
        socks = access.proxy if access.proxy.startswith("socks") else ""
        self._proxy = None if socks else access.proxy or None
        options: dict[str, Any] = {"ssl": grant.tls or True, "limit": 0}
        self._requests, self._dials = (
            SocksConnector(socks, **options)
            if socks
            else aiohttp.TCPConnector(socket_factory=factory, **options)
            for factory in (_socket, None)
        )
        shared: dict[str, Any] = {"trust_env": False, "cookie_jar": aiohttp.DummyCookieJar()}
        configuration = Configuration(
            host=access.server,
            tls_server_name=self._server_name,
            proxy=self._proxy,
            client_session_kwargs={"connector": self._requests, **shared},
        )
        self._api = ApiClient(configuration)
        self._api.user_agent = f"kubefwd-operator/{__version__}"
        self._session = aiohttp.ClientSession(connector=self._dials, **shared)
        self._opening = 0
        self._opened: WeakSet[aiohttp.ClientResponse | WebSocket] = WeakSet()

    @property
    def idle(self) -> bool:
        """Whether nothing runs on it: no request or dial, no answer or WebSocket that is open."""
        return not self._opening and all(each.closed for each in self._opened)

    async def send(
        self, url: URL, grant: Grant, limits: aiohttp.ClientTimeout, body: Any = None
    ) -> aiohttp.ClientResponse:
        """Send a GET, or a POST of `body` as JSON; the answer's is still to be read.

        Raises aiohttp's errors and OSError.
        """
        with self._running():
            answer = await self._api.call_api(
                "GET" if body is None else "POST",
                url,
                header_params=self._headers(grant),
                body=body,
                _request_timeout=limits,
            )
            response = cast("aiohttp.ClientResponse", answer.response)
            self._opened.add(response)
        return response

    async def dial(self, url: URL, grant: Grant, protocols: tuple[str, ...]) -> WebSocket:
        """Open a WebSocket that leaves pings and pongs to its reader. Raises as `send`."""
        with self._running():
            async with asyncio.timeout(CONNECT + SILENCE):
                opened = await self._session.ws_connect(
                    url,
                    protocols=protocols,
                    headers=self._headers(grant),
                    proxy=self._proxy,
                    server_hostname=self._server_name,
                    autoping=False,
                    compress=0,
                    max_msg_size=0,
                )
            self._opened.add(opened)
        return opened

    async def close(self) -> None:
        """End every connection of this lane at once: nobody is left who would read a goodbye."""
        await self._requests.close(abort_ssl=True)
        await self._dials.close(abort_ssl=True)
        await self._session.close()
        await self._api.rest_client.close()

    @contextmanager
    def _running(self) -> Iterator[None]:
        self._opening += 1
        try:
            yield
        finally:
            self._opening -= 1

    def _headers(self, grant: Grant) -> CIMultiDict[str]:
        fixed = [("Accept", "application/json"), ("User-Agent", self._api.user_agent)]
        return CIMultiDict([*fixed, *grant.headers])


def let_go(response: aiohttp.ClientResponse) -> None:
    """End an answer that was not read to its end, at once; one that was has no connection left.

    Closing politely waits up to 30 s for the server's goodbye over TLS, longer than an event loop
    that ends may live.
    """
    connection = response.connection
    if connection is not None and connection.transport is not None:
        connection.transport.abort()
    response.close()


def _socket(info: tuple[Any, ...]) -> socket.socket:
    """Make a socket that notices a dead link by itself, where the platform has the options."""
    made = socket.socket(*info[:3])
    keep_alive(made, idle=5, interval=5, count=2)
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 15_000)
    return made
