"""What stands behind a listener, and the pods that it may mean. Pure."""

from dataclasses import dataclass

from kubefwd_operator.core.model import Endpoint, Service

ServiceKey = tuple[str, str]
"""(namespace, service)."""


@dataclass(frozen=True, slots=True)
class Target:
    """What stands behind a listener.

    `port` is the ServicePort's name. `endpoint` restricts it to one endpoint of a headless
    service, by `endpoint_id`; empty means any.
    """

    namespace: str
    service: str
    port: str = ""
    endpoint: str = ""

    @property
    def key(self) -> ServiceKey:
        """(namespace, service)."""
        return (self.namespace, self.service)


@dataclass(frozen=True, slots=True)
class Choice:
    """A pod and the number of the port in it."""

    namespace: str
    pod: str
    port: int

    @property
    def key(self) -> tuple[str, str]:
        """(namespace, pod)."""
        return (self.namespace, self.pod)


def endpoint_id(endpoint: Endpoint) -> str:
    """Tell endpoints of a headless service apart by hostname, which outlives the pod."""
    return endpoint.hostname or endpoint.pod


def choices(service: Service, target: Target) -> list[Choice]:
    """Return the ready pods that a target may go to, with their own port numbers."""
    return [
        Choice(service.namespace, endpoint.pod, endpoint.ports[target.port])
        for endpoint in service.endpoints
        if endpoint.ready and endpoint.pod and target.port in endpoint.ports
        if target.endpoint in ("", endpoint_id(endpoint))
    ]
