"""Another user of the machine connects to what the developer forwards, and forwards as well."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab import inside
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    address,
    get,
    is_ready,
    names_of,
    row,
    wait_answer,
    wait_gone,
)
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

WEB, LEDGER = "web.storefront", "ledger.billing"
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
NEIGHBOUR, UID = "neighbour", inside.UID + 1

ASK = """
import http.client, socket, sys
address = socket.gethostbyname(sys.argv[1])  # one connection: the name has two addresses
try:
    client = http.client.HTTPConnection(address, timeout=40)
    client.request("GET", "/")
    print(client.getresponse().status)
except ConnectionResetError:
    print("reset")
"""


QUESTION = """
import json, socket, sys
asking = socket.socket(socket.AF_UNIX)
asking.settimeout(40)
try:
    asking.connect(sys.argv[1])
    asking.sendall(json.dumps({"address": sys.argv[2], "port": 80}).encode() + b"\\n")
    print(asking.makefile().readline().strip() or "nothing")
except (PermissionError, ConnectionError) as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def neighbour() -> Dev:
    """Give a second user of this machine."""
    home = inside.HOME.parent / NEIGHBOUR
    command = ("useradd", "--uid", str(UID), "--create-home", "--home-dir", str(home), NEIGHBOUR)
    subprocess.run(command, check=True)
    return Dev(NEIGHBOUR, UID, UID, home)


def ask(user: Dev, name: str = WEB) -> str:
    """Ask the service as that user: the status of HTTP, or `reset`."""
    return user.run(PYTHON, "-I", "-c", ASK, name).stdout.strip()


@pytest.fixture
def theirs(lab: Lab, tilt: Tilt, neighbour: Dev, tmp_path: Path) -> Iterator[Tilt]:
    """Give the Tilt of the neighbour, who may sudo as well, on the same cluster."""
    subprocess.run(["chpasswd"], input=f"{NEIGHBOUR}:{neighbour.password}", text=True, check=True)
    neighbour.answer_with(neighbour.password)
    rule = Path("/etc/sudoers.d/kubefwd-lab-neighbour")
    rule.write_text(f"{NEIGHBOUR} ALL=(ALL:ALL) ALL\n")
    wait_answer(WEB)  # so what bootstrap.sh has made, without a network, is whole
    cache = neighbour.mkdir(".cache") / "kubefwd-operator"
    subprocess.run(["cp", "-a", inside.BOOTSTRAP_CACHE, cache], check=True)
    subprocess.run(["chown", "-R", f"{UID}:{UID}", cache], check=True)
    own = Lab(tmp_path, neighbour, clusters=lab.clusters)
    made = own.tilt(f"{own.extension()}k8s_yaml('billing.yaml')\n")
    yield made.start()
    made.stop()
    rule.unlink()
    shutil.rmtree(cache)


def test_another_users_connection_is_refused_and_counted(
    tilt: Tilt, dev: Dev, neighbour: Dev
) -> None:
    wait_answer(WEB)
    assert row(tilt.wait_status(is_ready), WEB)["refused"] == 0
    assert [ask(neighbour) for _ in range(2)] == ["reset", "reset"]
    assert ask(dev) == "200"
    assert get(WEB).is_success  # as root, which these tests are
    status = tilt.wait_status(lambda now: row(now, WEB)["refused"] == 2)
    assert is_ready(status)
    tilt.wait_log(f"{WEB}  A connection of another user of this machine was refused")
    shown = dev.run(dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator", "status", "--port",
                    tilt.port)  # fmt: skip
    assert "Refused 2 connections of other users." in shown.stdout


def test_two_users_forward_side_by_side_and_neither_gets_into_the_others(
    tilt: Tilt, dev: Dev, neighbour: Dev, theirs: Tilt
) -> None:
    before = dev.prompts
    wait_answer(WEB, LEDGER)
    mine, other = tilt.wait_status(is_ready), theirs.wait_status(is_ready)
    assert WEB in names_of(mine)
    assert LEDGER in names_of(other)
    assert not names_of(mine) & names_of(other)
    assert address(WEB) != address(LEDGER)
    assert [ask(dev, WEB), ask(neighbour, LEDGER)] == ["200", "200"]
    assert [ask(dev, LEDGER), ask(neighbour, WEB)] == ["reset", "reset"]
    for owner in (f"{dev.uid}.{tilt.instance}", f"{UID}.{theirs.instance}"):
        assert f"# kubefwd-operator:{owner}" in HOSTS.read_text()
    assert (neighbour.prompts, dev.prompts) == (1, before)
    theirs.stop()
    wait_gone(LEDGER)
    assert ask(dev, WEB) == "200"


def test_only_the_developer_and_root_may_ask_at_the_operators_socket(
    tilt: Tilt, dev: Dev, neighbour: Dev
) -> None:
    wait_answer(WEB)
    state = dev.home / ".local/state/kubefwd-operator"
    place = state / tilt.instance / "wait.sock"

    def asked(user: Dev) -> str:
        return user.run(PYTHON, "-I", "-c", QUESTION, place, address(WEB)).stdout.strip()

    assert asked(dev) == '{"ours": true, "why": ""}'
    assert asked(neighbour) == "PermissionError"
    # Where somebody has opened the way, the kernel still tells who asks.
    way = [path for path in place.parents if path.is_relative_to(dev.home)]
    before = [(path, path.stat().st_mode) for path in (place, *way)]
    for path, _ in before:
        path.chmod(0o777)
    said = asked(neighbour)
    for path, mode in before:
        path.chmod(mode)
    assert said in ("nothing", "ConnectionResetError", "BrokenPipeError")
    tilt.wait_log(f"A question by user id {UID} was refused")
    root = Dev("root", 0, 0, dev.home)
    assert asked(root) == '{"ours": true, "why": ""}'


def test_with_allow_other_users_it_answers(tilt: Tilt, dev: Dev, neighbour: Dev) -> None:
    wait_answer(WEB)
    tilt.wait_deployed("web")
    before = tilt.wait_status(is_ready)["pid"]
    allowed = tilt.tiltfile.replace("args=ENGINE", "args=ENGINE + ['--allow_other_users=true']")
    tilt.write("Tiltfile", allowed)
    tilt.wait_status(lambda now: is_ready(now) and now["pid"] != before)
    wait_answer(WEB)
    assert (ask(neighbour), ask(dev)) == ("200", "200")
    assert row(tilt.status(), WEB)["refused"] == 0
    assert tilt.prompts == 1
