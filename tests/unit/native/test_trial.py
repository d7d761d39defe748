"""Whether a pod takes a connection: only a pod that does is believed."""

import asyncio

import pytest
from tests.unit.native.conftest import TARGET
from tests.unit.native.kit import Catalog, PodServer, echo, eventually, pod, says, service

from kubefwd_operator.core.errors import ClusterError, ClusterUnreachable
from kubefwd_operator.engines.native import trial as module
from kubefwd_operator.engines.native.picker import Picker
from kubefwd_operator.engines.native.transport.websocket import WebSocketTransport
from kubefwd_operator.engines.native.trial import Trial


class Front:
    """A trial, and everything behind it."""

    def __init__(self, server: PodServer) -> None:
        self.catalog = Catalog(client=server)
        self.picker = Picker(self.catalog)
        self.catalog.listeners.append(self.picker.wake)
        self.troubles: list[ClusterError] = []
        self.trial = Trial(
            self.picker,
            WebSocketTransport(lambda: self.catalog.client),
            lambda _, error: self.troubles.append(error),
        )

    async def why_not(self) -> str:
        return await self.trial.why_not(TARGET)


@pytest.fixture
def front(server: PodServer) -> Front:
    made = Front(server)
    made.catalog.put(service("web", pod("web-1")))
    return made


async def test_a_pod_that_waits_for_a_request_takes_it(front: Front, server: PodServer) -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read())

    server.pods["web-1"] = listen
    assert await front.why_not() == ""
    await eventually(lambda: server.open == 0)
    assert b"".join(heard) == b""
    assert not front.picker.busy


async def test_a_pod_that_speaks_first_takes_it(front: Front, server: PodServer) -> None:
    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        await echo(reader, writer)

    server.pods["web-1"] = greet
    assert await front.why_not() == ""


async def test_a_pod_that_ends_in_order_takes_it(front: Front, server: PodServer) -> None:
    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        return

    server.pods["web-1"] = end
    assert await front.why_not() == ""


async def test_a_pod_in_which_nothing_listens_does_not(front: Front, server: PodServer) -> None:
    """Kubernetes says that the stream is open before the pod has refused."""
    server.refuse.add("web-1")
    assert "connection refused" in await front.why_not()
    assert len(front.troubles) == 1


async def test_a_pod_that_resets_does_not(front: Front, server: PodServer) -> None:
    async def fail(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        raise ZeroDivisionError

    server.pods["web-1"] = fail
    assert "reset by peer" in await front.why_not()


async def test_a_pod_that_is_gone_does_not(front: Front, server: PodServer) -> None:
    server.missing.add("web-1")
    assert "404" in await front.why_not()


async def test_a_cluster_that_cannot_be_reached_is_the_reason(front: Front) -> None:
    front.catalog.client = None
    assert await front.why_not() == "There is no connection to the cluster."
    assert isinstance(front.troubles[0], ClusterUnreachable)


async def test_a_pod_that_becomes_ready_meanwhile_is_taken(front: Front, server: PodServer) -> None:
    server.pods["web-1"] = says(b"hello")
    front.catalog.put(service("web", pod("web-1", ready=False)))
    asked = asyncio.create_task(front.why_not())
    await eventually(lambda: front.picker._held)
    front.catalog.put(service("web", pod("web-1")))
    assert await asked == ""


async def test_a_service_without_a_ready_pod_is_not_waited_for_long(
    front: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    front.catalog.put(service("web"))
    assert await front.why_not() == (
        "No pod takes a connection: no pod took the connection in time."
    )


async def test_a_pod_that_keeps_failing_is_the_reason(front: Front) -> None:
    front.catalog.put(service("web", pod("web-1", ready=False)))
    front.catalog.failures["web"] = "CrashLoopBackOff"
    assert await front.why_not() == ("No pod takes a connection: its pods are in CrashLoopBackOff.")
