"""What is handed over to root of a kubeconfig, and what is refused by name."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.cluster.pem import CA, CLIENT, CLIENT_KEY

from kubefwd_operator.cluster import credentials
from kubefwd_operator.cluster.credentials import Access
from kubefwd_operator.cluster.entry import Pem
from kubefwd_operator.cluster.execspec import ExecSpec
from kubefwd_operator.cluster.execution import Credential
from kubefwd_operator.cluster.handover import MAX_CA, MAX_KEY, MAX_SERVER, MAX_TOKEN, pem
from kubefwd_operator.cluster.kubeconfig import (
    ClusterEntry,
    Impersonation,
    Kubeconfig,
    UserEntry,
)
from kubefwd_operator.cluster.plugin import ExecPlugin
from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported
from kubefwd_operator.core.kubefwd import KubefwdAccess
from kubefwd_operator.core.model import ClusterRef
from kubefwd_operator.root.helper import protocol
from kubefwd_operator.root.helper.kubefwd import wire

SERVER = "https://10.0.0.1:6443"
CLUSTER, USER = ClusterEntry(SERVER), UserEntry()
NOTHING = KubefwdAccess(SERVER)


def config(cluster: dict[str, Any], user: dict[str, Any]) -> Kubeconfig:
    return Kubeconfig("c", replace(CLUSTER, **cluster), replace(USER, **user))


def given(cluster: dict[str, Any], user: dict[str, Any], **env: str) -> KubefwdAccess:
    return asyncio.run(Access(config(cluster, user), env).handover()).access


@pytest.mark.parametrize(
    "cluster, user, expected",
    [
        pytest.param({}, {}, {}, id="nobody"),
        pytest.param({"ca": Pem(data=CA)}, {}, {"ca": CA.decode()}, id="a CA"),
        pytest.param(
            {"tls_server_name": "kubernetes"}, {}, {"tls_server_name": "kubernetes"}, id="its name"
        ),
        pytest.param({}, {"token": "t"}, {"token": "t"}, id="a token"),
        pytest.param(
            {},
            {"certificate": Pem(data=CLIENT), "key": Pem(data=CLIENT_KEY)},
            {"certificate": CLIENT.decode(), "key": CLIENT_KEY.decode()},
            id="a certificate",
        ),
    ],
)
def test_values_are_handed_over(
    cluster: dict[str, Any], user: dict[str, Any], expected: dict[str, str]
) -> None:
    access = given(cluster, user)
    assert access == replace(NOTHING, **expected)
    fields = {key: getattr(access, key) for key in KubefwdAccess.__slots__}
    assert protocol.request({"verb": "kubefwd-start", **fields}, wire.VERBS)[1] == fields


def test_files_are_read_anew(tmp_path: Path) -> None:
    token, ca = tmp_path / "token", tmp_path / "ca"
    token.write_text("first\n")
    ca.write_bytes(CA)
    access = Access(config({"ca": Pem(path=str(ca))}, {"token_file": str(token)}), {})
    assert asyncio.run(access.handover()).access == replace(NOTHING, token="first", ca=CA.decode())
    token.write_text("second one\n".replace(" one", ""))
    assert asyncio.run(access.handover()).access.token == "second"


@pytest.mark.parametrize(
    "cluster, user, env, what",
    [
        ({"server": "http://10.0.0.1"}, {}, {}, "a server without https"),
        ({"insecure": True}, {}, {}, "insecure-skip-tls-verify"),
        ({"proxy_url": "http://proxy:3128"}, {}, {}, "a proxy"),
        ({}, {}, {"HTTPS_PROXY": "http://proxy:3128"}, "a proxy"),
        ({}, {"username": "u", "password": "p"}, {}, "a username and password"),
        ({}, {"impersonation": Impersonation("jane")}, {}, "impersonation"),
    ],
)
def test_what_would_lead_root_elsewhere_is_refused_by_name(
    cluster: dict[str, Any], user: dict[str, Any], env: dict[str, str], what: str
) -> None:
    with pytest.raises(CredentialsUnsupported) as refused:
        given(cluster, user, **env)
    assert f"asks for {what}" in str(refused.value)
    assert "engine='native'" in str(refused.value)


@pytest.mark.parametrize(
    "cluster, user, what",
    [
        ({"ca": Pem(data=b"/etc/shadow")}, {}, "certificate-authority"),
        ({"ca": Pem(data=CA * (MAX_CA // len(CA) + 1))}, {}, "certificate-authority"),
        ({"server": "https://h/" + "a" * MAX_SERVER}, {}, "address of the server"),
        ({}, {"token": "t" * (MAX_TOKEN + 1)}, "token"),
        ({}, {"token": "tokén"}, "token"),
        (
            {},
            {"certificate": Pem(data=CLIENT), "key": Pem(data=b"encrypted")},
            "client key",
        ),
        (
            {},
            {
                "certificate": Pem(data=CLIENT * (MAX_KEY // len(CLIENT) + 1)),
                "key": Pem(data=CLIENT_KEY),
            },
            "client certificate",
        ),
    ],
)
def test_what_root_would_refuse_is_said_here(
    cluster: dict[str, Any], user: dict[str, Any], what: str
) -> None:
    with pytest.raises(CredentialsError, match=f"The {what}") as refused:
        given(cluster, user)
    assert len(str(refused.value)) < 300, "values are not quoted"


@pytest.mark.parametrize(
    "text, plain",
    [
        pytest.param(CA, CA, id="as it is"),
        pytest.param(CA.rstrip(), CA, id="no newline at the end"),
        pytest.param(CA.replace(b"\n", b"\r\n"), CA, id="carriage returns"),
        pytest.param(b"# my CA\n" + CA + b"\n\nsubject=x\n" + CA, CA + CA, id="comments"),
        pytest.param(b"", b"", id="nothing"),
        pytest.param(b" \n", b"", id="blank"),
    ],
)
def test_pem_is_made_plain(text: bytes, plain: bytes) -> None:
    assert pem("CA", text, MAX_CA) == plain.decode()


def test_no_secret_is_in_a_repr() -> None:
    secrets = {"token": "s3cret", "certificate": Pem(data=CLIENT), "key": Pem(data=CLIENT_KEY)}
    found = asyncio.run(Access(config({}, secrets), {}).handover())
    for text in (repr(found), repr(found.access)):
        assert "s3cret" not in text
        assert "MIG" not in text


class Plugin(ExecPlugin):
    """A plugin that gives a credential and notes the margins that it is asked for."""

    def __init__(self, credential: Credential) -> None:
        super().__init__(ExecSpec("aws", "client.authentication.k8s.io/v1"), {})
        self.gives, self.margins = credential, list[float]()

    async def credential(self, margin: float = 0.0) -> Credential:
        self.margins.append(margin)
        return self.gives


def test_what_a_plugin_gives_goes_before_and_its_end_is_told() -> None:
    plugin = Plugin(Credential("fresh", CLIENT, CLIENT_KEY, expires=2e9))
    user = {"exec": ExecSpec("aws", "client.authentication.k8s.io/v1")}
    found = asyncio.run(Access(config({}, user), {}, plugin=plugin).handover(90))
    assert found.expires == 2e9
    assert (found.access.token, found.access.certificate) == ("fresh", CLIENT.decode())
    assert plugin.margins == [90]


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"exec": {"command": "x"}, "token": "t"}, id="a plugin beside a token"),
        pytest.param({"tokenFile": "/etc/shadow", "token": "t"}, id="a file that cannot be read"),
    ],
)
def test_nothing_of_a_kubeconfig_but_values_gets_through(
    document: dict[str, Any], tmp_path: Path
) -> None:
    if "exec" in document:
        document["exec"]["apiVersion"] = "client.authentication.k8s.io/v1"
    else:
        document["tokenFile"] = str(tmp_path / "missing")
    whole = {
        "clusters": [{"name": "c", "cluster": {"server": SERVER}}],
        "users": [{"name": "u", "user": document}],
        "contexts": [{"name": "arn:aws:eks/x", "context": {"cluster": "c", "user": "u"}}],
    }
    file = tmp_path / "config"
    file.write_text(yaml.safe_dump(whole))
    access = credentials.load(ClusterRef(str(file), "arn:aws:eks/x"), {})
    began = time.monotonic()
    assert asyncio.run(access.handover()).access == replace(NOTHING, token="t")
    assert time.monotonic() - began < 5
