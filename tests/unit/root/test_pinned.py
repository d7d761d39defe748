"""The kubeconfig that root writes, and which program it takes. Reading as the user needs root."""

import base64
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from kubefwd_operator.engines.kubefwd.api import CONTEXT
from kubefwd_operator.root.helper.kubefwd import pinned
from kubefwd_operator.root.helper.peer import User
from kubefwd_operator.root.helper.protocol import Refusal

ACCESS = {
    "server": "https://10.0.0.1",
    "tls_server_name": "",
    "ca": "",
    "certificate": "",
    "key": "",
    "token": "",
}
NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="NOT TESTED: needs root, as the helper")


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "change, cluster, user",
    [
        pytest.param({}, {}, {}, id="nothing but a server"),
        pytest.param({"tls_server_name": "k"}, {"tls-server-name": "k"}, {}, id="a server name"),
        pytest.param({"ca": "CA"}, {"certificate-authority-data": encoded("CA")}, {}, id="a CA"),
        pytest.param({"token": "t"}, {}, {"tokenFile": "/state/token"}, id="a token is in a file"),
        pytest.param(
            {"certificate": "C", "key": "K"},
            {},
            {"client-certificate-data": encoded("C"), "client-key-data": encoded("K")},
            id="a certificate",
        ),
    ],
)
def test_a_kubeconfig_holds_values_only(
    change: dict[str, str], cluster: dict[str, str], user: dict[str, str]
) -> None:
    text = pinned.kubeconfig({**ACCESS, **change}, "/state/token")
    found = yaml.safe_load(text)
    assert found == json.loads(text)
    assert found["current-context"] == CONTEXT
    assert found["contexts"] == [
        {"name": CONTEXT, "context": {"cluster": CONTEXT, "user": CONTEXT}}
    ]
    assert found["clusters"] == [
        {"name": CONTEXT, "cluster": {"server": "https://10.0.0.1", **cluster}}
    ]
    assert found["users"] == [{"name": CONTEXT, "user": user}]


@pytest.fixture
def program(tmp_path: Path) -> Path:
    made = tmp_path / "kubefwd"
    made.write_bytes(b"program" * 1000)
    made.chmod(0o755)
    return made


def user_of(program: Path, uid: int = 0) -> User:
    return User(uid, "/", "a", str(program), hashlib.sha256(program.read_bytes()).hexdigest())


@NEEDS_ROOT
def test_the_copy_is_the_same_and_roots_alone(program: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy"
    pinned.copy(user_of(program), str(target))
    assert target.read_bytes() == program.read_bytes()
    assert target.stat().st_mode & 0o777 == 0o700
    assert (os.geteuid(), os.getegid()) == (0, 0)


@NEEDS_ROOT
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_text("swapped"), id="swapped"),
        pytest.param(lambda path: path.chmod(0o757), id="world-writable"),
        pytest.param(lambda path: os.chown(path, 1, 1), id="of another user"),
        pytest.param(Path.unlink, id="gone"),
    ],
)
def test_what_is_refused_leaves_nothing_and_root_is_root_again(
    program: Path, tmp_path: Path, change: Callable[[Path], object]
) -> None:
    user = user_of(program)
    change(program)
    with pytest.raises(Refusal) as refusal:
        pinned.copy(user, str(tmp_path / "copy"))
    assert refusal.value.code == "unusable"
    assert list(tmp_path.glob("copy*")) == []
    assert (os.geteuid(), os.getegid(), os.getgroups()) == (0, 0, os.getgroups())


@NEEDS_ROOT
@pytest.mark.parametrize("grows", [False, True], ids=["when it is opened", "while it is read"])
def test_what_is_too_large_is_refused(
    program: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, grows: bool
) -> None:
    program.write_bytes(b"program!" * (3 << 17))  # three pieces
    monkeypatch.setattr(pinned, "MAX_BYTES", 1 << 20)
    if grows:
        monkeypatch.setattr(pinned, "_objection", lambda *_: "")
    why = "is not what was authorised" if grows else "is larger than"
    with pytest.raises(Refusal, match=why):
        pinned.copy(user_of(program), str(tmp_path / "copy"))
    assert list(tmp_path.glob("copy*")) == []


@NEEDS_ROOT
def test_a_pipe_is_no_program_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "kubefwd")
    with pytest.raises(Refusal, match="is not a regular file"):
        pinned.copy(User(0, "/", "a", str(tmp_path / "kubefwd"), "0" * 64), str(tmp_path / "copy"))
