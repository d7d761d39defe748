"""Kubeconfigs, as a table: what is read out of them, and the sentence when something is wrong."""

import base64
from typing import Any

import pytest

from kubefwd_operator.cluster.entry import Pem
from kubefwd_operator.cluster.kubeconfig import Kubeconfig, parse
from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported

V1 = "client.authentication.k8s.io/v1"
CA = base64.b64encode(b"THE CA").decode()


def document(
    cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None
) -> dict[str, Any]:
    return {
        "current-context": "dev",
        "contexts": [
            {"name": "dev", "context": {"cluster": "c", "user": "u"}},
            {"name": "other", "context": {"cluster": "gone", "user": "u"}},
            {"name": "anonymous", "context": {"cluster": "c"}},
        ],
        "clusters": [{"name": "c", "cluster": {"server": "https://k8s:6443", **(cluster or {})}}],
        "users": [{"name": "u", "user": user or {}}],
    }


def read(cluster: dict[str, Any] | None = None, user: dict[str, Any] | None = None) -> Kubeconfig:
    return parse(document(cluster, user), "dev", "/home/dev/.kube")


EXEC = {"apiVersion": V1, "command": "aws", "interactiveMode": "Never"}

CLUSTERS = {
    "plain": ({}, "server", "https://k8s:6443"),
    "path prefix without its last slash": (
        {"server": "https://rancher/k8s/clusters/c-1/"},
        "server",
        "https://rancher/k8s/clusters/c-1",
    ),
    "no scheme is http": ({"server": "localhost:8080"}, "server", "http://localhost:8080"),
    "no scheme with a CA is https": (
        {"server": "k8s", "certificate-authority-data": CA},
        "server",
        "https://k8s",
    ),
    "no scheme with the insecure flag is https": (
        {"server": "k8s", "insecure-skip-tls-verify": True},
        "server",
        "https://k8s",
    ),
    "inline CA": ({"certificate-authority-data": CA}, "ca", Pem(data=b"THE CA")),
    "inline CA with line breaks": (
        {"certificate-authority-data": CA[:4] + "\n" + CA[4:]},
        "ca",
        Pem(data=b"THE CA"),
    ),
    "inline CA beats the file": (
        {"certificate-authority-data": CA, "certificate-authority": "/x"},
        "ca",
        Pem(data=b"THE CA"),
    ),
    "relative CA file": (
        {"certificate-authority": "ca.crt"},
        "ca",
        Pem(path="/home/dev/.kube/ca.crt"),
    ),
    "absolute CA file": ({"certificate-authority": "/etc/ca"}, "ca", Pem(path="/etc/ca")),
    "server name": ({"tls-server-name": "kubernetes"}, "tls_server_name", "kubernetes"),
    "insecure": ({"insecure-skip-tls-verify": True}, "insecure", True),
    "http proxy": ({"proxy-url": "http://p:3128"}, "proxy_url", "http://p:3128"),
    "https proxy": ({"proxy-url": "https://p"}, "proxy_url", "https://p"),
    "socks5 proxy": ({"proxy-url": "socks5://u:p@p:1080"}, "proxy_url", "socks5://u:p@p:1080"),
}


@pytest.mark.parametrize("cluster, field, value", CLUSTERS.values(), ids=CLUSTERS)
def test_cluster_entry(cluster: dict[str, Any], field: str, value: object) -> None:
    assert getattr(read(cluster).cluster, field) == value


USERS = {
    "token": ({"token": "t"}, "token", "t"),
    "token file, relative": ({"tokenFile": "tok"}, "token_file", "/home/dev/.kube/tok"),
    "basic": ({"username": "me", "password": "pw"}, "password", "pw"),
    "certificate files": (
        {"client-certificate": "c.pem", "client-key": "/k.pem"},
        "certificate",
        Pem(path="/home/dev/.kube/c.pem"),
    ),
    "inline key": (
        {"client-certificate-data": CA, "client-key-data": CA},
        "key",
        Pem(data=b"THE CA"),
    ),
    "nothing": ({}, "exec", None),
}


@pytest.mark.parametrize("user, field, value", USERS.values(), ids=USERS)
def test_user_entry(user: dict[str, Any], field: str, value: object) -> None:
    assert getattr(read(user=user).user, field) == value


def test_impersonation_is_read_whole() -> None:
    user = {"as": "jane", "as-uid": "7", "as-groups": ["a", "b"], "as-user-extra": {"k": ["v"]}}
    found = read(user=user).user.impersonation
    assert found is not None
    assert (found.user, found.uid, found.groups, found.extra) == (
        "jane",
        "7",
        ("a", "b"),
        (("k", ("v",)),),
    )


EXECS = {
    "command on PATH stays as it is": (EXEC, "command", "aws"),
    "relative command": ({**EXEC, "command": "bin/aws"}, "command", "/home/dev/.kube/bin/aws"),
    "absolute command": ({**EXEC, "command": "/bin/aws"}, "command", "/bin/aws"),
    "args": ({**EXEC, "args": ["eks", "get-token"]}, "args", ("eks", "get-token")),
    "env": ({**EXEC, "env": [{"name": "A", "value": "b"}]}, "env", (("A", "b"),)),
    "env null": ({**EXEC, "env": None}, "env", ()),
    "v1beta1": (
        {**EXEC, "apiVersion": f"{V1}beta1"},
        "api_version",
        "client.authentication.k8s.io/v1beta1",
    ),
    "hint": ({**EXEC, "installHint": " get it \n"}, "install_hint", "get it"),
    "no cluster information": (EXEC, "info", {"interactive": False}),
}


@pytest.mark.parametrize("exec_, field, value", EXECS.values(), ids=EXECS)
def test_exec_entry(exec_: dict[str, Any], field: str, value: object) -> None:
    found = read(user={"exec": exec_}).user.exec
    assert found is not None
    assert getattr(found, field) == value


def test_a_plugin_is_told_about_the_cluster_when_it_asks_to_be() -> None:
    cluster = {
        "certificate-authority-data": CA,
        "tls-server-name": "kubernetes",
        "proxy-url": "http://p",
        "disable-compression": True,
        "extensions": [
            {"name": "other", "extension": 1},
            {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}},
        ],
    }
    found = read(cluster, {"exec": {**EXEC, "provideClusterInfo": True}}).user.exec
    assert found is not None
    assert found.info == {
        "interactive": False,
        "cluster": {
            "server": "https://k8s:6443",
            "tls-server-name": "kubernetes",
            "certificate-authority-data": CA,
            "proxy-url": "http://p",
            "disable-compression": True,
            "config": {"audience": "x"},
        },
    }


def test_an_insecure_cluster_is_told_as_such() -> None:
    found = read(
        {"insecure-skip-tls-verify": True}, {"exec": {**EXEC, "provideClusterInfo": True}}
    ).user.exec
    assert found is not None
    assert found.info["cluster"]["insecure-skip-tls-verify"] is True


WRONG_CLUSTERS = {
    "no server": ({"server": ""}, "has no server"),
    "foreign scheme": ({"server": "ftp://x"}, "must be an http or https address"),
    "no host": ({"server": "https://"}, "must be an http or https address"),
    "bad port": ({"server": "https://x:port"}, "must be an http or https address"),
    "CA is not base64": ({"certificate-authority-data": "%%"}, "is not base64"),
    "CA and insecure": (
        {"certificate-authority-data": CA, "insecure-skip-tls-verify": True},
        "remove one of them",
    ),
    "flag as text": ({"insecure-skip-tls-verify": "yes"}, "must be true or false"),
    "server as number": ({"server": 6443}, "must be text: put it in quotes"),
    "proxy without host": ({"proxy-url": "http://"}, "is not a URL"),
    "proxy with a bad port": ({"proxy-url": "http://x:y"}, "is not a URL"),
}


@pytest.mark.parametrize("cluster, words", WRONG_CLUSTERS.values(), ids=WRONG_CLUSTERS)
def test_a_wrong_cluster_entry_gets_a_sentence(cluster: dict[str, Any], words: str) -> None:
    with pytest.raises(CredentialsError, match=words) as caught:
        read(cluster)
    assert "cluster 'c'" in str(caught.value)


WRONG_USERS = {
    "certificate without key": ({"client-certificate": "x"}, "only one of client-certificate"),
    "key without certificate": ({"client-key": "x"}, "only one of client-certificate"),
    "token and basic": ({"token": "t", "username": "u"}, "both a token and a username"),
    "token as number": ({"token": 12345}, "put it in quotes"),
    "as-groups alone": ({"as-groups": ["g"]}, "without as"),
    "as-uid alone": ({"as-uid": "1"}, "without as"),
    "as-user-extra alone": ({"as-user-extra": {"a": ["b"]}}, "without as"),
    "groups as text": ({"as": "x", "as-groups": "g"}, "must be a list"),
    "groups of numbers": ({"as": "x", "as-groups": [1]}, "must be a list of texts"),
    "exec without command": ({"exec": {"apiVersion": V1}}, "has no command"),
    "exec as text": ({"exec": "aws"}, "must be a mapping"),
    "env without name": ({"exec": {**EXEC, "env": [{"value": "x"}]}}, "without a name"),
    "env name with =": ({"exec": {**EXEC, "env": [{"name": "A=B"}]}}, "without a name"),
}


@pytest.mark.parametrize("user, words", WRONG_USERS.values(), ids=WRONG_USERS)
def test_a_wrong_user_entry_gets_a_sentence(user: dict[str, Any], words: str) -> None:
    with pytest.raises(CredentialsError, match=words):
        read(user=user)


REFUSED = {
    "auth-provider": ({}, {"auth-provider": {"name": "oidc"}}, "auth-provider 'oidc'"),
    "exec v1alpha1": (
        {},
        {"exec": {**EXEC, "apiVersion": f"{V1}alpha1"}},
        "client.authentication.k8s.io/v1alpha1",
    ),
    "exec without version": ({}, {"exec": {"command": "aws"}}, "apiVersion ''"),
    "exec that needs a terminal": (
        {},
        {"exec": {**EXEC, "interactiveMode": "Always"}},
        "interactiveMode Always",
    ),
    "socks4 proxy": ({"proxy-url": "socks4://x"}, {}, "'socks4'"),
}


@pytest.mark.parametrize("cluster, user, words", REFUSED.values(), ids=REFUSED)
def test_what_is_not_supported_is_refused_by_name(
    cluster: dict[str, Any], user: dict[str, Any], words: str
) -> None:
    with pytest.raises(CredentialsUnsupported, match=words):
        read(cluster, user)


DOCUMENTS = {
    "unknown context": (document(), "nope", "no context named 'nope'"),
    "context of a cluster that is gone": (document(), "other", "no cluster named 'gone'"),
    "no context at all": ({}, "", "has no current-context"),
    "a list": ([], "dev", "the file must be a mapping"),
    "text": ("hello", "dev", "the file must be a mapping"),
    "contexts as mapping": ({"contexts": {}}, "dev", "contexts of the file must be a list"),
}


@pytest.mark.parametrize("raw, context, words", DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_wrong_document_gets_a_sentence(raw: object, context: str, words: str) -> None:
    with pytest.raises(CredentialsError, match=words):
        parse(raw, context, "/")


def test_the_current_context_is_taken_when_none_is_named() -> None:
    assert parse(document(), "", "/").context == "dev"


def test_a_context_without_user_is_anonymous() -> None:
    assert parse(document(user={"token": "t"}), "anonymous", "/").user.token == ""


def test_no_secret_is_in_a_repr() -> None:
    secret = base64.b64encode(b"hush-pem").decode()
    user = {
        "token": "hush-token",
        "client-certificate-data": secret,
        "client-key-data": secret,
        "exec": {
            **EXEC,
            "args": ["hush-arg"],
            "env": [{"name": "A", "value": "hush-env"}],
            "provideClusterInfo": True,
        },
    }
    text = repr(read({"proxy-url": "http://u:hush-proxy@p"}, user))
    assert "aws" in text
    assert "hush" not in text
    assert "hush" not in repr(read(user={"username": "u", "password": "hush"}))
