"""Services and endpoints, from raw objects to the model, as tables."""

from typing import Any

import pytest

from kubefwd_operator.cluster.endpoints import from_pods, from_slices
from kubefwd_operator.cluster.objects import parse_pod, parse_service, parse_slice
from kubefwd_operator.cluster.pods import failing
from kubefwd_operator.core.model import Endpoint, ServicePort

Raw = dict[str, Any]


def service(**spec: object) -> Raw:
    return {"metadata": {"namespace": "shop", "name": "web"}, "spec": spec}


def address(pod: str, ip: str = "10.0.0.1", **more: object) -> Raw:
    target = {"kind": "Pod", "name": pod, "namespace": "shop"}
    return {"addresses": [ip], "targetRef": target, "conditions": {"ready": True}, **more}


def piece(
    name: str, *endpoints: Raw, port: int = 8080, family: str = "IPv4", port_name: str = "http"
) -> Raw:
    labels = {"kubernetes.io/service-name": "web"}
    return {
        "metadata": {"namespace": "shop", "name": name, "labels": labels},
        "addressType": family,
        "endpoints": list(endpoints),
        "ports": [{"name": port_name, "port": port, "protocol": "TCP"}],
    }


# --- services ------------------------------------------------------------------------------------

SERVICES: dict[str, tuple[Raw, str, object]] = {
    "port": (
        service(ports=[{"port": 80, "targetPort": 8080, "name": "http", "protocol": "TCP"}]),
        "ports",
        (ServicePort(80, "http", "TCP", 8080),),
    ),
    "target by name": (
        service(ports=[{"port": 80, "targetPort": "web"}]),
        "ports",
        (ServicePort(80, target="web"),),
    ),
    "target left out is the port": (
        service(ports=[{"port": 53, "protocol": "UDP"}]),
        "ports",
        (ServicePort(53, protocol="UDP", target=53),),
    ),
    "application protocol": (
        service(ports=[{"port": 80, "targetPort": 80, "appProtocol": "grpc"}]),
        "ports",
        (ServicePort(80, target=80, app_protocol="grpc"),),
    ),
    "no ports": (service(clusterIP="None"), "ports", ()),
    "headless": (service(clusterIP="None"), "headless", True),
    "not headless": (service(clusterIP="10.96.0.1"), "headless", False),
    "external": (
        service(type="ExternalName", externalName="db.example"),
        "external_name",
        "db.example",
    ),
    "an external name of another type is nothing": (
        service(type="ClusterIP", externalName="db.example"),
        "external_name",
        "",
    ),
    "selector": (service(selector={"app": "web"}), "selector", {"app": "web"}),
    "no selector": (service(), "selector", {}),
}


@pytest.mark.parametrize("raw, field, expected", SERVICES.values(), ids=SERVICES)
def test_a_service(raw: Raw, field: str, expected: object) -> None:
    assert getattr(parse_service(raw).service, field) == expected


# --- endpoints from slices -----------------------------------------------------------------------

A, B = {"http": 8080}, {"http": 9090}

SLICES: dict[str, tuple[list[Raw], Raw, list[Endpoint]]] = {
    "none": ([], {}, []),
    "pods in order": (
        [piece("s", address("b", "10.0.0.2"), address("a"))],
        {},
        [Endpoint("a", "10.0.0.1", ports=A), Endpoint("b", "10.0.0.2", ports=A)],
    ),
    "each with its own slice's number": (
        [piece("s1", address("a")), piece("s2", address("b"), port=9090)],
        {},
        [Endpoint("a", "10.0.0.1", ports=A), Endpoint("b", "10.0.0.1", ports=B)],
    ),
    "not ready": (
        [piece("s", address("a", conditions={"ready": False}))],
        {},
        [Endpoint("a", "10.0.0.1", ready=False, ports=A)],
    ),
    "ready unknown counts as ready": (
        [piece("s", address("a", conditions={}))],
        {},
        [Endpoint("a", "10.0.0.1", ports=A)],
    ),
    "not ready, but published": (
        [piece("s", address("a", conditions={"ready": False}))],
        {"publishNotReadyAddresses": True},
        [Endpoint("a", "10.0.0.1", ports=A)],
    ),
    "hostname": (
        [piece("s", address("a", hostname="db-0"))],
        {},
        [Endpoint("a", "10.0.0.1", hostname="db-0", ports=A)],
    ),
    "dual stack is one endpoint, IPv4 first": (
        [piece("s1", address("a", "fd00::1"), family="IPv6"), piece("s2", address("a"))],
        {},
        [Endpoint("a", "10.0.0.1", ports=A)],
    ),
    "in two slices while it moves: ready when one says so, the first slice's number": (
        [
            piece("s2", address("a"), port=9090),
            piece("s1", address("a", conditions={"ready": False})),
        ],
        {},
        [Endpoint("a", "10.0.0.1", ports=A)],
    ),
    "in two slices with different ports": (
        [piece("s1", address("a")), piece("s2", address("a"), port=9, port_name="admin")],
        {},
        [Endpoint("a", "10.0.0.1", ports={"http": 8080, "admin": 9})],
    ),
    "an address that is no pod": (
        [piece("s", {"addresses": ["10.0.0.9"]}, address("a"))],
        {},
        [Endpoint("a", "10.0.0.1", ports=A)],
    ),
    "a pod of another namespace": (
        [piece("s", address("a", targetRef={"kind": "Pod", "name": "a", "namespace": "x"}))],
        {},
        [],
    ),
    "a node": ([piece("s", address("a", targetRef={"kind": "Node", "name": "a"}))], {}, []),
    "host names": ([piece("s", address("a"), family="FQDN")], {}, []),
    "empty slice": ([{**piece("s"), "endpoints": None, "ports": None}], {}, []),
}


@pytest.mark.parametrize("raw, spec, expected", SLICES.values(), ids=SLICES)
def test_slices(raw: list[Raw], spec: Raw, expected: list[Endpoint]) -> None:
    slices = [found for each in raw if (found := parse_slice(each))]
    assert list(from_slices(parse_service(service(**spec)), slices).endpoints) == expected


def test_a_slice_that_no_service_owns_is_left_out() -> None:
    raw = piece("s", address("a"))
    del raw["metadata"]["labels"]
    assert parse_slice(raw) is None


def test_an_unnamed_port_has_the_empty_name() -> None:
    raw = piece("s", address("a"))
    raw["ports"] = [{"port": 8080}, {"name": "any", "port": None}]
    found = parse_slice(raw)
    assert found is not None
    assert dict(found.ports) == {"": 8080}


# --- endpoints from pods -------------------------------------------------------------------------


def pod(
    name: str = "a", *, ready: str = "True", ip: str = "10.0.0.1", phase: str = "Running",
    labels: Raw | None = None, leaving: bool = False, **spec: object,
) -> Raw:  # fmt: skip
    meta: Raw = {"name": name, "labels": {"app": "web"} if labels is None else labels}
    if leaving:
        meta["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    ports = [
        {"name": "web", "containerPort": 8080},
        {"name": "dns", "containerPort": 53, "protocol": "UDP"},
    ]
    conditions = [{"type": "Ready", "status": ready}]
    return {
        "metadata": meta,
        "spec": {"containers": [{"ports": ports}, {}], **spec},
        "status": {"podIP": ip, "phase": phase, "conditions": conditions},
    }


PODS: dict[str, tuple[Raw, Raw, list[Endpoint]]] = {
    "number": (pod(), {}, [Endpoint("a", "10.0.0.1", ports={"http": 80})]),
    "name": (
        pod(),
        {"ports": [{"name": "http", "port": 80, "targetPort": "web"}]},
        [Endpoint("a", "10.0.0.1", ports=A)],
    ),
    "name of another protocol": (
        pod(),
        {"ports": [{"name": "http", "port": 80, "targetPort": "dns"}]},
        [Endpoint("a", "10.0.0.1", ports={})],
    ),
    "UDP by name": (
        pod(),
        {"ports": [{"name": "d", "port": 53, "targetPort": "dns", "protocol": "UDP"}]},
        [Endpoint("a", "10.0.0.1", ports={"d": 53})],
    ),
    "a side-car's port": (
        pod(
            initContainers=[
                {"ports": [{"name": "once", "containerPort": 1}]},
                {"restartPolicy": "Always", "ports": [{"name": "side", "containerPort": 2}]},
            ]
        ),
        {"ports": [{"name": "s", "port": 1, "targetPort": "side"},
                   {"name": "o", "port": 2, "targetPort": "once"}]},
        [Endpoint("a", "10.0.0.1", ports={"s": 2})],
    ),
    "not ready": (
        pod(ready="False"), {}, [Endpoint("a", "10.0.0.1", ready=False, ports={"http": 80})],
    ),
    "leaving": (
        pod(leaving=True), {}, [Endpoint("a", "10.0.0.1", ready=False, ports={"http": 80})],
    ),
    "not ready, but published": (
        pod(ready="False"), {"publishNotReadyAddresses": True},
        [Endpoint("a", "10.0.0.1", ports={"http": 80})],
    ),
    "without address": (pod(ip=""), {}, []),
    "ended": (pod(phase="Succeeded"), {}, []),
    "failed": (pod(phase="Failed"), {}, []),
    "another label": (pod(labels={"app": "other"}), {}, []),
    "more labels": (
        pod(labels={"app": "web", "x": "y"}), {}, [Endpoint("a", "10.0.0.1", ports={"http": 80})],
    ),
    "no selector": (pod(), {"selector": None}, []),
    "hostname of its own service": (
        pod(hostname="db-0", subdomain="web"), {},
        [Endpoint("a", "10.0.0.1", hostname="db-0", ports={"http": 80})],
    ),
    "hostname of another service": (
        pod(hostname="db-0", subdomain="db"), {},
        [Endpoint("a", "10.0.0.1", ports={"http": 80})],
    ),
}  # fmt: skip


@pytest.mark.parametrize("raw, spec, expected", PODS.values(), ids=PODS)
def test_pods(raw: Raw, spec: Raw, expected: list[Endpoint]) -> None:
    told = {"selector": {"app": "web"}, "ports": [{"name": "http", "port": 80, "targetPort": 80}]}
    found = from_pods(parse_service(service(**{**told, **spec})), [parse_pod(raw)])
    assert list(found.endpoints) == expected


def test_pods_are_in_order() -> None:
    record = parse_service(service(selector={"app": "web"}))
    found = from_pods(record, [parse_pod(pod("b")), parse_pod(pod("a"))])
    assert [each.pod for each in found.endpoints] == ["a", "b"]


# --- pods that fail ------------------------------------------------------------------------------


def waiting(reason: str = "", *, init: bool = False, phase: str = "Running", **meta: object) -> Raw:
    state = {"waiting": {"reason": reason}} if reason else {"running": {}}
    kind = "initContainerStatuses" if init else "containerStatuses"
    return {"metadata": meta, "status": {"phase": phase, kind: [{"state": state}]}}


FAILING: dict[str, tuple[list[Raw], str]] = {
    "no pods": ([], ""),
    "running": ([waiting()], ""),
    "crash loop": ([waiting("CrashLoopBackOff")], "CrashLoopBackOff"),
    "image": ([waiting("ImagePullBackOff", phase="Pending")], "ImagePullBackOff"),
    "being created is no failure": ([waiting("ContainerCreating", phase="Pending")], ""),
    "init container": ([waiting("CrashLoopBackOff", init=True)], "CrashLoopBackOff"),
    "every one": ([waiting("ErrImagePull"), waiting("CrashLoopBackOff")], "ErrImagePull"),
    "one works": ([waiting("CrashLoopBackOff"), waiting()], ""),
    "one is on its way out": (
        [waiting("CrashLoopBackOff"), waiting(deletionTimestamp="x")],
        "CrashLoopBackOff",
    ),
    "one has ended": (
        [waiting("CrashLoopBackOff"), waiting(phase="Succeeded")],
        "CrashLoopBackOff",
    ),
    "only ended ones": ([waiting(phase="Failed")], ""),
    "no status yet": ([{"metadata": {}}], ""),
}


@pytest.mark.parametrize("pods, expected", FAILING.values(), ids=FAILING)
def test_failing_pods(pods: list[Raw], expected: str) -> None:
    assert failing(pods) == expected
