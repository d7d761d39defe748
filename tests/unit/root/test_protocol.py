"""What a line may hold: every refusal is a row."""

import json
import os
import socket
from typing import Any

import pytest

from kubefwd_operator.root.helper import protocol
from kubefwd_operator.root.helper.names import HostsEntry
from kubefwd_operator.root.helper.protocol import FramingLost, Refusal

ENTRY: dict[str, Any] = {
    "ip": "127.18.0.3",
    "service": "web",
    "namespace": "shop",
    "pod": "",
    "bare": False,
    "short": True,
}

PEM = "-----BEGIN CERTIFICATE-----\nMIIB+/=\nQUJD\n-----END CERTIFICATE-----\n"
ACCESS = {
    "server": "https://api.example:6443",
    "tls_server_name": "kubernetes",
    "ca": PEM,
    "certificate": "",
    "key": "",
    "token": "",
}


def listen(ip: str, port: int) -> dict[str, Any]:
    """Return what is left of the fields of a `listen` request."""
    return protocol.verb({"id": 1, "verb": "listen", "ip": ip, "port": port})[1]


def entries(items: list[Any]) -> list[HostsEntry]:
    """Return the entries of a `hosts` request."""
    _, fields = protocol.verb({"id": 1, "verb": "hosts", "entries": items})
    return [protocol.entry(item) for item in fields["entries"]]


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"hello", id="no JSON"),
        pytest.param(b'{"id": 1', id="half an object"),
        pytest.param(b'{"id": 1} {"id": 2}', id="two in one line"),
        pytest.param(b"\xff\xfe{\x00}\x00", id="UTF-16"),
        pytest.param(b'{"id": "\xff"}', id="not UTF-8"),
        pytest.param(b"[" * 100_000, id="nested too deeply"),
        pytest.param(b" " * protocol.MAX_LINE + b"{}", id="too long"),
    ],
)
def test_framing_is_lost(line: bytes) -> None:
    with pytest.raises(FramingLost) as refusal:
        protocol.load(line)
    assert refusal.value.code == "protocol"


@pytest.mark.parametrize("line", [b"[]", b"1", b"null", b'"hello"', b"NaN", b"[{}]"])
def test_a_line_that_is_json_but_no_object_is_refused(line: bytes) -> None:
    with pytest.raises(Refusal) as refusal:
        protocol.load(line)
    assert not isinstance(refusal.value, FramingLost)


def test_a_line_of_exactly_the_limit_is_read() -> None:
    line = b"{}" + b" " * (protocol.MAX_LINE - 2)
    assert protocol.load(line) == {}


@pytest.mark.parametrize("number", [None, "1", 1.0, True, -1, 1 << 53, [], {}])
def test_an_id_is_refused(number: object) -> None:
    with pytest.raises(Refusal, match="id"):
        protocol.identifier({"id": number})


@pytest.mark.parametrize("number", [0, 1, (1 << 53) - 1])
def test_an_id_is_taken(number: int) -> None:
    assert protocol.identifier({"id": number}) == number


@pytest.mark.parametrize(
    "request_",
    [
        {"verb": "hello", "version": 1, "linger": 30},
        {"verb": "listen", "ip": "127.18.0.3", "port": 80},
        {"verb": "release", "ip": "127.18.0.3", "port": 80},
        {"verb": "hosts", "entries": [ENTRY]},
        {"verb": "kubefwd-start", **ACCESS},
        {"verb": "kubefwd-stop"},
        {"verb": "kubefwd-token", "token": "abc"},
        {"verb": "heartbeat"},
        {"verb": "purge"},
        {"verb": "bye"},
    ],
    ids=lambda request_: str(request_["verb"]),
)
def test_a_verb_is_taken_with_its_exact_fields_only(request_: dict[str, Any]) -> None:
    fields = {key: value for key, value in request_.items() if key != "verb"}
    assert protocol.verb({"id": 1, **request_}) == (request_["verb"], fields)
    with pytest.raises(Refusal, match="fields"):
        protocol.verb({"id": 1, **request_, "more": 1})
    for field in fields:
        with pytest.raises(Refusal, match="fields"):
            protocol.verb({"id": 1, **{k: v for k, v in request_.items() if k != field}})
        wrongs: list[object] = [None, True, 1.5, {}, b""]
        for wrong in wrongs:
            with pytest.raises(Refusal, match="type"):
                protocol.verb({"id": 1, **request_, field: wrong})


@pytest.mark.parametrize("verb", [None, "", 1, [], {}, "exec", "HELLO", "hello ", "__init__"])
def test_other_verbs_do_not_exist(verb: object) -> None:
    with pytest.raises(Refusal, match="verbs"):
        protocol.verb({"id": 1, "verb": verb})


@pytest.mark.parametrize(
    "ip", ["127.18.0.1", "127.18.0.254", "127.19.255.1", "127.18.255.9", "127.19.0.100"]
)
def test_an_address_is_ours(ip: str) -> None:
    assert listen(ip, 80) == {"ip": ip, "port": 80}


@pytest.mark.parametrize(
    "ip",
    [
        *("127.0.0.1", "127.17.255.1", "127.20.0.1", "127.1.27.1", "128.18.0.1", "10.0.0.1"),
        *("127.18.0.0", "127.18.0.255", "127.19.3.0", "127.18.256.1", "127.18.0.256"),
        *("127.18.1", "127.18.0.1.1", "127.18.0.01", "127.18.00.1", "127.18.0.1\n", " 127.18.0.1"),
        *("127.18.0.1 ", "::ffff:127.18.0.1", "::1", "0.0.0.0", "", "web", "127.18.0.٣", "1270180"),
    ],
)
def test_an_address_is_foreign(ip: str) -> None:
    with pytest.raises(Refusal) as refusal:
        listen(ip, 80)
    assert refusal.value.code == "foreign"


@pytest.mark.parametrize("port", [0, -1, 65536, 1 << 40])
def test_a_port_is_refused(port: int) -> None:
    with pytest.raises(Refusal, match="65535"):
        listen("127.18.0.3", port)


def test_entries_are_read() -> None:
    pod = ENTRY | {"pod": "web-0", "bare": True, "short": False}
    assert entries([ENTRY, pod]) == [
        HostsEntry("127.18.0.3", "web", "shop"),
        HostsEntry("127.18.0.3", "web", "shop", "web-0", bare=True, short=False),
    ]


@pytest.mark.parametrize(
    "change, code",
    [
        pytest.param({"ip": "10.0.0.1"}, "foreign", id="foreign address"),
        pytest.param({"ip": 1}, "protocol", id="address of another type"),
        pytest.param({"service": "web shop"}, "protocol", id="blank in a label"),
        pytest.param({"service": "web.shop"}, "protocol", id="ready-made name"),
        pytest.param({"service": ""}, "protocol", id="empty service"),
        pytest.param({"namespace": ""}, "protocol", id="empty namespace"),
        pytest.param({"namespace": "a\n127.0.0.1 b"}, "protocol", id="a line of its own"),
        pytest.param({"pod": "A"}, "protocol", id="capital in a pod"),
        pytest.param({"pod": "a#"}, "protocol", id="comment in a pod"),
        pytest.param({"pod": None}, "protocol", id="null"),
        pytest.param({"bare": 1}, "protocol", id="number for a flag"),
        pytest.param({"short": "yes"}, "protocol", id="word for a flag"),
        pytest.param({"name": "google.com"}, "protocol", id="unknown field"),
    ],
)
def test_an_entry_is_refused(change: dict[str, Any], code: str) -> None:
    with pytest.raises(Refusal) as refusal:
        entries([ENTRY, ENTRY | change])
    assert refusal.value.code == code


@pytest.mark.parametrize("field", list(ENTRY))
def test_an_entry_misses_no_field(field: str) -> None:
    with pytest.raises(Refusal, match="fields"):
        entries([{key: value for key, value in ENTRY.items() if key != field}])


@pytest.mark.parametrize("item", [None, [], "web", 1])
def test_an_entry_is_an_object(item: object) -> None:
    with pytest.raises(Refusal, match="fields"):
        entries([item])


def test_too_many_entries_are_refused_and_the_limit_is_taken() -> None:
    assert len(entries([ENTRY] * protocol.MAX_ENTRIES)) == 4096
    with pytest.raises(Refusal) as refusal:
        entries([ENTRY] * (protocol.MAX_ENTRIES + 1))
    assert refusal.value.code == "limit"


def test_as_many_entries_as_are_allowed_fit_into_a_line() -> None:
    line = json.dumps({"id": 1, "verb": "hosts", "entries": [ENTRY] * protocol.MAX_ENTRIES})
    assert len(line) < protocol.MAX_LINE


@pytest.mark.parametrize("ip", ["127.1.27.0", "127.1.27.1", "127.1.99.9", "127.1.255.255"])
def test_an_entry_may_have_an_address_of_kubefwds_which_cannot_be_listened_on(ip: str) -> None:
    assert entries([ENTRY | {"ip": ip}])[0].ip == ip
    assert protocol.is_kubefwds(ip)
    with pytest.raises(Refusal):
        listen(ip, 80)


@pytest.mark.parametrize(
    "ip", ["127.1.26.255", "127.1.0.1", "127.1.9.1", "127.1.256.1", "127.2.27.1", "127.1.27.1\n"]
)
def test_an_entry_has_no_other_address(ip: str) -> None:
    with pytest.raises(Refusal) as refusal:
        entries([ENTRY | {"ip": ip}])
    assert refusal.value.code == "foreign"


def access(**change: str) -> dict[str, Any]:
    """Return what is left of the fields of a `kubefwd-start` request."""
    return protocol.verb({"id": 1, "verb": "kubefwd-start", **ACCESS, **change})[1]


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


@pytest.mark.parametrize("passes", [True, False], ids=["with a socket", "without"])
def test_an_answer_is_one_line_and_a_socket_goes_with_it(passes: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, socket.socket() as listener:
        protocol.send(ours, {"id": 7, "ok": True}, listener if passes else None)
        line, fds, _, _ = socket.recv_fds(theirs, 1 << 16, 2)
        assert line == b'{"id": 7, "ok": true}\n'
        for fd in fds:
            os.close(fd)
        assert len(fds) == passes
