"""The dialogue: it answers or closes, never raises, and bad input changes nothing."""

import json
import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.unit.root.leases import ours

from kubefwd_operator.root.helper.hosts import Hosts
from kubefwd_operator.root.helper.kubefwd.output import Output
from kubefwd_operator.root.helper.kubefwd.process import Kubefwd
from kubefwd_operator.root.helper.ledger import Ledger
from kubefwd_operator.root.helper.listeners import Listeners
from kubefwd_operator.root.helper.peer import User
from kubefwd_operator.root.helper.session import Session

IP = "127.18.78.3"
WEB = {
    "ip": IP,
    "service": "web",
    "namespace": "shop",
    "pod": "",
    "bare": True,
    "short": True,
    "hostnames": [],
}
BEFORE = b"127.0.0.1 localhost"


class Side:
    """A session on real parts in a folder of the test's own."""

    def __init__(self, folder: Path) -> None:
        self.file, self.undone = folder / "hosts", 0
        self.file.write_bytes(BEFORE)
        self.ledger = Ledger(str(folder / "state"), f"{os.getuid()}.tilt-10350")
        self.life = self.ledger.live(0)
        self.hosts, self.listeners = Hosts(str(self.file), self.ledger), Listeners(self.ledger)
        self.kubefwd = Kubefwd(User(os.getuid(), "/", "tilt-10350"), self.hosts)
        self.session = self.connect()

    def connect(self) -> Session:
        return Session(self.hosts, self.listeners, self.kubefwd, 4711, self.undo)

    def undo(self, whose: Callable[[str], bool]) -> None:
        self.undone += 1
        self.hosts.remove(whose)
        self.listeners.close(whose)
        self.ledger.free(whose)

    def ask(self, verb: str, **fields: Any) -> tuple[dict[str, Any], socket.socket | None]:
        return self.session.answer(json.dumps({"id": 7, "verb": verb, **fields}).encode())

    def untouched(self) -> bool:
        return self.file.read_bytes() == BEFORE and not ours(self.ledger)


@pytest.fixture
def side(tmp_path: Path) -> Iterator[Side]:
    made = Side(tmp_path)
    yield made
    made.undo(made.ledger.mine)
    made.life.close()


@pytest.fixture
def greeted(side: Side) -> Side:
    assert side.ask("hello", version=1, linger=30)[0]["ok"]
    return side


def _port() -> int:
    with socket.create_server((IP, 0)) as free:
        return int(free.getsockname()[1])


def test_hello_tells_who_answers(side: Side) -> None:
    answer, _ = side.ask("hello", version=1, linger=30)
    told = {"version": 1, "kubefwd": "", "hostnames": (), "pid": os.getpid(), "guardian": 4711}
    assert answer == {"id": 7, "ok": True, **told}
    assert (side.session.linger, side.session.closed) == (30, False)


@pytest.mark.parametrize(
    "verb, fields, code",
    [
        pytest.param("hello", {"version": 2, "linger": 0}, "version", id="another version"),
        pytest.param("hello", {"version": 1, "linger": -1}, "protocol", id="negative linger"),
        pytest.param("hello", {"version": 1, "linger": 301}, "protocol", id="long linger"),
        pytest.param("hello", {"version": 1}, "protocol", id="field missing"),
        pytest.param("heartbeat", {}, "protocol", id="heartbeat first"),
        pytest.param("listen", {"ip": IP, "port": 1}, "protocol", id="listen first"),
        pytest.param("bye", {}, "protocol", id="bye first"),
        pytest.param("purge", {}, "protocol", id="purge first"),
    ],
)
def test_it_begins_with_hello_or_not_at_all(
    side: Side, verb: str, fields: dict[str, Any], code: str
) -> None:
    answer, _ = side.ask(verb, **fields)
    assert (answer["id"], answer["ok"], answer["error"]) == (7, False, code)
    assert side.session.closed
    assert not side.session.over
    assert side.undone == 0


def test_a_second_hello_is_refused_and_changes_nothing(greeted: Side) -> None:
    answer, _ = greeted.ask("hello", version=1, linger=0)
    assert answer["error"] == "protocol"
    assert (greeted.session.linger, greeted.session.closed) == (30, False)


def test_listen_passes_one_socket_and_hosts_names_its_address(greeted: Side) -> None:
    port = _port()
    answer, passed = greeted.ask("listen", ip=IP, port=port)
    assert answer == {"id": 7, "ok": True}
    assert passed is not None
    assert passed.getsockname() == (IP, port)
    answer, passed = greeted.ask("hosts", entries=[WEB])
    assert answer == {"id": 7, "ok": True, "changed": True}
    assert passed is None
    assert b"web.shop" in greeted.file.read_bytes()
    assert greeted.ask("hosts", entries=[])[0]["changed"]
    assert greeted.file.read_bytes() == BEFORE
    assert greeted.ask("release", ip=IP, port=port)[0]["ok"]
    assert greeted.untouched()


@pytest.mark.parametrize("ip", [IP, "127.0.0.1", "127.1.27.1", "127.18.0.255", "127.18.0.0"])
def test_hosts_takes_leased_addresses_only(greeted: Side, ip: str) -> None:
    answer, _ = greeted.ask("hosts", entries=[{**WEB, "ip": ip}])
    assert answer["error"] == "foreign"
    assert ip in answer["message"]
    assert greeted.untouched()


def test_kubefwds_own_addresses_are_named_while_it_runs_only(greeted: Side) -> None:
    entry, other = {**WEB, "ip": "127.1.27.1"}, {**WEB, "ip": "127.1.26.1"}
    assert greeted.ask("hosts", entries=[entry])[0]["error"] == "foreign"
    reader, writer = os.pipe()
    greeted.kubefwd.output = Output(reader)
    try:
        assert greeted.ask("hosts", entries=[entry])[0]["ok"]
        assert b"127.1.27.1 web" in greeted.file.read_bytes()
        assert greeted.ask("hosts", entries=[other])[0]["error"] == "foreign"
    finally:
        greeted.kubefwd.output = None
        os.close(reader)
        os.close(writer)
    assert greeted.ask("hosts", entries=[entry])[0]["error"] == "foreign"


def test_without_a_kubefwd_that_was_authorised_none_is_started(greeted: Side) -> None:
    names = ("server", "tls_server_name", "ca", "certificate", "key", "token")
    access = {**dict.fromkeys(names, ""), "server": "https://10.0.0.1"}
    assert greeted.ask("kubefwd-start", **access)[0]["error"] == "unusable"
    assert greeted.ask("kubefwd-stop")[0]["ok"]
    assert greeted.ask("kubefwd-token", token="t")[0]["ok"]
    assert greeted.untouched()


@pytest.mark.parametrize("verb", ["bye", "purge"])
def test_the_last_word_undoes_and_ends(greeted: Side, verb: str) -> None:
    greeted.ask("listen", ip=IP, port=_port())
    greeted.ask("hosts", entries=[WEB])
    answer, _ = greeted.ask(verb)
    assert answer == {"id": 7, "ok": True}
    assert greeted.session.over
    assert greeted.session.closed
    assert greeted.untouched()


def test_purge_sweeps_the_dead_as_well(greeted: Side, tmp_path: Path) -> None:
    dead = Ledger(str(tmp_path / "state"), "7.dead")
    dead.lease(IP)
    greeted.file.write_bytes(b"127.18.0.1 x # kubefwd-operator:7.dead\n" + BEFORE)
    greeted.ask("purge")
    assert greeted.untouched()
    assert ours(dead) == set()


@pytest.mark.parametrize(
    "line, closed",
    [
        pytest.param(b"no JSON", True, id="no JSON"),
        pytest.param(b"x" * (1 << 20) + b"x", True, id="too long"),
        pytest.param(b"[]", False, id="no object"),
        pytest.param(b'{"verb": "heartbeat"}', False, id="no id"),
        pytest.param(b'{"id": "1", "verb": "heartbeat"}', False, id="id is no number"),
    ],
)
def test_a_line_without_a_usable_id_is_answered_with_null(
    greeted: Side, line: bytes, closed: bool
) -> None:
    answer, _ = greeted.session.answer(line)
    assert (answer["id"], answer["error"]) == (None, "protocol")
    assert greeted.session.closed is closed


def test_an_unforeseen_error_is_an_answer(greeted: Side, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(greeted.session._methods, "listen", lambda **_: 1 / 0)
    answer, _ = greeted.ask("listen", ip=IP, port=80)
    assert answer["error"] == "system"
    assert not greeted.session.closed


def test_an_error_of_the_system_is_told(greeted: Side) -> None:
    greeted.file.unlink()
    answer, _ = greeted.ask("hosts", entries=[])
    assert answer["error"] == "system"
    assert "No such file" in answer["message"]
    greeted.file.write_bytes(BEFORE)


_scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
_json = st.recursive(
    _scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=8), inner)
)
_VERBS = ["hello", "listen", "release", "hosts", "heartbeat", "nonsense", "_bye", ""]
_FIELDS = ["version", "linger", "ip", "port", "entries", "id", "more"]
_near = st.builds(
    lambda number, verb, fields: {"id": number, "verb": verb, **fields},
    st.integers(-1, 1 << 54) | _scalars,
    st.sampled_from(_VERBS) | _json,
    st.dictionaries(st.sampled_from(_FIELDS), _json),
)
_entry = st.fixed_dictionaries(
    {key: _scalars | st.just(value) for key, value in WEB.items()}, optional={"more": _scalars}
)
_hosts = st.builds(
    lambda entries: {"id": 1, "verb": "hosts", "entries": entries}, st.lists(_entry, min_size=1)
)
_foreign = st.builds(
    lambda ip, port: {"id": 1, "verb": "listen", "ip": ip, "port": port},
    st.text(max_size=20) | st.ip_addresses(v=4, network="10.0.0.0/8").map(str),
    st.integers(),
)
_lines = st.binary(max_size=300) | (_near | _hosts | _foreign | _json).map(
    lambda value: json.dumps(value).encode()
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines=st.lists(_lines, max_size=5), polite=st.booleans())
def test_no_line_raises_or_changes_anything(side: Side, lines: list[bytes], polite: bool) -> None:
    session = side.connect()
    if polite:
        session.answer(b'{"id": 1, "verb": "hello", "version": 1, "linger": 3}')
    for line in lines:
        answer, passed = session.answer(line)
        json.dumps(answer)
        assert passed is None
        assert answer["ok"] in (True, False)
        assert answer["ok"] or answer["error"] in {"protocol", "version", "foreign"}
        assert side.untouched()
        assert not session.over
        if session.closed:
            break
