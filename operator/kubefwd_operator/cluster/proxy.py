"""Proxies: which one kubectl would use, and a connector for SOCKS5.

A `proxy-url` in the kubeconfig wins. Without one, kubectl (Go's `http.ProxyFromEnvironment`) looks
at HTTPS_PROXY or HTTP_PROXY and NO_PROXY, in either case, never for localhost and loopback
addresses; `environment_proxy` does the same, so that both tools reach the same cluster the same
way. aiohttp's own `trust_env` stays off: it would also send passwords out of ~/.netrc.

HTTP and HTTPS proxies are aiohttp's trade. SOCKS5 is ours: python-socks gives the socket, with the
*name* resolved by the proxy (`socks5` and `socks5h` are the same, as in Go), and aiohttp puts TLS
on it, `tls-server-name` included (aiohttp-socks would drop that).
"""

import asyncio
import ipaddress
import socket
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote, urlsplit

from aiohttp import ClientProxyConnectionError, ClientRequest, ClientTimeout, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from python_socks import ProxyError, ProxyType
from python_socks.async_.asyncio import Proxy


def environment_proxy(server: str, env: Mapping[str, str]) -> str:
    """Name the proxy that Go would take from the environment for this server, or ""."""
    parts = urlsplit(server)
    host, port = parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
    name = f"{parts.scheme}_proxy"
    url = env.get(name.upper()) or env.get(name) or ""
    if not url or exempt(host, port, env.get("NO_PROXY") or env.get("no_proxy") or ""):
        return ""
    return url if "://" in url else f"http://{url}"


def exempt(host: str, port: int, no_proxy: str) -> bool:
    """Say whether no proxy is asked for this host: by its nature, or by a rule of NO_PROXY."""
    address = _address(host)
    if host == "localhost" or (address and address.is_loopback):
        return True
    return any(_matches(rule.strip().lower(), host, port, address) for rule in no_proxy.split(","))


def _matches(
    rule: str, host: str, port: int, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    if rule == "*":
        return True
    if address and "/" in rule:
        try:
            return address in ipaddress.ip_network(rule, strict=False)
        except ValueError:
            return False
    name, wanted_port = rule, ""
    if rule.startswith("["):
        name, _, wanted_port = rule[1:].partition("]")
        wanted_port = wanted_port.removeprefix(":")
    elif rule.count(":") == 1:
        name, _, wanted_port = rule.partition(":")
    if not name or (wanted_port and wanted_port != str(port)):
        return False
    if address:
        return _address(name) == address
    name = name.removeprefix("*")
    return host.endswith(name) if name.startswith(".") else (
        host == name or host.endswith(f".{name}")
    )  # fmt: skip


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


class _NoResolver(AbstractResolver):
    """Leaves names to the proxy."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [ResolveResult(hostname=host, host=host, port=port, family=family, proto=0, flags=0)]

    async def close(self) -> None:
        """Nothing is held."""


class SocksConnector(TCPConnector):
    """A TCPConnector whose connections go through a SOCKS5 proxy."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(resolver=_NoResolver(), **options)
        self._url = urlsplit(url)

    async def _wrap_create_connection(
        self,
        *args: Any,
        addr_infos: list[Any],
        req: ClientRequest,
        timeout: ClientTimeout,  # noqa: ASYNC109 - aiohttp's own signature
        client_error: type[Exception] = ClientProxyConnectionError,  # noqa: ARG002
        **options: Any,
    ) -> tuple[asyncio.Transport, ResponseHandler]:
        """Let the proxy give the socket: aiohttp's one step between resolving and TLS."""
        host, port = addr_infos[0][4][:2]
        proxy = Proxy(
            ProxyType.SOCKS5,
            self._url.hostname or "",
            self._url.port or 1080,
            username=unquote(self._url.username) if self._url.username else None,
            password=unquote(self._url.password) if self._url.password else None,
            rdns=True,
        )
        try:
            sock = await proxy.connect(host, port, timeout=timeout.sock_connect)
        except (ProxyError, OSError) as error:
            reason = error if isinstance(error, OSError) else OSError(None, str(error))
            raise ClientProxyConnectionError(req.connection_key, reason) from error
        return await self._wrap_existing_connection(
            *args, sock=sock, req=req, timeout=timeout, **options
        )
