"""Port-forwards through a real API server to pods that behave as containerd's do."""

import asyncio
import hashlib
import io
import os

import aiohttp
import pytest
from tests.contract.portforward.conftest import Forwarding, deployment
from tests.unit.native.kit import eventually

from kubefwd_operator.core.reason import Reason


def url(place: tuple[str, int], path: str = "/") -> str:
    return f"http://{place[0]}:{place[1]}{path}"


async def test_a_service_answers(forwarding: Forwarding, http: aiohttp.ClientSession) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    (pod,) = await forwarding.pods()
    async with http.get(url(await forwarding.ready())) as answer:
        assert (await answer.json())["pod"] == pod


async def test_50_megabytes_are_the_same_in_both_directions(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    await forwarding.pods()
    place = await forwarding.ready()
    async with http.get(url(place, "/bytes/50000000")) as answer:
        body = await answer.read()
        assert hashlib.sha256(body).hexdigest() == answer.headers["X-Sha256"]
    sent = os.urandom(50_000_000)
    async with http.post(url(place, "/hash"), data=io.BytesIO(sent)) as answer:
        assert (await answer.json())["sha256"] == hashlib.sha256(sent).hexdigest()


async def test_a_websocket_passes(forwarding: Forwarding, http: aiohttp.ClientSession) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    await forwarding.pods()
    place = await forwarding.ready()
    async with http.ws_connect(url(place, "/ws")) as websocket:
        for text in ("one", "two"):
            await websocket.send_str(text)
            assert await websocket.receive_str() == text


@pytest.mark.parametrize(
    "strategy, second",
    [("RollingUpdate", {"v": "2"}), ("Recreate", {"lab/listen-after": "3"})],
    ids=["rolling", "nobody there for three seconds"],
)
async def test_a_rollout_under_load_fails_no_request(
    forwarding: Forwarding, http: aiohttp.ClientSession, strategy: str, second: dict[str, str]
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace, strategy=strategy))
    (first,) = await forwarding.pods()
    place = await forwarding.ready()
    answers: list[str] = []
    stop = asyncio.Event()

    async def load() -> None:
        while not stop.is_set():
            async with http.get(url(place)) as answer:
                answers.append((await answer.json())["pod"])

    loads = [asyncio.create_task(load()) for _ in range(4)]
    await eventually(lambda: len(answers) > 50)
    await forwarding.apply(*deployment(forwarding.namespace, annotations=second, strategy=strategy))
    await eventually(lambda: set(answers) - {first})
    after = len(answers) + 150
    await eventually(lambda: len(answers) >= after)
    stop.set()
    await asyncio.gather(*loads)
    assert len(answers) >= 200
    assert len(set(answers)) >= 2


async def test_without_a_ready_endpoint_a_request_waits(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    (pod,) = await forwarding.pods()
    place = await forwarding.ready()
    readiness = forwarding.cluster.pods.set_ready
    await asyncio.to_thread(readiness, forwarding.namespace, pod, ready=False)
    await eventually(
        lambda: (
            (shown := forwarding.service())
            and [problem.reason for problem in shown.problems] == [Reason.NO_ENDPOINTS]
        )
    )
    asking = asyncio.create_task(http.get(url(place)))
    await eventually(lambda: len(forwarding.engine._tunnels))
    await asyncio.to_thread(readiness, forwarding.namespace, pod, ready=True)
    async with await asking as answer:
        assert (await answer.json())["pod"] == pod


async def test_a_pod_that_listens_late_gets_the_first_request(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    late = {"lab/listen-after": "3"}
    await forwarding.apply(*deployment(forwarding.namespace, annotations=late))
    async with http.get(url(await forwarding.ready())) as answer:
        assert answer.status == 200


async def test_a_crash_looping_pod_is_an_error_at_once(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    crashing = {"lab/state": "crashloop"}
    await forwarding.apply(*deployment(forwarding.namespace, annotations=crashing))
    await eventually(lambda: (shown := forwarding.service()) and shown.ports)
    loop = asyncio.get_running_loop()
    began = loop.time()
    while True:  # until the pod is there and has crashed, a request may wait for it
        began = loop.time()
        with pytest.raises(aiohttp.ClientError):
            await http.get(url(forwarding.place()))
        if loop.time() - began < 3:
            break


@pytest.mark.parametrize(
    "how, error",
    [("reset", aiohttp.ClientError), ("fin", aiohttp.ClientPayloadError)],
)
async def test_a_backend_that_dies_within_a_body_is_a_broken_transfer(
    forwarding: Forwarding, http: aiohttp.ClientSession, how: str, error: type[Exception]
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    await forwarding.pods()
    place = await forwarding.ready()
    with pytest.raises(error):
        async with http.get(url(place, f"/die?after=100000&how={how}")) as answer:
            await answer.read()


async def test_a_pod_that_refuses_delays_and_one_that_resets_is_a_reset(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    (pod,) = await forwarding.pods()
    place = await forwarding.ready()
    fault = forwarding.cluster.endpoint.fault
    await asyncio.to_thread(fault, forwarding.namespace, pod, "refuse")
    before = await asyncio.to_thread(forwarding.opened, pod)
    asking = asyncio.create_task(http.get(url(place)))
    while await asyncio.to_thread(forwarding.opened, pod) < before + 2:
        assert not asking.done()
    await asyncio.to_thread(fault, forwarding.namespace, pod, "")
    async with await asking as answer:
        assert answer.status == 200
    await asyncio.to_thread(fault, forwarding.namespace, pod, "reset")
    reader, writer = await asyncio.open_connection(*place)
    writer.write(b"GET / HTTP/1.0\r\n\r\n")
    try:
        with pytest.raises(ConnectionResetError):
            await reader.read()
    finally:
        writer.close()


async def test_a_client_that_closes_frees_the_pod(forwarding: Forwarding) -> None:
    await forwarding.apply(*deployment(forwarding.namespace, annotations={"lab/backend": "tcp"}))
    (pod,) = await forwarding.pods()
    reader, writer = await asyncio.open_connection(*await forwarding.ready())
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    writer.close()
    key = f"{forwarding.namespace}/{pod}:8080"
    table = forwarding.cluster.endpoint.table
    for _ in range(600):
        if not (await asyncio.to_thread(table))[key]["open"]:
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("the pod still has the connection")


async def test_connections_spread_over_pods(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace, replicas=3))
    pods = await forwarding.pods(3)
    place = await forwarding.ready()
    await eventually(
        lambda: (
            len(forwarding.catalog.seen().namespaces[forwarding.namespace].services[0].endpoints)
            == 3
        )
    )

    async def ask() -> str:
        async with http.get(url(place, "/slow?seconds=1")) as answer:
            return str((await answer.json())["pod"])

    assert sorted(await asyncio.gather(*(ask() for _ in range(6)))) == sorted(pods * 2)


async def test_refresh_begins_anew(forwarding: Forwarding, http: aiohttp.ClientSession) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    await forwarding.pods()
    place = await forwarding.ready()
    download = await http.get(url(place, "/drip?bytes=1000000&seconds=60"))
    forwarding.want(generation=1)
    with pytest.raises(aiohttp.ClientError):
        await download.read()
    await eventually(lambda: forwarding.engine.seen().generation == 1)
    async with http.get(url(await forwarding.ready())) as answer:
        assert answer.status == 200


async def test_a_cluster_that_restarts_delays_requests(
    forwarding: Forwarding, http: aiohttp.ClientSession
) -> None:
    await forwarding.apply(*deployment(forwarding.namespace))
    await forwarding.pods()
    place = await forwarding.ready()
    download = await http.get(url(place, "/drip?bytes=1000000&seconds=60"))
    forwarding.cluster.stop_apiserver()
    with pytest.raises(aiohttp.ClientError):
        await download.read()
    asking = asyncio.create_task(http.get(url(place)))
    await eventually(lambda: len(forwarding.engine._tunnels))
    forwarding.cluster.start_apiserver()  # from this thread: it dies with the one that started it
    async with await asking as answer:
        assert answer.status == 200
