"""Everything that two want and one has, as one table: who has it, who goes without, what to do."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lab.api import Json
from tests.lab.eventual import eventually
from tests.lab.forwarding import HOSTS, address, get, is_ready, row, wait_answer
from tests.lab.proc import Server
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")

FOLDER = Path(__file__).parent
LINE = b"192.0.2.9\tledger.billing   # mine\n"
KINDS = {"SameName", "HostsFile", "PublicName", "Port"}


@pytest.fixture
def hosts() -> Iterator[None]:
    """Give the developer a line of their own in the hosts file."""
    before = HOSTS.read_bytes()
    HOSTS.write_bytes(before + LINE)
    yield
    HOSTS.write_bytes(HOSTS.read_bytes().replace(LINE, b""))


@pytest.fixture
def server(dev: Dev) -> Iterator[Server]:
    """Run a server of the developer's own, on all addresses."""
    words = ("/usr/bin/python3", "-m", "http.server", "9000", "--bind", "0.0.0.0")
    with dev.background(*words) as running:
        eventually(lambda: get("127.0.0.1:9000").is_success)
        yield running


def rows(status: Json) -> dict[str, Json]:
    """Return the one conflict of each kind."""
    found = {each["kind"]: each for each in status["conflicts"]}
    assert len(found) == len(status["conflicts"])
    return found


def wait_kinds(tilt: Tilt, *kinds: str) -> dict[str, Json]:
    return rows(tilt.wait_status(lambda status: set(rows(status)) == set(kinds)))


@pytest.mark.usefixtures("hosts")
def test_each_conflict_is_a_row_wherever_the_status_is_shown(
    start_tilt: Callable[..., Tilt], dev: Dev, server: Server, engine: str
) -> None:
    tilt = start_tilt(FOLDER)
    found = wait_kinds(tilt, *KINDS)
    # kubefwd has no address for a port that it cannot open.
    host = address("tools.billing") if engine == "native" else "tools.billing"
    place = f"{host}:9000"
    program = f"python3 (process {server.pid}) on 0.0.0.0:9000"
    expected = {
        "SameName": (["web"], "namespace 'storefront'", "namespace 'billing'"),
        "HostsFile": (
            ["ledger.billing"],
            "your own line in /etc/hosts, 192.0.2.9",
            "ledger.billing",
        ),
        "PublicName": (["shop.app"], "namespace 'app'", "the internet"),
        "Port": ([place], program, "tools.billing"),
    }
    columns = {kind: (it["over"], it["has"], it["without"]) for kind, it in found.items()}
    assert columns == expected

    # The same on Tilt's object and in the terminal, and the hint in the log.
    table = tilt.get("configmaps", "kubefwd:status")["data"]["conflicts"].splitlines()
    assert table[0].split("  ")[0] == "OVER"
    assert len(table) == 1 + len(KINDS)
    described = tilt.run("describe", "configmap", "kubefwd:status")
    program_path = dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator"
    printed = dev.run(program_path, "status", "--port", tilt.port, check=False).stdout
    for shown in ("\n".join(table), described, printed):
        for kind, (over, has, without) in expected.items():
            (line,) = [line for line in shown.splitlines() if f" {kind} " in line]
            assert all(word in line for word in (*over, has, without, found[kind]["remedy"]))
    said = tilt.wait_log(f"tools.billing  PortTaken: {place} is taken by {program}.")
    assert "list 'billing/tools' in the argument `skip`" in said

    # Who has it gets it: the names and the port lead where the table says.
    assert address("web") == address("web.storefront")
    assert address("ledger.billing") == "192.0.2.9"
    assert get("tools.billing:9000").headers["server"].startswith("SimpleHTTP")
    wait_answer("tools.billing", "web.billing", "shop.app", "ledger.billing.svc")


@pytest.mark.usefixtures("hosts")
def test_what_the_table_says_to_do_ends_each_conflict(
    start_tilt: Callable[..., Tilt], dev: Dev, server: Server
) -> None:
    tilt = start_tilt(FOLDER)
    found = wait_kinds(tilt, *KINDS)

    assert "Take that line out of /etc/hosts" in found["HostsFile"]["remedy"]
    HOSTS.write_bytes(HOSTS.read_bytes().replace(LINE, b""))
    assert "list 'billing/tools' in the argument `skip`" in found["Port"]["remedy"]
    first = "['--namespaces=storefront']"
    skipping = "['--namespaces=storefront', '--skip=billing/tools']"
    tilt.write("Tiltfile", tilt.tiltfile.replace(first, skipping))
    wait_kinds(tilt, "SameName", "PublicName")
    assert row(tilt.status(), "tools.billing")["reason"] == "Skipped"
    assert not address("tools.billing")
    assert get("127.0.0.1:9000").headers["server"].startswith("SimpleHTTP")
    wait_answer("ledger.billing")

    assert "Stop that program" in found["Port"]["remedy"]
    server.stop()
    tilt.write("Tiltfile", tilt.tiltfile.replace(skipping, first))
    wait_answer("tools.billing:9000")
    assert get("tools.billing:9000").json()["service"] == "back"
    wait_kinds(tilt, "SameName", "PublicName")

    assert "list 'billing' first in the argument `namespaces`" in found["SameName"]["remedy"]
    assert "list 'app' in the argument `exclude`" in found["PublicName"]["remedy"]
    arguments = "['--namespaces=billing', '--exclude=app']"
    tilt.write("Tiltfile", tilt.tiltfile.replace(first, arguments))
    status = tilt.wait_status(
        lambda now: is_ready(now) and [it["without"] for it in now["conflicts"]] == [STOREFRONT]
    )
    assert rows(status)["SameName"]["has"] == "namespace 'billing'"
    assert address("web") == row(status, "web.billing")["address"]
    assert not address("shop.app")

    tilt.write("Tiltfile", tilt.tiltfile.replace(arguments, "['--bare_names=false']"))
    tilt.wait_status(lambda now: is_ready(now) and rows(now).keys() == {"PublicName"})
    arguments = "['--bare_names=false', '--exclude=app']"
    tilt.write("Tiltfile", tilt.tiltfile.replace("['--bare_names=false']", arguments))
    tilt.wait_status(lambda now: is_ready(now) and not now["conflicts"])
    assert "conflicts" not in tilt.get("configmaps", "kubefwd:status")["data"]
    assert dev.prompts


STOREFRONT = "namespace 'storefront'"
