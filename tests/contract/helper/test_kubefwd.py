"""kubefwd under the real helper: how it is kept, how it ends, and what root makes of an attack.

On the stand-in, and on the real kubefwd when it is on PATH. It needs no cluster: an idle one asks
none.
"""

import contextlib
import hashlib
import json
import os
import signal
import socket
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.contract.helper.harness import Connection, Machine, entry, eventually, gone
from tests.contract.kubefwd.conftest import KINDS
from tests.contract.kubefwd.kit import program

pytestmark = [pytest.mark.contract, pytest.mark.isolated]

NOBODY = 65534
KEY_LENGTH = 32
ACCESS = dict.fromkeys(("tls_server_name", "ca", "certificate", "key", "token"), "") | {
    "server": "https://127.0.0.1:1"
}
TOKEN = "planted-token-of-the-developer"
ADDRESS = "127.1.27.1"


def pin(path: Path) -> list[str]:
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return ["--kubefwd", str(path), "--sha256", digest]


class Running:
    """A helper with a pinned kubefwd, and a connection to it."""

    def __init__(self, machine: Machine, path: Path, **options: Any) -> None:
        self.machine, self.before = machine, machine.hosts.read_bytes()
        self.instance, self.uid = options.pop("instance", "tilt-10350"), options.get("uid", 0)
        linger = options.pop("linger", 0)
        self.operator = machine.operator(self.instance, self.uid)
        words = options.pop("pin", None) or pin(path)
        self.process = machine.start(self.instance, *words, **options)
        self.connection = self.operator.accept()
        self.hello = self.connection.hello(linger)
        self.events: list[dict[str, Any]] = []

    @property
    def folder(self) -> Path:
        return self.machine.state / f"{self.uid}.{self.instance}.kubefwd"

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        """Ask, and keep what comes before the answer."""
        self.connection.send(verb, **fields)
        while (answer := self.read()) and "event" in answer:
            self.events.append(answer)
        assert answer, "the connection has ended"
        assert answer.pop("id") == self.connection.number
        return answer

    def read(self) -> dict[str, Any] | None:
        return self.connection.read()

    def start(self, **access: str) -> dict[str, Any]:
        answer = self.ask("kubefwd-start", **{**ACCESS, **access})
        assert answer["ok"], answer
        return answer

    def until(self, name: str) -> dict[str, Any]:
        """Read on until there is an event of this name."""
        while not (found := [event for event in self.events if event["event"] == name]):
            event = self.read()
            assert event, "the connection has ended"
            assert "event" in event
            self.events.append(event)
        return found[0]

    def clean(self) -> bool:
        return self.machine.hosts.read_bytes() == self.before and not self.folder.exists()


@pytest.fixture
def machine() -> Iterator[Machine]:
    """A machine whose hosts file is the one of this namespace, which is what kubefwd edits."""
    hosts = Path("/etc/hosts")
    before = hosts.read_bytes()
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:  # a socket's path must be short
        made = Machine(Path(folder), hosts)
        yield made
        made.close()
    hosts.write_bytes(before)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that every user can enter."""
    with tempfile.TemporaryDirectory(dir="/tmp") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.fixture(params=KINDS)
def binary(request: pytest.FixtureRequest, folder: Path) -> Path:
    return program(str(request.param), folder)


@pytest.fixture
def stand_in(folder: Path) -> Path:
    return program("stand-in", folder)


@pytest.fixture
def running(machine: Machine, binary: Path) -> Running:
    return Running(machine, binary)


def ask_api(path: str, key: str = "") -> Any:
    """Ask kubefwd itself. Raises OSError."""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    request = urllib.request.Request(f"http://127.2.27.1{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=5) as answer:
        return json.loads(answer.read())


def answers(key: str) -> bool:
    with contextlib.suppress(OSError):
        return bool(ask_api("/api/info", key)["success"])
    return False


# --- its life --------------------------------------------------------------------------------


def test_it_runs_from_a_copy_with_a_key_of_roots_and_hosts_of_its_own(running: Running) -> None:
    assert running.hello["kubefwd"] == running.process.args[-1]  # type: ignore[index]
    started = running.start(token=TOKEN)
    assert len(started["api_key"]) == KEY_LENGTH
    eventually(lambda: answers(started["api_key"]))
    process = psutil.Process(started["pid"])
    assert str(running.folder / "kubefwd") in process.cmdline()
    assert set(process.environ()) == {"PATH", "HOME", "KUBEFWD_API_KEY"}
    assert "kubefwd.internal" in Path(f"/proc/{process.pid}/root/etc/hosts").read_text()
    assert running.machine.hosts.read_bytes() == running.before
    assert running.ask("kubefwd-stop") == {"ok": True}
    assert gone(process.pid)
    assert running.connection.ask("bye") == {"ok": True}
    assert running.clean()


def test_what_it_is_given_is_roots_alone(running: Running) -> None:
    started = running.start(token=TOKEN)
    eventually(lambda: answers(started["api_key"]))
    files = {file.name: file.stat() for file in running.folder.iterdir()}
    assert {"kubefwd", "kubeconfig", "token", "etc", "life"} <= set(files)
    assert not any(info.st_mode & 0o077 or info.st_uid for info in files.values())
    assert running.folder.stat().st_mode & 0o777 == 0o700
    config = json.loads((running.folder / "kubeconfig").read_text())
    assert config["users"][0]["user"] == {"tokenFile": str(running.folder / "token")}
    assert (running.folder / "token").read_text() == TOKEN
    assert running.ask("kubefwd-token", token="another") == {"ok": True}
    assert (running.folder / "token").read_text() == "another"
    kept = {
        link.readlink() for link in Path(f"/proc/{started['pid']}/fd").iterdir() if link.exists()
    }
    assert running.folder / "life" in kept
    assert not [one for one in kept if "alive" in str(one)]


def test_no_secret_is_told_or_shown_to_others(machine: Machine, binary: Path) -> None:
    running = Running(machine, binary)
    key = running.start(token=TOKEN)["api_key"]
    eventually(lambda: answers(key))
    running.ask("kubefwd-stop")
    everything = json.dumps(running.events)
    assert running.until("log")
    assert key not in everything
    assert TOKEN not in everything
    for process in psutil.process_iter(["cmdline"]):
        assert key not in str(process.info["cmdline"])


def test_its_words_come_plain_and_bounded(machine: Machine, tmp_path: Path) -> None:
    script = tmp_path / "kubefwd"
    script.write_text(
        "#!/bin/sh\nprintf '\\033[36mINFO\\033[0m key=%s\\007 hello\\n' $KUBEFWD_API_KEY\n"
        "printf '%05000d\\n' 7\ni=0; while [ $i -lt 400 ]; do echo flood; i=$((i+1)); done\n"
    )
    script.chmod(0o755)
    running = Running(machine, script)
    running.start()
    assert running.until("exited")["message"] == "kubefwd has ended with code 0."
    said = [event["message"] for event in running.events if event["event"] == "log"]
    assert said[0] == "INFO key=*** hello"
    assert len(said[1]) == 500
    assert "... and more in the same second." in said
    assert len(said) < 200


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_its_end_is_told_its_names_are_gone_and_it_can_be_run_again(
    running: Running, number: int
) -> None:
    started = running.start()
    eventually(lambda: answers(started["api_key"]))
    web = entry(ADDRESS, "web")
    assert running.ask("hosts", entries=[web])["changed"]
    os.kill(started["pid"], number)
    assert "ended with code" in running.until("exited")["message"]
    assert running.machine.hosts.read_bytes() == running.before
    assert running.ask("hosts", entries=[web])["error"] == "foreign"
    again = running.start()
    assert again["pid"] != started["pid"]
    assert again["api_key"] != started["api_key"]
    eventually(lambda: answers(again["api_key"]))
    assert running.ask("hosts", entries=[web])["changed"]


def test_one_that_is_stopped_is_killed_after_its_grace(running: Running) -> None:
    started = running.start()
    os.kill(started["pid"], signal.SIGSTOP)
    assert running.ask("kubefwd-stop") == {"ok": True}
    assert gone(started["pid"])


def _worker(running: Running) -> list[int]:
    return [running.hello["pid"]]


def _guardian(running: Running) -> list[int]:
    return [running.hello["guardian"]]


@pytest.mark.parametrize(
    "victims", [pytest.param(_worker, id="worker"), pytest.param(_guardian, id="guardian")]
)
def test_who_survives_ends_it(running: Running, victims: Callable[[Running], list[int]]) -> None:
    started = running.start()
    eventually(lambda: answers(started["api_key"]))
    assert running.ask("hosts", entries=[entry(ADDRESS, "web")])["changed"]
    for pid in victims(running):
        os.kill(pid, signal.SIGKILL)
    eventually(running.clean)
    eventually(lambda: gone(started["pid"]))


def test_the_next_helper_ends_it_when_both_were_killed(machine: Machine, binary: Path) -> None:
    running = Running(machine, binary)
    started = running.start()
    eventually(lambda: answers(started["api_key"]))
    assert running.ask("hosts", entries=[entry(ADDRESS, "web")])["changed"]
    for name in ("guardian", "pid"):
        os.kill(running.hello[name], signal.SIGSTOP)
    for name in ("guardian", "pid"):
        os.kill(running.hello[name], signal.SIGKILL)
    assert not gone(started["pid"])
    other = Running(machine, binary, instance="tilt-2")
    eventually(running.clean)
    assert gone(started["pid"])
    assert other.start()["ok"]


def test_the_end_of_the_connection_ends_it(machine: Machine, binary: Path) -> None:
    running = Running(machine, binary, linger=60)
    started = running.start()
    running.connection.close()
    eventually(running.clean)
    assert gone(started["pid"])
    running.connection = running.operator.helper()
    running.events.clear()
    assert running.start()["ok"]


# --- one at a time ---------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["127.2.27.1", "0.0.0.0"])
def test_it_is_not_started_where_another_program_has_its_address(
    machine: Machine, stand_in: Path, address: str
) -> None:
    running = Running(machine, stand_in)
    with socket.create_server((address, 80)):
        answer = running.ask("kubefwd-start", **ACCESS)
    assert (answer["ok"], answer["error"]) == (False, "in-use")
    assert answer["message"].startswith("Another program, perhaps another kubefwd, listens on")
    assert running.start()["ok"]


def test_it_is_not_started_beside_another_users(machine: Machine, binary: Path) -> None:
    first = Running(machine, binary)
    first.start()
    second = Running(machine, binary, uid=NOBODY)
    answer = second.ask("kubefwd-start", **ACCESS)
    assert (answer["error"], answer["message"]) == (
        "in-use",
        "A kubefwd of 0.tilt-10350 runs already.",
    )
    own = first.ask("kubefwd-start", **ACCESS)
    assert own["error"] == "in-use"
    first.ask("kubefwd-stop")
    assert second.start()["ok"]


# --- what root must not do for its user --------------------------------------------------------


def _swapped(path: Path) -> None:
    path.write_text("#!/bin/sh\necho swapped\n")


def _linked(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to(path.with_name("elsewhere"))


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _large(path: Path) -> None:
    os.truncate(path, (256 << 20) + 1)


def _strangers(path: Path) -> None:
    os.chown(path, 1, 1)


ATTACKS: dict[str, tuple[Callable[[Path], object], str]] = {
    "swapped": (_swapped, "is not what was authorised any more."),
    "a link": (_linked, "cannot be read (Too many levels of symbolic links)."),
    "a directory": (_directory, "is not a regular file."),
    "a pipe": (_fifo, "is not a regular file."),
    "gone": (Path.unlink, "cannot be read (No such file or directory)."),
    "world-writable": (lambda path: path.chmod(0o777), "can be changed by everybody."),
    "of another user": (_strangers, "belongs to another user."),
    "too large": (_large, "is larger than 256 MiB."),
    "only root may read it": (
        lambda path: path.chmod(0o700),
        "cannot be read (Permission denied).",
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_binary_that_is_not_what_was_authorised_is_not_run(
    machine: Machine, stand_in: Path, attack: str
) -> None:
    running = Running(machine, stand_in, uid=NOBODY)
    change, sentence = ATTACKS[attack]
    change(stand_in)
    answer = running.ask("kubefwd-start", **ACCESS)
    assert (answer["ok"], answer["error"]) == (False, "unusable")
    assert answer["message"] == f"{stand_in} {sentence}"
    assert not (running.folder / "kubefwd").exists()
    assert not psutil.Process(running.hello["pid"]).children()[1:]
    assert running.ask("heartbeat") == {"ok": True}


@pytest.mark.parametrize(
    "change, says",
    [
        ({"server": "http://127.0.0.1:1"}, "A server is an https address"),
        ({"server": "https://127.0.0.1\nusers: [{exec: x}]"}, "A server is an https address"),
        ({"ca": "/etc/shadow"}, "A CA is at most"),
        ({"token": "!!python/object:os.system"}, ""),
        ({"certificate": "&anchor", "key": "*anchor"}, "Certificate and key are at most"),
        ({"exec": {"command": "/bin/sh"}}, "The fields of kubefwd-start are"),
        ({"tokenFile": "/etc/shadow"}, "The fields of kubefwd-start are"),
    ],
)
def test_an_access_that_would_lead_root_elsewhere_is_refused(
    machine: Machine, stand_in: Path, change: dict[str, Any], says: str
) -> None:
    running = Running(machine, stand_in)
    answer = running.ask("kubefwd-start", **{**ACCESS, **change})
    if not says:  # it is a token like any other: bytes in a file of root's
        assert answer["ok"]
        assert (running.folder / "token").read_text() == change["token"]
        return
    assert (answer["ok"], answer["error"]) == (False, "protocol")
    assert answer["message"].startswith(says)
    assert not running.folder.exists()


def test_ten_megabytes_end_the_connection_and_nothing_is_run(
    machine: Machine, stand_in: Path
) -> None:
    running = Running(machine, stand_in)
    line = b'{"id": 9, "verb": "kubefwd-token", "token": "%s"}\n' % (b"x" * 10_000_000)
    with contextlib.suppress(OSError):  # it stops reading long before the end
        running.connection.raw(line)
    with contextlib.suppress(OSError):
        answer = running.read()
        assert answer is None or not answer["ok"]
    eventually(running.clean)
    assert not running.folder.exists()


def test_a_copy_serves_on_when_the_original_has_changed(machine: Machine, stand_in: Path) -> None:
    running = Running(machine, stand_in)
    running.start()
    _swapped(stand_in)
    running.ask("kubefwd-stop")
    key = running.start()["api_key"]
    eventually(lambda: answers(key))


def test_without_a_pin_nothing_is_run(machine: Machine) -> None:
    operator = machine.operator("plain")
    machine.start("plain")
    connection: Connection = operator.accept()
    assert connection.hello()["kubefwd"] == ""
    answer = connection.ask("kubefwd-start", **ACCESS)
    assert (answer["error"], answer["message"]) == (
        "unusable",
        "No kubefwd was authorised together with this helper.",
    )


def test_a_program_that_is_silent_is_ended_like_any_other(machine: Machine, tmp_path: Path) -> None:
    script = tmp_path / "kubefwd"
    script.write_text("#!/bin/sh\ntrap '' TERM\nwhile :; do sleep 1; done\n")
    script.chmod(0o755)
    running = Running(machine, script)
    pid = running.start()["pid"]
    assert running.ask("heartbeat") == {"ok": True}
    assert running.ask("kubefwd-stop") == {"ok": True}
    assert gone(pid)


# --- where there are no mount namespaces -------------------------------------------------------


def test_without_mount_namespaces_the_users_lines_are_put_back(
    machine: Machine, stand_in: Path
) -> None:
    users = b"127.0.0.1\tlocalhost\n10.0.0.9   kubefwd.internal   mine # by hand\n# end"
    machine.hosts.write_bytes(users)
    running = Running(machine, stand_in, private=False)
    key = running.start()["api_key"]
    eventually(lambda: answers(key))
    assert running.machine.hosts.read_bytes() == users
    assert running.ask("kubefwd-stop") == {"ok": True}
    assert running.machine.hosts.read_bytes() == users
