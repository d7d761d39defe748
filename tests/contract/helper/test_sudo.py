"""The helper behind a real `sudo -A`, for a user with a password, in a place of its own.

Each test starts with one prompt; none of what follows may ask again.
"""

import contextlib
import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.helper.harness import (
    PYTHON,
    ROOT,
    Connection,
    Operator,
    entry,
    eventually,
    gone,
    listens,
)
from tests.lab.user import Dev, developer

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
HOSTS = Path("/etc/hosts")
STATE = Path("/var/run/kubefwd-operator")
IP = "127.18.0.3"


class Authorised:
    """An operator of `dev`, and the helper that `dev` has started with sudo."""

    def __init__(self, dev: Dev, stack: contextlib.ExitStack, instance: str = "tilt-10350") -> None:
        self.dev, self.before, self.prompts = dev, HOSTS.read_bytes(), dev.prompts
        base = Path(f"/run/user/{dev.uid}")
        if not base.exists():
            base = dev.mkdir(".local/state")
        self.operator = Operator(base / "kubefwd-operator" / instance, stack, dev.uid)
        self.sudo = subprocess.Popen(
            ["sudo", "-A", "--", *PYTHON, str(ROOT), "--instance", instance],
            env={"PATH": "/usr/bin:/bin", "SUDO_ASKPASS": str(dev.askpass)},
            user=dev.uid,
            group=dev.gid,
            extra_groups=[],
            start_new_session=True,
        )
        stack.callback(self.sudo.wait, 60)
        stack.callback(self.operator.close)
        self.connection = self.operator.accept()
        stack.callback(self._hang_up)

    def _hang_up(self) -> None:
        self.connection.close()

    def forward(self, linger: int = 0) -> None:
        answer = self.connection.hello(linger)
        self.worker, self.guardian = answer["pid"], answer["guardian"]
        self.socket = self.connection.listen(IP, 80)
        assert self.connection.hosts(entry(IP, "web", bare=True))["changed"]
        assert self.resolves()
        assert listens("web.shop", 80)

    def resolves(self) -> bool:
        ran = subprocess.run(["getent", "hosts", "web.shop"], capture_output=True, check=False)
        return IP.encode() in ran.stdout

    def clean(self) -> bool:
        return HOSTS.read_bytes() == self.before and not list((STATE / "leases").iterdir())

    def ended(self) -> bool:
        return self.sudo.poll() is not None and gone(self.worker, self.guardian)


@pytest.fixture
def stack() -> Iterator[contextlib.ExitStack]:
    with contextlib.ExitStack() as opened:
        yield opened


@pytest.fixture(params=[True, False], ids=["use_pty", "!use_pty"])
def authorised(request: pytest.FixtureRequest, stack: contextlib.ExitStack) -> Iterator[Authorised]:
    dev = developer()
    dev.sudoers(use_pty=request.param)
    made = Authorised(dev, stack)
    yield made
    assert dev.prompts == made.prompts + 1, "sudo has asked again"


def test_one_prompt_serves_names_and_port_80(authorised: Authorised) -> None:
    authorised.forward()
    found = socket.getaddrinfo("web.shop", 80, socket.AF_INET6, socket.SOCK_STREAM)
    assert [address[4][0] for address in found] == [f"::ffff:{IP}"]
    assert listens(f"::ffff:{IP}", 80)
    assert authorised.connection.ask("bye") == {"ok": True}
    assert authorised.clean()
    eventually(authorised.ended)
    assert authorised.sudo.returncode == 0


def test_the_end_of_the_operator_cleans_and_a_restart_needs_no_prompt(
    authorised: Authorised,
) -> None:
    authorised.forward(linger=60)
    worker = authorised.worker
    authorised.connection.close()
    eventually(authorised.clean)
    assert not listens(IP, 80)
    authorised.connection = authorised.operator.accept()
    authorised.forward(linger=0)
    assert authorised.worker == worker
    authorised.connection.close()
    authorised.operator.close()
    eventually(authorised.clean)
    eventually(authorised.ended)


@pytest.mark.parametrize("name", ["worker", "guardian"])
def test_a_killed_half_is_survived_by_the_other(authorised: Authorised, name: str) -> None:
    authorised.forward(linger=60)
    os.kill(getattr(authorised, name), signal.SIGKILL)
    assert authorised.connection.read() is None
    eventually(authorised.clean)
    eventually(authorised.ended)


def test_a_killed_sudo_changes_nothing(authorised: Authorised) -> None:
    authorised.forward()
    authorised.sudo.kill()
    authorised.sudo.wait(30)
    assert authorised.connection.ask("heartbeat") == {"ok": True}
    assert authorised.resolves()
    assert listens(IP, 80)
    authorised.connection.close()
    eventually(authorised.clean)
    eventually(authorised.ended)


@pytest.mark.timeout(120)
def test_an_operator_silent_for_15_seconds_has_ended(stack: contextlib.ExitStack) -> None:
    authorised = Authorised(developer(), stack)
    authorised.forward(linger=60)
    eventually(authorised.clean, 40)
    assert authorised.connection.read() is None
    authorised.connection = authorised.operator.accept()
    authorised.forward()
    authorised.connection.ask("bye")


def test_the_runtime_directory_of_a_login_is_used(stack: contextlib.ExitStack) -> None:
    dev = developer()
    folder = dev.runtime_folder()
    try:
        authorised = Authorised(dev, stack)
        assert (folder / "kubefwd-operator/tilt-10350/helper.sock").exists()
        authorised.forward()
        authorised.connection.ask("bye")
    finally:
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        folder.rmdir()


@contextlib.contextmanager
def _mounted(option: str) -> Iterator[None]:
    """Make /etc/hosts a mount of its own, so that no rename replaces it."""
    subprocess.run(["mount", "--bind", HOSTS, HOSTS], check=True)
    subprocess.run(["mount", "-o", f"remount,bind,{option}", HOSTS], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", HOSTS], check=True)


def test_a_bind_mounted_hosts_file_is_written_in_place(stack: contextlib.ExitStack) -> None:
    with _mounted("rw"):
        authorised = Authorised(developer(), stack)
        authorised.forward()
        authorised.connection.ask("bye")
        assert authorised.clean()
        assert not (STATE / "hosts.journal").exists()
        eventually(authorised.ended)


def test_a_read_only_hosts_file_is_told_and_listeners_work(stack: contextlib.ExitStack) -> None:
    with _mounted("ro"):
        authorised = Authorised(developer(), stack)
        connection: Connection = authorised.connection
        connection.hello()
        connection.listen(IP, 80)
        answer = connection.hosts(entry(IP, "web"))
        assert (answer["ok"], answer["error"]) == (False, "read-only")
        assert "/etc/hosts" in answer["message"]
        assert listens(IP, 80)
        assert connection.ask("bye") == {"ok": True}
        assert authorised.clean()


def test_the_user_may_not_write_where_root_keeps_its_ledger(stack: contextlib.ExitStack) -> None:
    authorised = Authorised(developer(), stack)
    authorised.forward()
    for path in (STATE, *STATE.rglob("*")):
        if not path.is_symlink():
            # Everybody may read what is leased, and no more: not even lock a file.
            readable = path in (STATE, STATE / "leases")
            assert path.stat().st_uid == 0
            assert path.stat().st_mode & (0o022 if readable else 0o077) == 0
    authorised.connection.ask("bye")
