"""What may be asked of kubefwd: every refusal is a row."""

import json
from typing import Any

import pytest

from kubefwd_operator.root.helper import protocol
from kubefwd_operator.root.helper.kubefwd import wire
from kubefwd_operator.root.helper.protocol import Refusal

PEM = "-----BEGIN CERTIFICATE-----\nMIIB+/=\nQUJD\n-----END CERTIFICATE-----\n"
ACCESS = {
    "server": "https://api.example:6443",
    "tls_server_name": "kubernetes",
    "ca": PEM,
    "certificate": "",
    "key": "",
    "token": "",
}


def access(**change: str) -> dict[str, Any]:
    """Return what is left of the fields of a `kubefwd-start` request."""
    return protocol.request({"id": 1, "verb": "kubefwd-start", **ACCESS, **change}, wire.VERBS)[1]


@pytest.mark.parametrize("verb", wire.VERBS)
def test_a_verb_is_taken_with_its_exact_fields_only(verb: str) -> None:
    fields = {name: ACCESS[name] for name in wire.VERBS[verb]}
    asked = {"id": 1, "verb": verb, **fields}
    assert protocol.request(asked, wire.VERBS) == (verb, fields)
    for wrong in (asked | {"more": 1}, *({**asked, name: None} for name in fields)):
        with pytest.raises(Refusal):
            protocol.request(wrong, wire.VERBS)


@pytest.mark.parametrize(
    "change",
    [
        {"server": "https://10.0.0.1"},
        {"server": "https://[fd00::1]:6443/k8s/clusters/c-m-1"},
        {"server": "https://ABC.gr7.eu-west-1.eks.amazonaws.com"},
        {"tls_server_name": ""},
        {"tls_server_name": "10.0.0.1"},
        {"ca": "", "token": "eyJhbGciOi.J9.x-_=" * 100},
        {"ca": PEM * 3},
        {"certificate": PEM, "key": PEM.replace("CERTIFICATE", "EC PRIVATE KEY")},
    ],
)
def test_an_access_is_taken(change: dict[str, str]) -> None:
    assert access(**change) == {**ACCESS, **change}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"server": "http://10.0.0.1"}, id="http"),
        pytest.param({"server": "10.0.0.1:6443"}, id="no scheme"),
        pytest.param({"server": "file:///etc/shadow"}, id="file"),
        pytest.param({"server": "https://user:pass@host"}, id="a user in the server"),
        pytest.param({"server": "https://host?x=1"}, id="a query"),
        pytest.param({"server": "https://host#x"}, id="a fragment"),
        pytest.param({"server": 'https://host", "insecure-skip-tls-verify": true'}, id="JSON"),
        pytest.param({"server": "https://host\nusers: []"}, id="YAML"),
        pytest.param({"server": "https://host\n"}, id="a newline at the end"),
        pytest.param({"server": "https://höst"}, id="not ASCII"),
        pytest.param({"server": "https://" + "a" * 254}, id="a long host"),
        pytest.param({"server": "https://host/" + "a" * 2048}, id="a long path"),
        pytest.param({"server": ""}, id="no server"),
        pytest.param({"tls_server_name": "a/b"}, id="a path for a name"),
        pytest.param({"tls_server_name": "a\nb"}, id="two lines for a name"),
        pytest.param({"ca": "/etc/shadow"}, id="a path for a CA"),
        pytest.param({"ca": "/etc/shadow\n" + PEM}, id="a path before a CA"),
        pytest.param({"ca": PEM.replace("MIIB", "&a [*a]")}, id="an anchor in a CA"),
        pytest.param({"ca": PEM * 8000}, id="a large CA"),
        pytest.param({"certificate": "!!python/object", "key": PEM}, id="a tag for a certificate"),
        pytest.param({"key": PEM * 2000}, id="a large key"),
        pytest.param({"token": "two words"}, id="a blank in a token"),
        pytest.param({"token": "a\nb"}, id="two lines for a token"),
        pytest.param({"token": "x" * 65537}, id="a large token"),
    ],
)
def test_an_access_is_refused_and_not_quoted(change: dict[str, str]) -> None:
    with pytest.raises(Refusal) as refusal:
        access(**change)
    assert refusal.value.code == "protocol"
    assert not any(value and value in str(refusal.value) for value in change.values())


@pytest.mark.parametrize(
    "name", ["exec", "tokenFile", "proxy-url", "insecure-skip-tls-verify", "auth-provider", "path"]
)
def test_an_access_has_no_other_field(name: str) -> None:
    with pytest.raises(Refusal, match="The fields of kubefwd-start are"):
        access(**{name: "true"})


def test_the_largest_access_fits_into_a_line() -> None:
    body = "A" * 64 + "\n"
    room = len(PEM) + len(body)
    ca = PEM.replace("QUJD\n", body * ((524288 - room) // len(body)))
    small = PEM.replace("QUJD\n", body * ((65536 - room) // len(body)))
    fields = access(ca=ca, certificate=small, key=small, token="x" * 65536)
    line = json.dumps({"id": 1, "verb": "kubefwd-start", **fields})
    assert len(line) < protocol.MAX_LINE


@pytest.mark.parametrize("ip", ["127.1.27.0", "127.1.27.1", "127.1.99.9", "127.1.255.255"])
def test_an_address_is_kubefwds(ip: str) -> None:
    assert wire.is_own(ip)


@pytest.mark.parametrize(
    "ip", ["127.1.26.255", "127.1.0.1", "127.1.9.1", "127.2.27.1", "127.18.27.1"]
)
def test_an_address_is_not_kubefwds(ip: str) -> None:
    assert not wire.is_own(ip)
