"""Every failure of the wire, mapped once into `core.errors`, as a sentence with its remedy.

Nothing above this module sees an aiohttp exception or an HTTP status. The library's error is
chained by whoever raises what these functions return; its text is not pasted in, because it may
hold addresses with passwords or whole bodies.
"""

import os
import re
import shlex
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import urlsplit

import aiohttp

from kubefwd_operator.core.errors import (
    ClusterError,
    ClusterUnreachable,
    DialError,
    Forbidden,
    NotFound,
)

RETRIED = "It is tried again every few seconds."

_PATH = re.compile(
    r"/(?:api/v1|apis/(?P<group>[^/]+)/[^/]+)"
    r"(?:/namespaces/(?P<namespace>[^/]+)(?=/))?"
    r"/(?P<resource>[^/]+)(?:/(?P<name>[^/]+)(?:/(?P<sub>[^/]+))?)?"
)


class Gone(ClusterError):
    """The resource version is too old (410): list again."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asked for, in the words of RBAC."""

    verb: str
    resource: str
    namespace: str = ""

    @classmethod
    def of(
        cls, path: str, query: Mapping[str, str] | None = None, *, creates: bool = False
    ) -> "Asked":
        """Read verb, resource and namespace off a request's path and query."""
        match = _PATH.match(path)
        if match is None:
            return cls("get", path)
        resource = match["resource"] + (f"/{match['sub']}" if match["sub"] else "")
        if match["group"]:
            head, slash, tail = resource.partition("/")
            resource = f"{head}.{match['group']}{slash}{tail}"
        reads = "get" if match["name"] else "watch" if (query or {}).get("watch") else "list"
        verb = "create" if creates else reads
        return cls(verb, resource, match["namespace"] or "")

    def can_i(self, context: str) -> str:
        """Spell the kubectl command with which a developer checks his rights."""
        resource, _, sub = self.resource.partition("/")
        words = ["kubectl", "auth", "can-i", self.verb, resource]
        words += [f"--subresource={sub}"] if sub else []
        words += ["--namespace", self.namespace] if self.namespace else []
        words += ["--context", context] if context else []
        return shlex.join(words)


def of_status(status: int, asked: Asked, *, context: str, host: str) -> ClusterError:
    """Map an HTTP status of the apiserver; 401 is the caller's own affair."""
    where = f" in namespace {asked.namespace!r}" if asked.namespace else ""
    if status == HTTPStatus.FORBIDDEN:
        return Forbidden(
            f"The cluster does not let you {asked.verb} {asked.resource}{where} (403): ask whoever "
            f"runs it for that right. Check with: {asked.can_i(context)}"
        )
    if status == HTTPStatus.NOT_FOUND:
        return NotFound(f"The cluster has no such {asked.resource}{where} (404).")
    if status == HTTPStatus.GONE:
        return Gone("The cluster has forgotten that resource version (410): list again.")
    if status == HTTPStatus.TOO_MANY_REQUESTS or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return ClusterUnreachable(
            f"The cluster at {host} answers with {_phrase(status)}: it is starting, overloaded or "
            f"ill. {RETRIED}"
        )
    return ClusterError(
        f"The cluster at {host} answers with {_phrase(status)} to {asked.verb} {asked.resource}"
        f"{where}: check that the kubeconfig's server is a Kubernetes API."
    )


def of_dial(status: int, asked: Asked, *, context: str, host: str) -> ClusterError:
    """Map the HTTP status of a refused WebSocket upgrade."""
    if status in (HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.TOO_MANY_REQUESTS):
        return of_status(status, asked, context=context, host=host)
    return DialError(
        f"The cluster at {host} did not open the port-forward ({_phrase(status)}): the pod may be "
        "starting or ending, or its node does not answer."
    )


def of_exception(error: BaseException, host: str) -> ClusterError:
    """Map what aiohttp, TLS or a proxy raised while the cluster was asked."""
    return ClusterUnreachable(f"The cluster at {host} cannot be reached: {_why(error)} {RETRIED}")


def host_of(server: str) -> str:
    """Name the server in a message: without scheme, path or password."""
    return urlsplit(server).netloc.rpartition("@")[2]


def not_kubernetes(host: str) -> ClusterError:
    """Say that the answer was no Kubernetes object."""
    return ClusterError(
        f"The address {host} does not answer as a Kubernetes API (a login page or a proxy?): check "
        "the kubeconfig's server, or log in first."
    )


def _why(error: BaseException) -> str:
    certificate = isinstance(error, aiohttp.ClientConnectorCertificateError | ssl.SSLError)
    if certificate or isinstance(error, aiohttp.ClientConnectorSSLError):
        return _why_tls(error)
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return (
            f"its proxy answers with {_phrase(error.status)}. Check the proxy's address and login."
        )
    if isinstance(error, aiohttp.ClientProxyConnectionError):
        return (
            f"its proxy does not answer ({_errno(error.os_error)}). Check proxy-url or HTTPS_PROXY."
        )
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name is not known here. Check your network or VPN."
    if isinstance(error, aiohttp.ClientConnectorError):
        return f"{_errno(error.os_error)}. Check that it runs, and your network or VPN."
    if isinstance(error, TimeoutError):
        return "it does not answer in time. Check your network or VPN."
    return "the connection broke. Check that it runs, and your network or VPN."


def _why_tls(error: BaseException) -> str:
    cause = error.__cause__ if isinstance(error, aiohttp.ClientError) else error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not trusted ({cause.verify_message}). Check certificate-authority "
            "and tls-server-name in the kubeconfig."
        )
    return "TLS failed. Check the kubeconfig's server, and whether a proxy is in between."


def _errno(error: OSError) -> str:
    """Say it in the system's words: asyncio's own put the address in once more."""
    words = os.strerror(error.errno) if error.errno else str(error) or "connection failed"
    return words.rstrip(".").lower()


def _phrase(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)
