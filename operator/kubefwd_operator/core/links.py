"""Links: which services a browser can open, and under which name.

Looking like HTTP is a guess: `appProtocol` says it, else the port's name, else its number. A wrong
guess costs a link that does not open, so databases and the like are left out by being unknown.
"""

from kubefwd_operator.core.model import Service, ServicePort, ServiceSeen
from kubefwd_operator.core.names import HostsEntry, spell
from kubefwd_operator.core.reason import Reason

_HTTP_NUMBERS = frozenset({80, 3000, 4200, 5000, 5173, 8000, 8080, 8888, 9000})
_HTTPS_NUMBERS = frozenset({443, 8443})
_SCHEMES = {
    "http": "http",
    "http1": "http",
    "web": "http",
    "www": "http",
    "ui": "http",
    "kubernetes.io/ws": "http",
    "https": "https",
    "kubernetes.io/wss": "https",
}
"""By `appProtocol`, or by the first word of a port's name."""

_OTHER_WORDS = frozenset({"grpc", "tcp", "tls", "postgres", "mysql", "redis", "amqp", "mongo"})
"""First words of port names that mean something else, whatever the number."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


def link(seen: ServiceSeen, service: Service | None) -> str:
    """Make the URL of a service that answers over HTTP, empty for others.

    `service` is the catalog's view, which knows what its ports are called. The shortest name that
    has a dot is taken, the longest one if the short form hides a public name: browsers force
    HTTPS on some of those.
    """
    known = {port.port: port for port in service.ports} if service else {}
    host = _host(seen)
    for number in sorted(seen.ports):
        scheme = _scheme(known.get(number, ServicePort(number)))
        if scheme and host:
            suffix = "" if number == _DEFAULT_PORTS[scheme] else f":{number}"
            return f"{scheme}://{host}{suffix}"
    return ""


def _host(seen: ServiceSeen) -> str:
    short, *_, long = spell(HostsEntry("", seen.service, seen.namespace))
    public = any(problem.reason is Reason.SHADOWS_PUBLIC_NAME for problem in seen.problems)
    preferred = (long,) if public else (short, long)
    return next((name for name in preferred if name in seen.names), "")


def _scheme(port: ServicePort) -> str:
    if port.app_protocol:
        return _SCHEMES.get(port.app_protocol.lower(), "")
    word = port.name.partition("-")[0]
    if word in _SCHEMES or word in _OTHER_WORDS:
        return _SCHEMES.get(word, "")
    if port.port in _HTTPS_NUMBERS:
        return "https"
    return "http" if port.port in _HTTP_NUMBERS else ""
