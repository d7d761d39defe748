"""Links: which ports of a service a browser can open, and under which name.

Looking like HTTP is a guess: `appProtocol` says it, else the first word of the port's name, else
its number. A wrong guess costs a link that does not open, so databases and the like are left out by
being unknown, and gRPC and HTTP/2 without TLS, which no browser speaks, by name.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from kubefwd_operator.core.forwardable import listening
from kubefwd_operator.core.model import Service, ServicePort, ServiceSeen
from kubefwd_operator.core.names import HostsEntry, spell
from kubefwd_operator.core.reason import Reason

_HTTP_NUMBERS = frozenset(
    {80, 3000, 3001, 4200, 5000, 5173, 5601, 8000, 8025, 8080, 8081, 8888, 15672, 16686}
)
"""Development servers, and pages of what is often beside them: Kibana, MailHog, RabbitMQ, Jaeger.

Not 9000 and 9090, which are databases, FastCGI and gRPC as often.
"""

_HTTPS_NUMBERS = frozenset({443, 8443})
_SCHEMES = {
    "http": "http",
    "http1": "http",
    "web": "http",
    "www": "http",
    "ui": "http",
    "dashboard": "http",
    "kubernetes.io/ws": "http",
    "https": "https",
    "kubernetes.io/wss": "https",
}
"""By `appProtocol`, or by the first word of a port's name."""

_OTHER_WORDS = frozenset(
    {
        "grpc",
        "h2c",
        "tcp",
        "udp",
        "tls",
        "postgres",
        "postgresql",
        "mysql",
        "redis",
        "amqp",
        "mongo",
    }
    | {"mongodb", "kafka", "nats", "fastcgi", "fpm", "native"}
)
"""First words of port names that mean something else, whatever the number."""

_DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Link:
    """What a browser opens, and what it is called beside its namespace: `web`, `api:8080`."""

    url: str
    name: str


def links(seen: ServiceSeen, service: Service | None) -> tuple[Link, ...]:
    """Make the links of a service that answers over HTTP, by port; none for others.

    `service` is the catalog's view, which knows what its ports are called; only they count then, as
    a headless service listens on the ports of its pods too. The shortest name that has a dot is
    taken, the longest one if the short form hides a public name: browsers force HTTPS on some of
    those.
    """
    host = _host(seen)
    return tuple(_links(seen, service, host)) if host else ()


def _links(seen: ServiceSeen, service: Service | None, host: str) -> Iterator[Link]:
    known = {number: ServicePort(number) for number in seen.ports}
    if service:
        own = {port.port: port for port in service.ports if port.protocol == "TCP"}
        known = own | listening(service)  # a port may be about to move
    for number in sorted(set(seen.ports) & set(known)):
        if scheme := _scheme(known[number]):
            suffix = "" if number == _DEFAULT_PORTS[scheme] else f":{number}"
            name = seen.service if number == 80 else f"{seen.service}:{number}"
            yield Link(f"{scheme}://{host}{suffix}", name)


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
