"""Each thing that root is asked for is one line in syslog and in the log, without a secret."""

import asyncio
import json
import os
import syslog
from pathlib import Path
from typing import Any

import pytest

from kubefwd_operator.core.errors import HelperGone, HelperRefused
from kubefwd_operator.privileged.audit import audit as operators
from kubefwd_operator.privileged.wire import Answer
from kubefwd_operator.root.helper.hosts import Hosts
from kubefwd_operator.root.helper.kubefwd.process import Kubefwd
from kubefwd_operator.root.helper.ledger import Ledger
from kubefwd_operator.root.helper.listeners import Listeners
from kubefwd_operator.root.helper.peer import User
from kubefwd_operator.root.helper.session import Session, audit

DONE: dict[str, Any] = {"ok": True}
REFUSED: dict[str, Any] = {"ok": False, "error": "leased", "message": "It is in use.\nroot: forged"}
SECRETS = {"token": "hunter2", "key": "hunter2", "certificate": "hunter2", "ca": "hunter2"}
ROWS = [
    pytest.param("hello", {"version": 1, "linger": 30}, "hello linger=30 {}", id="hello"),
    pytest.param(
        "listen", {"ip": "127.18.0.3", "port": 80}, "listen ip=127.18.0.3 port=80 {}", id="listen"
    ),
    pytest.param("hosts", {"entries": [{}, {}]}, "hosts entries=2 {}", id="hosts"),
    pytest.param(
        "kubefwd-start",
        {"server": "https://api:6443", **SECRETS},
        "kubefwd-start server=https://api:6443 {}",
        id="credentials",
    ),
    pytest.param("kubefwd-token", {"token": "hunter2"}, "kubefwd-token {}", id="a token"),
    pytest.param("bye", {}, "bye {}", id="bye"),
    pytest.param(
        "listen",
        {"ip": "1\n1.t: purge done\r\x1b[2J\x00\u2028", "port": 1},
        "listen ip=1\\n1.t: purge done\\r\\x1b[2J\\x00\\u2028 port=1 {}",
        id="a forged line",
    ),
]


@pytest.mark.parametrize("verb, fields, line", ROWS)
def test_root_says_one_line(verb: str, fields: dict[str, Any], line: str) -> None:
    assert audit("7.t", verb, fields, DONE) == "7.t: " + line.format("done")
    assert audit("7.t", verb, fields, REFUSED) == "7.t: " + line.format("refused (leased)")


@pytest.mark.parametrize("verb, fields, line", ROWS)
def test_the_operator_says_the_same(verb: str, fields: dict[str, Any], line: str) -> None:
    loop = asyncio.new_event_loop()
    try:
        done, refused, gone, cancelled = (loop.create_future() for _ in range(4))
        done.set_result(answered(changed=True))
        refused.set_exception(HelperRefused("leased", "It is in use.\nroot: forged"))
        gone.set_exception(HelperGone("It is gone."))
        cancelled.cancel()
        results = {done: "done", refused: "refused (leased)"}
        results |= dict.fromkeys((gone, cancelled), "not answered")
        for answer, result in results.items():
            assert operators(verb, fields, answer) == "root: " + line.format(result)
    finally:
        loop.close()


def answered(**body: Any) -> Answer:
    return Answer(1, True, "", "", body)


@pytest.mark.parametrize(
    "verb, body", [("hosts", {"changed": False}), ("heartbeat", {})], ids=["unchanged", "heartbeat"]
)
def test_the_operator_leaves_out_what_root_leaves_out(verb: str, body: dict[str, Any]) -> None:
    loop = asyncio.new_event_loop()
    try:
        answer = loop.create_future()
        answer.set_result(answered(**body))
        assert operators(verb, {}, answer) == ""
    finally:
        loop.close()


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(syslog, "syslog", lines.append)
    return lines


def test_each_request_is_a_line_but_heartbeats_and_what_changes_nothing(
    tmp_path: Path, said: list[str]
) -> None:
    (tmp_path / "hosts").write_bytes(b"")
    ledger = Ledger(str(tmp_path / "state"), "7.t")
    hosts = Hosts(str(tmp_path / "hosts"), ledger)
    kubefwd = Kubefwd(User(os.getuid(), "/", "t"), hosts)
    session = Session(hosts, Listeners(ledger), kubefwd, 1, lambda _: None)
    requests: list[dict[str, Any]] = [
        {"verb": "hello", "version": 1, "linger": 3},
        {"verb": "heartbeat"},
        {"verb": "hosts", "entries": []},
        {"verb": "hosts", "entries": [1]},
        {"verb": "release", "ip": "127.18.0.3", "port": 80},
        {"verb": "kubefwd-token", "token": "hunter2"},
        {"verb": "bye"},
    ]
    for request in requests:
        session.answer(json.dumps({"id": 1, **request}).encode())
    assert [line.rsplit(" (")[0] for line in said] == [
        "7.t: hello linger=3 done",
        "7.t: hosts entries=1 refused",
        "7.t: release ip=127.18.0.3 port=80 done",
        "7.t: kubefwd-token done",
        "7.t: bye done",
    ]
