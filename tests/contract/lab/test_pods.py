"""The lab's pods behave as a cluster's do: the kwok stages, the backends, the endpoint's ends."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from tests.lab.api import ApiError, Json
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually, eventually_async

NAMESPACE = "lab-pods"


def deployment(name: str, **annotations: str) -> Json:
    """Return a Deployment; `lab_backend="tcp"` becomes the annotation lab/backend."""
    notes = {key.replace("_", "/", 1).replace("_", "-"): each for key, each in annotations.items()}
    container = {"name": "c", "image": "any", "ports": [{"containerPort": 8080}]}
    template = {
        "metadata": {"labels": {"app": name}, "annotations": notes},
        "spec": {"containers": [container]},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template,
        },
    }


@pytest.fixture(scope="module", autouse=True)
def _namespace(cluster: Cluster) -> None:
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})


def one_pod(cluster: Cluster, name: str, **annotations: str) -> str:
    cluster.apply(deployment(name, **annotations))
    return cluster.pods.wait_ready(NAMESPACE, 1, f"app={name}")[0]


@dataclass(frozen=True, slots=True)
class Forward:
    """A port-forward over v4.channel.k8s.io, in its plainest form."""

    socket: aiohttp.ClientWebSocketResponse
    ends: list[object] = field(default_factory=list)  # the close code, once it has ended

    async def send(self, data: bytes) -> None:
        await self.socket.send_bytes(b"\0" + data)

    async def next(self) -> tuple[int, bytes] | None:
        """Return channel and bytes of the next message that holds any, None at the end."""
        while True:
            message = await self.socket.receive(30)
            if message.type is not aiohttp.WSMsgType.BINARY:
                self.ends.append(message.data)
                return None
            if len(message.data) > 1:
                return message.data[0], bytes(message.data[1:])


@asynccontextmanager
async def forward(cluster: Cluster, pod: str, port: int = 8080) -> AsyncIterator[Forward]:
    path = f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}/portforward?ports={port}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(
            cluster.server + path,
            protocols=("v4.channel.k8s.io",),
            headers={"Authorization": f"Bearer {cluster.token('admin')}"},
            ssl=ssl.create_default_context(cadata=cluster.ca),
            max_msg_size=0,
            # Otherwise aiohttp answers the close, fails, and says 1006 of a clean end.
            autoclose=False,
        ) as socket,
    ):
        raw, opened = socket.get_extra_info("socket"), Forward(socket)
        for channel in (0, 1):
            message = await socket.receive_bytes(timeout=30)
            assert message == bytes([channel]) + port.to_bytes(2, "little")
        yield opened
    await eventually_async(lambda: raw.fileno() < 0)  # TLS ends later than its session


GET = b"GET /%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


# --- ends of connections, as containerd ends them ----------------------------------------------


async def test_a_pods_clean_end_closes_the_forward_a_second_later(cluster: Cluster) -> None:
    pod = one_pod(cluster, "fin")
    async with forward(cluster, pod) as opened:
        await opened.send(GET % b"")
        first = await opened.next()
        assert first is not None
        assert json.loads(first[1].split(b"\r\n\r\n")[1])["pod"] == pod
        began = asyncio.get_running_loop().time()
        assert await opened.next() is None
        assert asyncio.get_running_loop().time() - began > 0.8
        assert opened.ends == [1000]


async def test_a_pods_reset_is_a_sentence_on_the_error_channel(cluster: Cluster) -> None:
    pod = one_pod(cluster, "rst")
    async with forward(cluster, pod) as opened:
        await opened.send(GET % b"die?after=10")
        said = [message async for message in _messages(opened)]
        assert said[0][0] == 0
        assert said[-1][0] == 1
        assert b"connection reset by peer" in said[-1][1]


async def _messages(opened: Forward) -> AsyncIterator[tuple[int, bytes]]:
    while (message := await opened.next()) is not None:
        yield message


async def test_nothing_listening_is_connection_refused(cluster: Cluster) -> None:
    pod = one_pod(cluster, "refused")
    async with forward(cluster, pod, 9) as opened:
        message = await opened.next()
        assert message is not None
        assert message[0] == 1
        assert b"connection refused" in message[1]


async def test_a_clients_end_reaches_the_pod(cluster: Cluster) -> None:
    pod = one_pod(cluster, "gone", lab_backend="tcp")
    key = f"{NAMESPACE}/{pod}:8080"
    async with forward(cluster, pod) as opened:
        await opened.send(b"x")
        assert await opened.next() == (0, b"x")
        assert cluster.pods.backends()[key]["open"] == 1
    await eventually_async(lambda: cluster.pods.backends()[key]["open"] == 0)


@pytest.mark.parametrize("fault, words", [("refuse", b"refused"), ("reset", b"reset by peer")])
async def test_a_fault_comes_and_goes(cluster: Cluster, fault: str, words: bytes) -> None:
    pod = one_pod(cluster, f"fault-{fault}", lab_backend="banner")
    cluster.endpoint.fault(NAMESPACE, pod, fault)  # type: ignore[arg-type]  # from the table above
    async with forward(cluster, pod) as opened:
        message = await opened.next()
        assert message is not None
        assert words in message[1]
    cluster.endpoint.fault(NAMESPACE, pod, "")
    async with forward(cluster, pod) as opened:
        assert await opened.next() == (0, f"hello from {NAMESPACE}/{pod}\n".encode())


async def test_a_hanging_pod_says_nothing_until_it_is_dropped(cluster: Cluster) -> None:
    pod = one_pod(cluster, "hang", lab_backend="banner")
    cluster.endpoint.fault(NAMESPACE, pod, "hang")
    async with forward(cluster, pod) as opened:
        waiting = asyncio.create_task(opened.next())
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert not done
        cluster.endpoint.drop(NAMESPACE, pod)
        assert await waiting is None


async def test_a_delay_is_waited(cluster: Cluster) -> None:
    pod = one_pod(cluster, "delay", lab_backend="banner")
    cluster.endpoint.fault(NAMESPACE, pod, "", delay=1.0)
    async with forward(cluster, pod) as opened:
        began = asyncio.get_running_loop().time()
        assert await opened.next()
        assert asyncio.get_running_loop().time() - began > 0.9


# --- pods --------------------------------------------------------------------------------------


def test_a_deleted_pods_backend_is_closed_and_the_next_one_is_another(cluster: Cluster) -> None:
    pod = one_pod(cluster, "deleted")
    backend = cluster.pods.backends()[f"{NAMESPACE}/{pod}:8080"]
    cluster.kubectl("delete", "pod", "-n", NAMESPACE, pod)
    eventually(lambda: f"{NAMESPACE}/{pod}:8080" not in cluster.pods.backends())
    (other,) = cluster.pods.wait_ready(NAMESPACE, 1, "app=deleted")
    assert cluster.pods.backends()[f"{NAMESPACE}/{other}:8080"]["uid"] != backend["uid"]


@pytest.mark.parametrize(
    "state, phase, reason",
    [("crashloop", "Running", "CrashLoopBackOff"), ("imagepull", "Pending", "ImagePullBackOff")],
)
def test_a_pod_fails_as_it_is_told(cluster: Cluster, state: str, phase: str, reason: str) -> None:
    cluster.apply(deployment(state, lab_state=state))

    def failing() -> bool:
        (pod,) = cluster.pods.find(NAMESPACE, f"app={state}")
        (container,) = pod["status"]["containerStatuses"]
        return (pod["status"]["phase"], container["state"]["waiting"]["reason"]) == (phase, reason)

    assert eventually(failing)
    assert not [key for key in cluster.pods.backends() if key.startswith(f"{NAMESPACE}/{state}-")]


def test_a_pod_becomes_ready_later_when_told(cluster: Cluster) -> None:
    cluster.apply(deployment("later", lab_ready_after="2s"))
    running = eventually(
        lambda: [
            pod
            for pod in cluster.pods.find(NAMESPACE, "app=later")
            if pod["status"]["phase"] == "Running"
        ]
    )
    conditions = {each["type"]: each["status"] for each in running[0]["status"]["conditions"]}
    assert conditions["Ready"] == "False"
    assert cluster.pods.wait_ready(NAMESPACE, 1, "app=later")


def test_readiness_is_seen_in_the_endpoint_slice(cluster: Cluster) -> None:
    pod = one_pod(cluster, "probe")
    service = {"selector": {"app": "probe"}, "ports": [{"port": 80, "targetPort": 8080}]}
    meta = {"name": "probe", "namespace": NAMESPACE}
    cluster.apply({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": service})
    slices = f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices"

    def ready() -> list[bool]:
        items = cluster.api.items(f"{slices}?labelSelector=kubernetes.io/service-name=probe")
        return [each["conditions"]["ready"] for item in items for each in item["endpoints"] or []]

    eventually(lambda: ready() == [True])
    cluster.pods.set_ready(NAMESPACE, pod, ready=False)
    eventually(lambda: ready() == [False])


def test_a_user_may_do_only_what_was_allowed(cluster: Cluster) -> None:
    api = type(cluster.api)(cluster.server, cluster.ca, cluster.token("restricted"))
    services = f"/api/v1/namespaces/{NAMESPACE}/services"
    with pytest.raises(ApiError, match="403"):
        api.get(services)
    rules = [{"apiGroups": [""], "resources": ["services"], "verbs": ["list"]}]
    cluster.allow("restricted", NAMESPACE, rules)
    assert eventually(lambda: api.get(services)["kind"] == "ServiceList")
