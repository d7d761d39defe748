"""To look a forwarded name up takes no name server and no time, and each client connects once.

What root writes is asked of the real resolver (of glibc, Go and Node), with a name server that
hears everything and never answers. macOS has another resolver: docs/troubleshooting.md says what
was not tried.
"""

import json
import shutil
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contract.names.recorder import WAIT, Asked, recording
from tests.lab import tools
from tests.lab.eventual import eventually
from tests.lab.user import SYSTEM_PATH, Dev

from kubefwd_operator.core.model import Desired, DesiredNamespace, Source
from kubefwd_operator.core.names import Placed, publish
from kubefwd_operator.privileged.withheld import withheld
from kubefwd_operator.root.helper.hosts import Hosts
from kubefwd_operator.root.helper.ledger import Ledger

pytestmark = [pytest.mark.contract, pytest.mark.isolated]

WEB, PODS = "127.18.7.1", {"db-0": "127.18.7.2", "db-1": "127.18.7.3"}
PORT = 8099


def written(folder: Path) -> dict[str, list[str]]:
    """Have root's code write the names of two services, one headless; return where they lead."""
    wish = Desired(namespaces=(DesiredNamespace("shop", Source.TILT),))
    placed = [
        Placed("shop", "web", (WEB,)),
        Placed("shop", "db", tuple(PODS.values()), tuple(PODS.items())),
    ]
    published = publish(placed, wish)
    assert Hosts("/etc/hosts", Ledger(str(folder), "0.tilt-1")).replace(published.entries)
    assert withheld(published.entries, Path("/etc/hosts").read_bytes()) == ()
    leads = {name: [WEB] for name in published.names["shop", "web"]}
    for name in published.names["shop", "db"]:
        pod = [ip for hostname, ip in PODS.items() if name.startswith(f"{hostname}.")]
        leads[name] = pod or list(PODS.values())
    return leads


@pytest.fixture(scope="module")
def leads(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Write the names; return the addresses of each."""
    return written(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="module")
def asked() -> Iterator[Asked]:
    with recording() as made:
        yield made


LOOK = """
import json, socket, sys, time
found = []
for name in sys.argv[1:]:
    for family in (socket.AF_INET, socket.AF_INET6, socket.AF_UNSPEC):
        began = time.monotonic()
        try:
            rows = socket.getaddrinfo(name, 80, family, socket.SOCK_STREAM)
            answer = [row[4][0] for row in rows]
        except OSError as error:
            answer = str(error)
        found.append([name, family.name, answer, time.monotonic() - began])
print(json.dumps(found))
"""


def look(dev: Dev, *names: str) -> list[tuple[str, str, list[str] | str, float]]:
    """Look names up, by every kind of address, in a process that has just begun."""
    found: list[list[object]] = json.loads(dev.run(sys.executable, "-c", LOOK, *names).stdout)
    return [tuple(row) for row in found]  # type: ignore[misc]  # as LOOK prints them


def mapped(addresses: list[str]) -> list[str]:
    return [f"::ffff:{address}" for address in addresses]


def test_the_recorder_hears_who_asks(dev: Dev, asked: Asked) -> None:
    """Else the tests below would pass whatever happened."""
    before = len(asked.names)
    rows = look(dev, "web.elsewhere.example")
    assert all(isinstance(answer, str) and seconds >= WAIT for _, _, answer, seconds in rows)
    assert "web.elsewhere.example" in asked.names[before:]


def test_every_form_is_found_at_once_without_a_question(
    dev: Dev, leads: dict[str, list[str]], asked: Asked
) -> None:
    assert len(leads) == 4 * 4
    before = len(asked.names)
    rows = look(dev, *leads)
    assert asked.names[before:] == []
    slow = [row for row in rows if row[3] >= WAIT]
    assert slow == []
    for name, family, answer, _ in rows:
        four, six = leads[name], mapped(leads[name])
        expected = {"AF_INET": four, "AF_INET6": six, "AF_UNSPEC": four + six}[family]
        assert isinstance(answer, list)
        assert sorted(set(answer)) == sorted(expected), (name, family)
        # For IPv4 alone glibc takes the twin for the address itself, and tells it twice.
        most = 2 if family == "AF_INET" else 1
        assert len(answer) <= most * len(expected), (name, family)


def test_getent_shows_a_name_once(dev: Dev, leads: dict[str, list[str]], asked: Asked) -> None:
    before = len(asked.names)
    (line,) = dev.run("getent", "hosts", "web.shop").stdout.splitlines()
    assert line.split()[0] == f"::ffff:{WEB}"
    streams = [
        line.split()[0]
        for line in dev.run("getent", "ahosts", "web.shop").stdout.splitlines()
        if "STREAM" in line
    ]
    assert streams == [WEB, f"::ffff:{WEB}"]
    assert asked.names[before:] == []


# --- clients -----------------------------------------------------------------------------------

PYTHON = """
import socket
with socket.create_connection(('web.shop', 8099), 20) as connection:
    connection.sendall(b'GET / HTTP/1.0\\r\\n\\r\\n')
    while connection.recv(4096):
        pass
"""
NODE = """
require('http').get('http://web.shop:8099/', answer => {
  console.log(answer.statusCode); answer.resume()
})
"""
URL = f"http://web.shop:{PORT}/"

CLIENTS = [
    pytest.param(["curl", "-fsS", URL], id="curl"),
    pytest.param(["curl", "-4", "-fsS", URL], id="curl for IPv4"),
    pytest.param(["curl", "-6", "-fsS", URL], id="curl for IPv6"),
    pytest.param(["wget", "-qO-", "--tries=1", URL], id="wget"),
    pytest.param(["node", "-e", NODE], id="Node"),
    pytest.param(["kubectl", "--server", URL, "get", "--raw", "/"], id="Go"),
    pytest.param([sys.executable, "-c", PYTHON], id="Python"),
]
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"


@contextmanager
def serving() -> Iterator[list[str]]:
    """Answer at the service's address; give the list of who has connected."""
    came: list[str] = []
    with socket.create_server((WEB, PORT)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, peer = server.accept()
                except OSError:
                    return
                with connection:
                    came.append(str(peer))
                    if connection.recv(4096):
                        connection.sendall(ANSWER)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield came
        finally:
            server.shutdown(socket.SHUT_RDWR)
            thread.join(60)


def connections(dev: Dev, words: list[str]) -> int:
    """Run a client to its end; return how often it has connected."""
    with serving() as came:
        dev.run(*words, timeout=30)
        eventually(lambda: came)
    return len(came)


@pytest.mark.parametrize("words", CLIENTS)
def test_a_client_connects_as_often_as_to_the_address_itself_and_asks_nobody(
    dev: Dev, leads: dict[str, list[str]], asked: Asked, words: list[str]
) -> None:
    program = words[0]
    if program == "kubectl":  # asks for the version first, on a connection of its own
        words = [str(tools.path("kubectl")), *words[1:]]
    elif not shutil.which(program, path=f"{SYSTEM_PATH}:{Path(sys.executable).parent}"):
        pytest.skip(f"NOT TESTED: there is no {program} here")
    before = len(asked.names)
    by_name = connections(dev, words)
    assert asked.names[before:] == []
    plain = [word.replace("web.shop", WEB) for word in words if word != "-6"]
    assert by_name == connections(dev, plain)
    assert by_name == 1 or program == "kubectl"
