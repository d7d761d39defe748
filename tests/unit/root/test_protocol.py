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
    "hostnames": [],
}


def listen(ip: str, port: int) -> dict[str, Any]:
    """Return what is left of the fields of a `listen` request."""
    return protocol.request({"id": 1, "verb": "listen", "ip": ip, "port": port})[1]


def entries(items: list[Any]) -> list[HostsEntry]:
    """Return the entries of a `hosts` request."""
    _, fields = protocol.request({"id": 1, "verb": "hosts", "entries": items})
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
        protocol.ID.check(number)


@pytest.mark.parametrize("number", [0, 1, (1 << 53) - 1])
def test_an_id_is_taken(number: int) -> None:
    assert protocol.ID.check(number) == number


@pytest.mark.parametrize(
    "request_",
    [
        {"verb": "hello", "version": 1, "linger": 30},
        {"verb": "listen", "ip": "127.18.0.3", "port": 80},
        {"verb": "release", "ip": "127.18.0.3", "port": 80},
        {"verb": "hosts", "entries": [ENTRY]},
        {"verb": "heartbeat"},
        {"verb": "purge"},
        {"verb": "bye"},
    ],
    ids=lambda request_: str(request_["verb"]),
)
def test_a_verb_is_taken_with_its_exact_fields_only(request_: dict[str, Any]) -> None:
    fields = {key: value for key, value in request_.items() if key != "verb"}
    assert protocol.request({"id": 1, **request_}) == (request_["verb"], fields)
    with pytest.raises(Refusal, match="fields"):
        protocol.request({"id": 1, **request_, "more": 1})
    for field in fields:
        with pytest.raises(Refusal, match="fields"):
            protocol.request({"id": 1, **{k: v for k, v in request_.items() if k != field}})
        wrongs: list[object] = [None, True, 1.5, {}, b""]
        for wrong in wrongs:
            with pytest.raises(Refusal):
                protocol.request({"id": 1, **request_, field: wrong})


@pytest.mark.parametrize("verb", [None, "", 1, [], {}, "exec", "HELLO", "hello ", "__init__"])
def test_other_verbs_do_not_exist(verb: object) -> None:
    with pytest.raises(Refusal, match="verbs"):
        protocol.request({"id": 1, "verb": verb})


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
    named = ENTRY | {"hostnames": ["a.test", "b.shop.test"]}
    assert entries([ENTRY, pod, named]) == [
        HostsEntry("127.18.0.3", "web", "shop"),
        HostsEntry("127.18.0.3", "web", "shop", "web-0", bare=True, short=False),
        HostsEntry("127.18.0.3", "web", "shop", hostnames=("a.test", "b.shop.test")),
    ]


@pytest.mark.parametrize(
    "change, code",
    [
        pytest.param({"ip": "10.0.0.1"}, "foreign", id="foreign address"),
        pytest.param({"ip": 1}, "foreign", id="address of another type"),
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
        pytest.param({"hostnames": "a.test"}, "protocol", id="hostnames, a text"),
        pytest.param({"hostnames": ["test"]}, "protocol", id="hostname of one label"),
        pytest.param({"hostnames": ["a.test\n127.0.0.1 b"]}, "protocol", id="hostname, two lines"),
        pytest.param({"hostnames": ["a.test b.test"]}, "protocol", id="hostname, a blank"),
        pytest.param({"hostnames": ["a.test#"]}, "protocol", id="hostname, a comment"),
        pytest.param({"hostnames": ["A.test"]}, "protocol", id="hostname, a capital"),
        pytest.param({"hostnames": [["a.test"]]}, "protocol", id="hostname, a list"),
        pytest.param({"hostnames": [f"{'a.' * 125}test"]}, "protocol", id="long hostname"),
        pytest.param({"hostnames": ["a.test"] * 9}, "protocol", id="nine hostnames"),
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


@pytest.mark.parametrize("ip", ["127.1.27.1", "127.0.0.1", "127.19.255.255"])
def test_an_entry_has_an_address_of_loopback_for_the_session_to_look_up(ip: str) -> None:
    assert entries([ENTRY | {"ip": ip}])[0].ip == ip


@pytest.mark.parametrize(
    "ip",
    ["128.1.0.1", "127.1.256.1", "127.1.27.01", "127.1.27.1\n", "127.1.27", "127.1.1.1.1", "../x"],
)
def test_an_entry_has_no_other_address(ip: str) -> None:
    with pytest.raises(Refusal) as refusal:
        entries([ENTRY | {"ip": ip}])
    assert refusal.value.code == "foreign"


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
