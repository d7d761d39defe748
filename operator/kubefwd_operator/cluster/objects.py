"""Raw JSON of Services, EndpointSlices and Pods, boiled down to what endpoints are made of. Pure.

Raw objects are not kept (their managedFields weigh most); each `parse_*` keeps the few fields that
count and is lenient: the apiserver has validated the object, so a missing field means its default.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from kubefwd_operator.core.model import Service, ServicePort

Json = Mapping[str, Any]
Ports = Mapping[str, int]

_NO_PORTS: Ports = MappingProxyType({})
_SERVICE_LABEL = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ServiceRecord:
    """A Service without endpoints, and whether unready addresses count as ready."""

    service: Service
    publish_not_ready: bool = False


@dataclass(frozen=True, slots=True)
class SliceEndpoint:
    """One address of an EndpointSlice; `pod` is "" when it is no pod."""

    pod: str
    ip: str = ""
    ready: bool = True
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """An EndpointSlice: endpoints that have the same port numbers, in one address family."""

    name: str
    service: str
    family: str = "IPv4"
    ports: Ports = field(default_factory=lambda: _NO_PORTS)
    endpoints: tuple[SliceEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class PodRecord:
    """A Pod as far as endpoints go. `ports` maps (name, protocol) to a container port."""

    name: str
    labels: Mapping[str, str]
    ip: str = ""
    ready: bool = False
    ended: bool = False
    leaving: bool = False
    hostname: str = ""
    subdomain: str = ""
    ports: Mapping[tuple[str, str], int] = field(default_factory=lambda: MappingProxyType({}))


def parse_service(raw: Json) -> ServiceRecord:
    """Boil a core/v1 Service down."""
    spec, meta = raw.get("spec") or {}, raw["metadata"]
    external = spec.get("type") == "ExternalName"
    service = Service(
        namespace=meta["namespace"],
        name=meta["name"],
        ports=tuple(_service_port(port) for port in spec.get("ports") or ()),
        headless=spec.get("clusterIP") == "None",
        external_name=str(spec.get("externalName") or "") if external else "",
        selector=MappingProxyType(dict(spec.get("selector") or {})),
        labels=MappingProxyType(dict(meta.get("labels") or {})),
    )
    return ServiceRecord(service, bool(spec.get("publishNotReadyAddresses")))


def _service_port(raw: Json) -> ServicePort:
    return ServicePort(
        port=raw["port"],
        name=raw.get("name") or "",
        protocol=raw.get("protocol") or "TCP",
        target=raw.get("targetPort") or raw["port"],
        app_protocol=raw.get("appProtocol") or "",
    )


def parse_slice(raw: Json) -> Slice | None:
    """Boil a discovery.k8s.io/v1 EndpointSlice down; None when no Service owns it."""
    meta = raw["metadata"]
    service = (meta.get("labels") or {}).get(_SERVICE_LABEL)
    if not service or raw.get("addressType") not in ("IPv4", "IPv6"):
        return None
    ports = {
        port.get("name") or "": port["port"] for port in raw.get("ports") or () if port.get("port")
    }
    endpoints = (_slice_endpoint(item, meta["namespace"]) for item in raw.get("endpoints") or ())
    return Slice(
        name=meta["name"],
        service=service,
        family=raw["addressType"],
        ports=MappingProxyType(ports),
        endpoints=tuple(endpoints),
    )


def _slice_endpoint(raw: Json, namespace: str) -> SliceEndpoint:
    target = raw.get("targetRef") or {}
    is_pod = target.get("kind") == "Pod" and target.get("namespace", namespace) == namespace
    return SliceEndpoint(
        pod=target.get("name", "") if is_pod else "",
        ip=(raw.get("addresses") or [""])[0],
        ready=(raw.get("conditions") or {}).get("ready") is not False,
        hostname=raw.get("hostname") or "",
    )


def parse_pod(raw: Json) -> PodRecord:
    """Boil a core/v1 Pod down."""
    meta, spec, status = raw["metadata"], raw.get("spec") or {}, raw.get("status") or {}
    conditions = {item.get("type"): item.get("status") for item in status.get("conditions") or ()}
    return PodRecord(
        name=meta["name"],
        labels=MappingProxyType(dict(meta.get("labels") or {})),
        ip=status.get("podIP") or "",
        ready=conditions.get("Ready") == "True",
        ended=status.get("phase") in ("Succeeded", "Failed"),
        leaving=bool(meta.get("deletionTimestamp")),
        hostname=spec.get("hostname") or "",
        subdomain=spec.get("subdomain") or "",
        ports=MappingProxyType(_container_ports(spec)),
    )


def _container_ports(spec: Json) -> dict[tuple[str, str], int]:
    """Named ports of containers and side-cars; the first of a name counts, as in Kubernetes."""
    sidecars = [c for c in spec.get("initContainers") or () if c.get("restartPolicy") == "Always"]
    found: dict[tuple[str, str], int] = {}
    for container in [*(spec.get("containers") or ()), *sidecars]:
        for port in container.get("ports") or ():
            if port.get("name"):
                key = (port["name"], port.get("protocol") or "TCP")
                found.setdefault(key, port["containerPort"])
    return found
