"""Every way to prove who one is, on a real apiserver."""

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from tests.contract.kube.conftest import Look
from tests.lab.cluster import Cluster
from tests.lab.exec_plugin import ExecPlugin
from tests.unit.cluster import pem

from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.cluster.credentials import load
from kubefwd_operator.core.errors import ClusterUnreachable, CredentialsError, CredentialsExpired
from kubefwd_operator.core.model import ClusterRef
from kubefwd_operator.core.reason import Reason

pytestmark = pytest.mark.contract

LIST = "/api/v1/namespaces/default/services"


def some(entries: dict[str, Any]) -> dict[str, Any]:
    """Entries whose names are no Python identifiers, as keyword arguments."""
    return entries


async def lists(config: Path) -> None:
    """Get a list with a kubeconfig, through a client of its own."""
    client = ClusterClient(load(ClusterRef(str(config), "lab"), {}))
    try:
        assert (await client.get(LIST))["kind"] == "ServiceList"
    finally:
        await client.close()


async def test_a_token(cluster: Cluster) -> None:
    await lists(cluster.kubeconfig)


async def test_a_wrong_token(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster.write_kubeconfig(tmp_path / "k", credentials={"token": "hush-hush"})
    with pytest.raises(CredentialsExpired, match=r"401\): log in again") as caught:
        await lists(config)
    assert "hush" not in str(caught.value)


async def test_a_token_file_that_is_renewed(cluster: Cluster, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("old\n")
    config = cluster.write_kubeconfig(tmp_path / "k", credentials={"tokenFile": "token"})
    client = ClusterClient(load(ClusterRef(str(config), "lab"), {}))
    try:
        with pytest.raises(CredentialsExpired):
            await client.get(LIST)
        token.write_text(cluster.token("admin") + "\n")
        await client.get(LIST)
    finally:
        await client.close()


async def test_certificate_files(cluster: Cluster, tmp_path: Path) -> None:
    for name in ("admin.crt", "admin.key"):
        (tmp_path / name).write_bytes((cluster.pki / name).read_bytes())
    config = cluster.write_kubeconfig(
        tmp_path / "k", credentials={"client-certificate": "admin.crt", "client-key": "admin.key"}
    )
    await lists(config)


async def test_inline_certificates(cluster: Cluster, tmp_path: Path) -> None:
    cert, key = (
        base64.b64encode((cluster.pki / name).read_bytes()).decode()
        for name in ("admin.crt", "admin.key")
    )
    config = cluster.write_kubeconfig(
        tmp_path / "k", credentials={"client-certificate-data": cert, "client-key-data": key}
    )
    await lists(config)


async def test_a_ca_file(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster.write_kubeconfig(
        tmp_path / "k",
        **some(
            {"certificate-authority": str(cluster.pki / "ca.crt"), "certificate-authority-data": ""}
        ),
    )
    await lists(config)


async def test_another_ca_is_named(cluster: Cluster, tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_bytes(pem.CA)
    config = cluster.write_kubeconfig(
        tmp_path / "k",
        **some({"certificate-authority": "own.pem", "certificate-authority-data": ""}),
    )
    with pytest.raises(
        ClusterUnreachable, match=r"certificate is not trusted .*certificate-authority"
    ):
        await lists(config)


async def test_insecure(cluster: Cluster, tmp_path: Path) -> None:
    config = cluster.write_kubeconfig(
        tmp_path / "k", **some({"insecure-skip-tls-verify": True, "certificate-authority-data": ""})
    )
    await lists(config)


@pytest.mark.parametrize("name, right", [("localhost", True), ("elsewhere", False)])
async def test_tls_server_name(cluster: Cluster, tmp_path: Path, name: str, right: bool) -> None:
    config = cluster.write_kubeconfig(tmp_path / "k", **some({"tls-server-name": name}))
    if right:
        await lists(config)
    else:
        with pytest.raises(ClusterUnreachable, match="tls-server-name"):
            await lists(config)


async def test_impersonation(cluster: Cluster, namespace: str, look: Look) -> None:
    """The user that is impersonated has no rights, so the answer is a 403 to what admin may do."""
    credentials = {
        "token": cluster.token("admin"),
        "as": "nobody",
        "as-groups": ["g1", "g2"],
        "as-user-extra": {"Some/Key": ["a", "b"]},
    }
    config = cluster.write_kubeconfig(cluster.folder / "as", credentials=credentials)
    look.want(config, namespace)
    await look.until(lambda seen: look.namespace(namespace).problem)
    problem = look.namespace(namespace).problem
    assert problem is not None
    assert problem.reason is Reason.FORBIDDEN
    group = {"kind": "Group", "name": "g2", "apiGroup": "rbac.authorization.k8s.io"}
    cluster.apply(
        {
            "apiVersion": "rbac.authorization.k8s.io/v1",
            "kind": "RoleBinding",
            "metadata": {"name": "g2", "namespace": namespace},
            "roleRef": {
                "kind": "ClusterRole", "name": "view", "apiGroup": "rbac.authorization.k8s.io",
            },
            "subjects": [group],
        }
    )  # fmt: skip
    await look.until(lambda seen: look.namespace(namespace).synced)


class TestExecPlugin:
    """The lab's plugin, which counts its calls."""

    @pytest.fixture
    def plugin(self, tmp_path: Path) -> ExecPlugin:
        return ExecPlugin(tmp_path / "plugin")

    async def test_one_run_serves_everything(
        self, cluster: Cluster, namespace: str, look: Look, plugin: ExecPlugin, tmp_path: Path
    ) -> None:
        plugin.give_token(cluster.token("admin"))
        look.want(
            cluster.write_kubeconfig(tmp_path / "k", credentials=plugin.user()),
            namespace, "default", "kube-system",
        )  # fmt: skip
        await look.until(lambda seen: all(each.synced for each in seen.namespaces.values()))
        assert plugin.calls == 1
        assert plugin.asked()[0]["spec"] == {"interactive": False}

    @pytest.mark.parametrize("version", ["v1", "v1beta1"])
    async def test_versions_and_cluster_information(
        self, cluster: Cluster, plugin: ExecPlugin, tmp_path: Path, version: str
    ) -> None:
        plugin.give_token(cluster.token("admin"))
        full = f"client.authentication.k8s.io/{version}"
        user = plugin.user(full, provideClusterInfo=True, env=[{"name": "A", "value": "b"}])
        await lists(cluster.write_kubeconfig(tmp_path / "k", credentials=user))
        (asked,) = plugin.asked()
        assert asked["apiVersion"] == full
        assert asked["spec"]["cluster"]["server"] == cluster.server
        assert base64.b64decode(
            asked["spec"]["cluster"]["certificate-authority-data"]
        ).decode() == (cluster.ca)

    async def test_a_certificate(
        self, cluster: Cluster, plugin: ExecPlugin, tmp_path: Path
    ) -> None:
        cert, key = ((cluster.pki / name).read_text() for name in ("admin.crt", "admin.key"))
        plugin.give_certificate(cert, key)
        await lists(cluster.write_kubeconfig(tmp_path / "k", credentials=plugin.user()))

    async def test_it_runs_again_when_the_credential_expires(
        self, cluster: Cluster, plugin: ExecPlugin, tmp_path: Path
    ) -> None:
        plugin.give_token(cluster.token("admin"), lives=1.5)
        config = cluster.write_kubeconfig(tmp_path / "k", credentials=plugin.user())
        client = ClusterClient(load(ClusterRef(str(config), "lab"), {}))
        try:
            await client.get(LIST)
            await client.get(LIST)
            assert plugin.calls == 1
            async with asyncio.timeout(60):
                while plugin.calls == 1:
                    await client.get(LIST)
                    await asyncio.sleep(0.1)
        finally:
            await client.close()

    async def test_one_run_for_a_401_and_no_more(
        self, cluster: Cluster, plugin: ExecPlugin, tmp_path: Path
    ) -> None:
        """Unknown tokens, then the right one, then one that stays refused."""
        plugin.give_token(cluster.token("admin"))
        config = cluster.write_kubeconfig(tmp_path / "k", credentials=plugin.user())
        client = ClusterClient(load(ClusterRef(str(config), "lab"), {}))
        try:
            await client.get(LIST)
            plugin.give_token("no longer known")
            credential = await client._access.grant()
            assert client._access._plugin is not None
            assert credential.credential is not None
            client._access._plugin.reject(credential.credential)  # as a 401 would
            for _ in range(10):
                with pytest.raises(CredentialsError):
                    await client.get(LIST)
            assert plugin.calls == 2
        finally:
            await client.close()

    async def test_one_that_fails_then_works_after_refresh(
        self, cluster: Cluster, namespace: str, look: Look, plugin: ExecPlugin, tmp_path: Path
    ) -> None:
        plugin.fail("Your session has expired, run: sso login", code=4)
        config = cluster.write_kubeconfig(tmp_path / "k", credentials=plugin.user())
        look.want(config, namespace)
        seen = await look.until(lambda seen: seen.problem)
        assert seen.problem is not None
        assert seen.problem.reason is Reason.CREDENTIALS_FAILED
        assert "code 4 (Your session has expired, run: sso login)" in seen.problem.message
        plugin.give_token(cluster.token("admin"))
        look.want(config, namespace, generation=1)
        await look.until(lambda seen: look.namespace(namespace).synced and seen.problem is None)
        assert plugin.calls == 2, "nothing is run while it is backed off"


async def test_a_kubeconfig_that_comes_later(
    cluster: Cluster, namespace: str, look: Look, tmp_path: Path
) -> None:
    look.want(tmp_path / "k", namespace)
    seen = await look.until(lambda seen: seen.problem)
    assert seen.problem is not None
    assert seen.problem.reason is Reason.CREDENTIALS_FAILED
    assert "cannot be read" in seen.problem.message
    cluster.write_kubeconfig(tmp_path / "k")
    await look.until(lambda seen: look.namespace(namespace).synced and seen.problem is None)


async def test_what_is_not_supported_is_named(
    cluster: Cluster, namespace: str, look: Look, tmp_path: Path
) -> None:
    config = cluster.write_kubeconfig(
        tmp_path / "k", credentials={"auth-provider": {"name": "gcp"}}
    )
    look.want(config, namespace)
    seen = await look.until(lambda seen: seen.problem)
    assert seen.problem is not None
    assert seen.problem.reason is Reason.CREDENTIALS_UNSUPPORTED
    assert "'gcp'" in seen.problem.message
