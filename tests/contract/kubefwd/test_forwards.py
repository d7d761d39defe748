"""The contract with kubefwd: which rows there are, and what listens. The stand-in keeps it too."""

import asyncio
import signal
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from tests.contract.kubefwd.kit import HOSTS, Kubefwd, pod_behind, service, sockets
from tests.contract.portforward.conftest import deployment
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually_async

from kubefwd_operator.core.errors import KubefwdRefused
from kubefwd_operator.engines.kubefwd.answers import Listed, Watched
from kubefwd_operator.engines.kubefwd.api import CONTEXT
from kubefwd_operator.engines.kubefwd.rows import Forward

pytestmark = [pytest.mark.contract, pytest.mark.isolated]

Apply = Callable[..., Awaitable[None]]
Make = Callable[..., Kubefwd]


def short(rows: list[Forward]) -> list[tuple[Any, ...]]:
    """What tests compare: whose it is, which pod, which ports."""
    return [(row.service, row.pod_name_in_host, row.pod, row.port, row.pod_port) for row in rows]


# --- which rows there are --------------------------------------------------------------------


async def test_one_pod_of_an_ordinary_service(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    (row,) = await kubefwd.count(namespace, 1)
    assert short([row]) == [("web", False, min(pods), 80, 8080)]
    assert (row.ip, row.status) == ("127.1.27.1", "Active")
    assert await pod_behind(row) == row.pod
    assert await kubefwd.api.services() == (Listed("web", namespace, "active"),)
    assert await kubefwd.api.namespaces() == (Watched(namespace, CONTEXT, 1),)


async def test_the_ports_of_a_service_share_an_address(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    ports = [
        {"name": "number", "port": 80, "targetPort": 8080},
        {"name": "name", "port": 81, "targetPort": "http"},
        {"name": "missing", "port": 82, "targetPort": "no-such-port"},
        {"name": "udp", "port": 53, "protocol": "UDP"},
    ]
    await apply(service(namespace, "web", "web", *ports))
    await kubefwd.api.add_namespace(namespace)
    rows = await kubefwd.count(namespace, 3)
    assert [(row.port, row.pod_port) for row in rows] == [(80, 8080), (81, 8080), (82, 82)]
    assert {(row.ip, row.pod) for row in rows} == {("127.1.27.1", min(pods))}


async def test_a_headless_service_has_its_first_pod_and_every_pod(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web", clusterIP="None"))
    await kubefwd.api.add_namespace(namespace)
    rows = await kubefwd.count(namespace, 3)
    first, second = sorted(pods)
    assert short(rows) == [
        ("web", False, first, 80, 8080),
        ("web", True, first, 80, 8080),
        ("web", True, second, 80, 8080),
    ]
    assert len({row.ip for row in rows}) == 3
    assert [await pod_behind(row) for row in rows] == [first, first, second]


async def test_services_that_are_left_out(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    bare = service(namespace, "bare", "web")
    del bare["spec"]["selector"]
    away = service(namespace, "away", "web", type="ExternalName", externalName="away.example")
    del away["spec"]["selector"]
    await apply(bare, away, service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    assert [row.service for row in await kubefwd.count(namespace, 1)] == ["web"]
    assert await kubefwd.api.namespaces() == (Watched(namespace, CONTEXT, 1),)
    assert f"No Pod selector for service bare.{namespace}" in kubefwd.server.output


async def test_namespaces_have_addresses_in_the_order_of_their_first_coming(
    kubefwd: Kubefwd, cluster: Cluster, namespace: str, pods: list[str], apply: Apply
) -> None:
    second = f"{namespace}-second"
    await apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": second}})
    await apply(service(namespace, "web", "web"), *deployment(second, "web"))
    await asyncio.to_thread(cluster.pods.wait_ready, second)
    await kubefwd.api.add_namespace(second)
    await kubefwd.api.add_namespace(namespace)
    assert [row.ip for row in await kubefwd.count(second, 1)] == ["127.1.27.1"]
    assert [row.ip for row in await kubefwd.count(namespace, 1)] == ["127.1.28.1"]
    await kubefwd.api.remove_namespace(second)
    await kubefwd.until_none(second)
    assert [row.ip for row in await kubefwd.count(namespace, 1)] == ["127.1.28.1"]


# --- what changes ----------------------------------------------------------------------------


async def test_services_come_and_go(
    kubefwd: Kubefwd, cluster: Cluster, namespace: str, pods: list[str], apply: Apply
) -> None:
    await kubefwd.api.add_namespace(namespace)
    await apply(service(namespace, "web", "web"))
    (row,) = await kubefwd.count(namespace, 1)
    await asyncio.to_thread(cluster.kubectl, "delete", "service", "web", "-n", namespace)
    await kubefwd.until_none(namespace)
    assert (row.ip, row.port) not in sockets()


async def test_a_namespace_that_comes_later_is_found(
    kubefwd: Kubefwd, cluster: Cluster, namespace: str, apply: Apply
) -> None:
    later = f"{namespace}-later"
    await kubefwd.api.add_namespace(later)
    await apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": later}})
    await apply(*deployment(later, "web"))
    await kubefwd.count(later, 1)


async def test_a_service_without_pods_is_nowhere_until_a_sync_finds_one(
    kubefwd: Kubefwd, cluster: Cluster, namespace: str, apply: Apply
) -> None:
    workload, front = deployment(namespace, "web")
    await apply(front)
    await kubefwd.api.add_namespace(namespace)
    await eventually_async(lambda: "No Running Pods returned" in kubefwd.server.output)
    assert await kubefwd.rows(namespace) == []
    assert await kubefwd.api.services() == ()
    assert await kubefwd.api.namespaces() == (Watched(namespace, CONTEXT, 1),)
    await apply(workload)
    await asyncio.to_thread(cluster.pods.wait_ready, namespace)
    await kubefwd.api.sync("web", namespace)
    await kubefwd.count(namespace, 1)


async def test_a_pod_that_is_replaced_takes_another_address(
    kubefwd: Kubefwd, cluster: Cluster, namespace: str, web: Forward
) -> None:
    await asyncio.to_thread(
        cluster.kubectl, "delete", "pod", web.pod, "-n", namespace, "--wait=false"
    )
    (new,) = await kubefwd.until(namespace, lambda rows: rows and rows[0].pod != web.pod)
    assert (new.ip, new.port) == ("127.1.27.2", web.port)
    assert await pod_behind(new) == new.pod
    assert (web.ip, web.port) not in sockets()


async def test_a_changed_target_port_counts_when_the_service_is_removed_and_added(
    kubefwd: Kubefwd, namespace: str, web: Forward, apply: Apply
) -> None:
    await apply(service(namespace, "web", "web", {"port": 80, "targetPort": 9090}))
    await kubefwd.api.sync("web", namespace)
    synced = f"starting for service web.{namespace}.{CONTEXT} (force=true, currentForwards=1)"
    await eventually_async(lambda: synced in kubefwd.server.output)
    assert await kubefwd.rows(namespace) == [web]
    await kubefwd.api.remove_service("web", namespace)
    assert (web.ip, web.port) not in sockets()
    await kubefwd.api.add_service("web", namespace)
    (new,) = await kubefwd.count(namespace, 1)
    assert (new.ip, new.pod_port) == (web.ip, 9090)


async def test_a_port_that_nothing_listens_on_takes_its_forward_down_with_each_try(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web", {"port": 80, "targetPort": 9999}))
    await kubefwd.api.add_namespace(namespace)
    (row,) = await kubefwd.count(namespace, 1)
    with pytest.raises(httpx.TransportError):
        await pod_behind(row)
    again = await kubefwd.until(namespace, lambda rows: rows and rows[0].started > row.started)
    assert [each.ip for each in again] == [row.ip]
    said = await kubefwd.complaints()
    assert "an error occurred forwarding 80 -> 9999" in said
    assert f"PortForward error on {namespace}/{row.pod}: lost connection to pod" in said


async def test_an_address_that_is_taken_is_tried_again(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web"))
    with socket.create_server(("127.1.27.1", 80)):
        await kubefwd.api.add_namespace(namespace)
        await eventually_async(lambda: "unable to listen on any of" in kubefwd.server.output)
    (row,) = await kubefwd.count(namespace, 1)
    assert await pod_behind(row) == row.pod


# --- what is done about it -------------------------------------------------------------------


async def test_a_sync_leaves_alone_what_works(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    before = await kubefwd.count(namespace, 1)
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{before[0].ip}/drip?bytes=100&seconds=2"
        async with client.stream("GET", url) as answer:
            await kubefwd.api.sync("web", namespace)
            assert len(await answer.aread()) == 100
    assert await kubefwd.rows(namespace) == before


async def test_a_reconnect_drops_connections_and_listens_again(
    kubefwd: Kubefwd, namespace: str, web: Forward
) -> None:
    """The real one may lose the row by it (api.py), so none is asked for."""
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{web.ip}/drip?bytes=1000&seconds=60"
        async with client.stream("GET", url) as answer:
            await kubefwd.api.reconnect("web", namespace)
            with pytest.raises(httpx.TransportError):
                await answer.aread()
    found: str = await eventually_async(lambda: pod_behind(web))
    assert found == web.pod


async def test_a_service_that_is_removed_stays_away_until_it_is_added(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web"), service(namespace, "other", "web"))
    await kubefwd.api.add_namespace(namespace)
    before = await kubefwd.count(namespace, 2)
    await kubefwd.api.remove_service("web", namespace)
    assert [row.service for row in await kubefwd.count(namespace, 1)] == ["other"]
    with pytest.raises(KubefwdRefused):
        await kubefwd.api.sync("web", namespace)
    await kubefwd.api.add_service("web", namespace)
    await kubefwd.api.add_service("web", namespace)
    after = await kubefwd.count(namespace, 2)
    assert [row.ip for row in after] == [row.ip for row in before]


async def test_a_namespace_that_is_removed_frees_its_rows_and_ports(
    kubefwd: Kubefwd, namespace: str, web: Forward
) -> None:
    await kubefwd.api.remove_namespace(namespace)
    assert (web.ip, web.port) not in sockets()
    assert await kubefwd.rows(namespace) == []
    assert await kubefwd.api.services() == ()


async def test_a_namespace_comes_back_as_it_was(
    kubefwd: Kubefwd, namespace: str, web: Forward
) -> None:
    await kubefwd.api.remove_namespace(namespace)
    await kubefwd.api.add_namespace(namespace)
    (new,) = await kubefwd.count(namespace, 1)
    assert (new.ip, new.pod) == (web.ip, web.pod)
    assert new.started > web.started
    assert await pod_behind(new) == new.pod


async def test_another_namespace_does_not_notice(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    await apply(service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    await kubefwd.api.add_namespace("another")
    (row,) = await kubefwd.count(namespace, 1)
    async with httpx.AsyncClient(trust_env=False) as client:
        url = f"http://{row.ip}/drip?bytes=100&seconds=2"
        async with client.stream("GET", url) as answer:
            await kubefwd.api.remove_namespace("another")
            await kubefwd.api.add_namespace("third")
            assert len(await answer.aread()) == 100


# --- the hosts file --------------------------------------------------------------------------


async def test_names_are_in_the_hosts_file_while_it_forwards(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    before = HOSTS.read_text()
    await apply(service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    (row,) = await kubefwd.count(namespace, 1)
    names = {"web", f"web.{namespace}", f"web.{namespace}.svc.cluster.local", f"web-{namespace}"}
    lines = [line.split() for line in HOSTS.read_text().splitlines()]
    assert any(line[:1] == [row.ip] and names <= set(line) for line in lines)
    await kubefwd.api.remove_namespace(namespace)
    await eventually_async(lambda: HOSTS.read_text().split() == before.split())


async def test_a_name_that_the_user_has_is_taken_from_him_and_not_given_back(
    kubefwd: Kubefwd, namespace: str, pods: list[str], apply: Apply
) -> None:
    with HOSTS.open("a") as file:
        file.write(f"192.0.2.9 web.{namespace} kept.example\n")
    await apply(service(namespace, "web", "web"))
    await kubefwd.api.add_namespace(namespace)
    await kubefwd.count(namespace, 1)
    kubefwd.server.signal(signal.SIGTERM)
    assert kubefwd.server.wait_exited() == 0
    left = [line.split() for line in HOSTS.read_text().splitlines() if "192.0.2.9" in line]
    assert left == [["192.0.2.9", "kept.example"]]
