"""The contract with kubefwd: its process, its key, what is watched. The stand-in keeps it too."""

import re
import signal
import socket
from collections.abc import Callable

import pytest
from tests.contract.kubefwd.kit import HOSTS, Kubefwd
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually, eventually_async, steady

from kubefwd_operator.core.errors import KubefwdForeign, KubefwdRefused, KubefwdUnreachable
from kubefwd_operator.engines.kubefwd.answers import Watched
from kubefwd_operator.engines.kubefwd.api import CONTEXT, KubefwdApi

pytestmark = [pytest.mark.contract, pytest.mark.isolated]

Make = Callable[..., Kubefwd]
LINE = re.compile(r"\x1b\[3[0-9]m(INFO|WARN|ERRO|FATA)\x1b\[0m\[[0-9:]{8}\] .*")


# --- the process -----------------------------------------------------------------------------


async def test_it_says_its_version(kubefwd: Kubefwd) -> None:
    ran = kubefwd.run("version", "quiet")
    version = (await kubefwd.api.health()).version
    assert (ran.returncode, ran.stdout) == (0, f"{version}\n")
    assert (await kubefwd.api.info()).version == version


async def test_its_help_names_what_is_needed(kubefwd: Kubefwd) -> None:
    ran = kubefwd.run("svc", "--help")
    assert ran.returncode == 0
    for flag in ("--api", "--hosts-path", "--kubeconfig"):
        assert flag in ran.stdout


async def test_it_is_idle_at_first(kubefwd: Kubefwd) -> None:
    assert await kubefwd.api.namespaces() == ()
    assert await kubefwd.api.forwards() == ()
    assert await kubefwd.api.services() == ()
    assert await kubefwd.api.errors() == ()


async def test_another_process_has_another_start(make_kubefwd: Make) -> None:
    first = await make_kubefwd().start().up()
    started = (await first.api.info()).started
    assert (await first.api.info()).started == started
    await first.close()
    second = await make_kubefwd().start().up()
    assert (await second.api.info()).started != started


async def test_every_line_has_a_level(kubefwd: Kubefwd, namespace: str) -> None:
    await kubefwd.api.add_namespace(namespace)
    eventually(lambda: f"Starting watcher for namespace {namespace}" in kubefwd.server.output)
    odd = [line for line in kubefwd.server.output.splitlines() if not LINE.fullmatch(line)]
    assert odd == []


async def test_its_key_is_not_in_its_output(kubefwd: Kubefwd) -> None:
    await kubefwd.api.info()
    assert kubefwd.key not in kubefwd.server.output


async def test_sigterm_ends_it_and_leaves_the_hosts_file_as_it_was(make_kubefwd: Make) -> None:
    before = HOSTS.read_text()
    kubefwd = await make_kubefwd().start().up()
    assert "127.2.27.1" in HOSTS.read_text()
    kubefwd.server.signal(signal.SIGTERM)
    assert kubefwd.server.wait_exited() == 0
    assert HOSTS.read_text().split() == before.split()
    with pytest.raises(KubefwdUnreachable):
        await kubefwd.api.health()


async def test_a_taken_port_does_not_end_it(make_kubefwd: Make) -> None:
    with socket.create_server(("127.2.27.1", 80)):
        kubefwd = make_kubefwd().start()
        eventually(lambda: "address already in use" in kubefwd.server.output)
        assert kubefwd.server.exit_code is None


@pytest.mark.parametrize(
    ("without", "config", "says"),
    [
        pytest.param([], "nowhere", "no such file", id="no-kubeconfig"),
        pytest.param(["HOME"], "kubeconfig-admin", "HOME is not defined", id="no-home"),
    ],
)
async def test_what_it_dies_of(
    make_kubefwd: Make, without: list[str], config: str, says: str
) -> None:
    kubefwd = make_kubefwd()
    ran = kubefwd.run("svc", "-c", str(kubefwd.folder / config), without=without)
    assert ran.returncode == 1
    assert says in ran.stdout


# --- the key ---------------------------------------------------------------------------------


async def test_it_asks_for_the_key(kubefwd: Kubefwd) -> None:
    assert await kubefwd.api.guarded()


async def test_a_wrong_key_makes_it_a_stranger(kubefwd: Kubefwd) -> None:
    stranger = KubefwdApi("0" * 32)
    assert (await stranger.health()).version
    with pytest.raises(KubefwdForeign, match="key"):
        await stranger.info()
    with pytest.raises(KubefwdForeign, match="key"):
        await stranger.add_namespace("default")
    await stranger.close()
    assert await kubefwd.api.namespaces() == ()


# --- what is watched -------------------------------------------------------------------------


async def test_a_namespace_is_added_once(kubefwd: Kubefwd, namespace: str) -> None:
    await kubefwd.api.add_namespace(namespace)
    await kubefwd.api.add_namespace(namespace)
    assert await kubefwd.api.namespaces() == (Watched(namespace, CONTEXT, 0),)


async def test_a_namespace_is_removed(kubefwd: Kubefwd, namespace: str) -> None:
    await kubefwd.api.add_namespace(namespace)
    await kubefwd.api.remove_namespace(namespace)
    await kubefwd.api.remove_namespace(namespace)
    await kubefwd.api.remove_namespace("never-added")
    assert await kubefwd.api.namespaces() == ()


async def test_a_namespace_that_does_not_exist_is_accepted(kubefwd: Kubefwd) -> None:
    await kubefwd.api.add_namespace("not-there")
    assert await kubefwd.api.namespaces() == (Watched("not-there", CONTEXT, 0),)
    assert await kubefwd.api.errors() == ()


async def test_a_forbidden_namespace_is_accepted_and_told_of_in_the_log_only(
    make_kubefwd: Make, namespace: str
) -> None:
    kubefwd = await make_kubefwd("visitor").start().up()
    await kubefwd.api.add_namespace(namespace)

    said: str = await eventually_async(kubefwd.complaints)
    assert "Runtime: failed to list *v1.Service: services is forbidden" in said
    assert await kubefwd.api.namespaces() == (Watched(namespace, CONTEXT, 0),)


async def test_a_cluster_that_is_away_is_told_of_nowhere(
    make_kubefwd: Make, cluster: Cluster, namespace: str
) -> None:
    kubefwd = make_kubefwd()
    kubefwd.config.write_text(kubefwd.config.read_text().replace(f":{cluster.port}", ":1"))
    await kubefwd.start().up()
    await kubefwd.api.add_namespace(namespace)
    logs = "/api/v1/logs/system?level=error"
    steady(lambda: kubefwd.raw("GET", logs)[1]["data"]["logs"] is None, seconds=2)  # type: ignore[index]
    assert await kubefwd.api.namespaces() == (Watched(namespace, CONTEXT, 0),)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        pytest.param(lambda api: api.sync("web", "shop"), "NOT_FOUND", id="sync"),
        pytest.param(lambda api: api.reconnect("web", "shop"), "NOT_FOUND", id="reconnect"),
        pytest.param(lambda api: api.add_service("web", "shop"), "add_service_failed", id="add"),
    ],
)
async def test_a_service_that_does_not_exist(
    kubefwd: Kubefwd, change: Callable[[KubefwdApi], object], code: str
) -> None:
    with pytest.raises(KubefwdRefused, match="not found") as caught:
        await change(kubefwd.api)  # type: ignore[misc]  # a coroutine
    assert caught.value.code == code
    await kubefwd.api.remove_service("web", "shop")


# --- the words of the wire -------------------------------------------------------------------


async def test_refusals(kubefwd: Kubefwd, namespace: str) -> None:
    def refused(method: str, path: str, body: dict[str, str] | None = None) -> tuple[int, str]:
        status, found = kubefwd.raw(method, path, body)
        assert isinstance(found, dict)
        assert found["success"] is False
        return status, found["error"]["code"]

    await kubefwd.api.add_namespace(namespace)
    spaces = "/api/v1/namespaces"
    same = {"namespace": namespace, "context": CONTEXT}
    assert refused("POST", spaces, same) == (409, "add_namespace_failed")
    other = {"namespace": namespace, "context": "another"}
    assert refused("POST", spaces, other) == (409, "add_namespace_failed")
    assert refused("POST", spaces, {"context": CONTEXT}) == (400, "invalid_request")
    assert refused("DELETE", f"{spaces}/no.{CONTEXT}") == (404, "remove_namespace_failed")
    assert refused("DELETE", f"{spaces}/no") == (400, "invalid_key")
    assert refused("DELETE", f"/api/v1/services/a.b.{CONTEXT}") == (404, "remove_service_failed")


async def test_an_unknown_route_is_plain_text(kubefwd: Kubefwd) -> None:
    assert kubefwd.raw("GET", "/api/v1/nothing") == (404, "404 page not found")


async def test_a_context_that_does_not_exist_is_said_so(kubefwd: Kubefwd) -> None:
    body = {"namespace": "shop", "context": "another"}
    _, found = kubefwd.raw("POST", "/api/v1/namespaces", body)
    assert 'context "another" does not exist' in str(found)
