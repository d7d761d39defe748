"""A Service and what is behind it, put together. Pure.

From EndpointSlices: one endpoint per pod. The same pod may be in several slices (dual stack, or
while the controller moves it), so slices are merged by pod name: IPv4 before IPv6, then by slice
name; it is ready when any slice says so; a port's number comes from the endpoint's own slice.

From Pods (where endpointslices are forbidden): what the EndpointSlice controller would compute.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from kubefwd_operator.cluster.objects import PodRecord, ServiceRecord, Slice, SliceEndpoint
from kubefwd_operator.core.model import Endpoint, Service, ServicePort


def from_slices(record: ServiceRecord, slices: Iterable[Slice]) -> Service:
    """Put a Service together with the endpoints of its own slices."""
    found: dict[str, Endpoint] = {}
    for piece in sorted(slices, key=lambda item: (item.family, item.name)):
        for item in piece.endpoints:
            if item.pod:
                fresh = _endpoint(item, piece.ports, record.publish_not_ready)
                known = found.get(item.pod)
                found[item.pod] = _merge(known, fresh) if known else fresh
    return replace(record.service, endpoints=_in_order(found.values()))


def _endpoint(item: SliceEndpoint, ports: Mapping[str, int], publish_not_ready: bool) -> Endpoint:
    return Endpoint(
        pod=item.pod,
        ip=item.ip,
        ready=item.ready or publish_not_ready,
        hostname=item.hostname,
        ports=ports,
    )


def _merge(known: Endpoint, other: Endpoint) -> Endpoint:
    return replace(
        known,
        ready=known.ready or other.ready,
        hostname=known.hostname or other.hostname,
        ports=MappingProxyType({**other.ports, **known.ports}),
    )


def from_pods(record: ServiceRecord, pods: Iterable[PodRecord]) -> Service:
    """Put a Service together with the pods that its selector matches."""
    service = record.service
    if not service.selector:
        return service
    chosen = (
        pod for pod in pods if pod.ip and not pod.ended and _selected(service.selector, pod.labels)
    )
    return replace(service, endpoints=_in_order(_pod_endpoint(record, pod) for pod in chosen))


def _pod_endpoint(record: ServiceRecord, pod: PodRecord) -> Endpoint:
    ports = {port.name: number for port in record.service.ports if (number := _number(port, pod))}
    ready = record.publish_not_ready or (pod.ready and not pod.leaving)
    hostname = pod.hostname if pod.subdomain == record.service.name else ""
    return Endpoint(pod.name, pod.ip, ready, hostname, MappingProxyType(ports))


def _number(port: ServicePort, pod: PodRecord) -> int | None:
    if isinstance(port.target, int):
        return port.target
    return pod.ports.get((port.target, port.protocol))


def _selected(selector: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.items())


def _in_order(endpoints: Iterable[Endpoint]) -> tuple[Endpoint, ...]:
    return tuple(sorted(endpoints, key=lambda endpoint: endpoint.pod))
