"""Another user of the machine connects to what the developer forwards."""

import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab import inside
from tests.lab.forwarding import get, is_ready, row, wait_answer
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

WEB = "web.storefront"
PYTHON = Path(sys.base_prefix) / "bin" / "python3"
NEIGHBOUR, UID = "neighbour", inside.UID + 1

ASK = """
import http.client, socket
address = socket.gethostbyname("web.storefront")  # one connection: the name has two addresses
try:
    client = http.client.HTTPConnection(address, timeout=40)
    client.request("GET", "/")
    print(client.getresponse().status)
except ConnectionResetError:
    print("reset")
"""


@pytest.fixture(scope="module")
def neighbour() -> Dev:
    """Give a second user of this machine."""
    home = inside.HOME.parent / NEIGHBOUR
    command = ("useradd", "--uid", str(UID), "--create-home", "--home-dir", str(home), NEIGHBOUR)
    subprocess.run(command, check=True)
    return Dev(NEIGHBOUR, UID, UID, home)


def ask(user: Dev) -> str:
    """Ask the service as that user: the status of HTTP, or `reset`."""
    return user.run(PYTHON, "-I", "-c", ASK).stdout.strip()


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
