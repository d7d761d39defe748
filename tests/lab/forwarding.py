"""What a developer sees of the forwarding, and what of ours is on the machine.

Names are looked up and asked as programs do it, so that /etc/hosts and the listeners are what is
tested. What is ours is found in the system's tables, which hold for one isolated namespace.
"""

import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import httpx
import psutil
from tests.lab.api import Json
from tests.lab.eventual import eventually
from tests.lab.tilt import Tilt

HOSTS = Path("/etc/hosts")
RANGES = [ipaddress.ip_network(each) for each in ("127.18.0.0/15", "127.1.0.0/16", "127.2.27.1/32")]
TIMEOUT = 40.0  # seconds; a connection is held for 30 s for a pod


def get(name: str, path: str = "/") -> httpx.Response:
    """Ask a service over HTTP by a name, on a connection of its own."""
    return httpx.get(f"http://{name}{path}", timeout=TIMEOUT, trust_env=False)


def address(name: str) -> str:
    """Return what the machine thinks a name is; "" when it knows none."""
    with suppress(OSError):
        return socket.gethostbyname(name)
    return ""


def known(name: str) -> bool:
    """Say whether the machine knows a name, by whichever kind of address."""
    with suppress(OSError):
        return bool(socket.getaddrinfo(name, 80))
    return False


def refused(ip: str, port: int = 80) -> bool:
    """Say whether a connection is refused at once."""
    with socket.socket() as probe:
        probe.settimeout(5)
        try:
            probe.connect((ip, port))
        except ConnectionRefusedError:
            return True
    return False


def answers(name: str) -> bool:
    """Say whether a service answers well over HTTP; raise httpx.TransportError for none at all."""
    return get(name).is_success


def wait_answer(*names: str) -> None:
    """Wait until every one of these names answers over HTTP."""
    for name in names:
        eventually(partial(answers, name))


def wait_gone(*names: str) -> None:
    """Wait until the machine knows none of these names."""
    eventually(lambda: not any(map(known, names)))


# --- what the status says ------------------------------------------------------------------


def forms(service: str, namespace: str, *, pod: str = "", bare: bool = True) -> list[str]:
    """Return every name that a service (or a pod of a headless one) answers under."""
    first = f"{pod}.{service}" if pod else service
    long = [f"{first}.{namespace}{more}" for more in ("", ".svc", ".svc.cluster.local")]
    return [first, *long] if bare else long


def names_of(status: Json) -> set[str]:
    """Return every name that the status lists."""
    return {name for row in status["services"] for name in row["names"]}


def namespaces_of(status: Json) -> list[str]:
    """Return the namespaces that are forwarded, in their order."""
    return [each["name"] for each in status["namespaces"]]


def row(status: Json, key: str) -> Json:
    """Return the row of `service.namespace`; raise LookupError while there is none."""
    found: Json = {f"{x['service']}.{x['namespace']}": x for x in status["services"]}[key]
    return found


def condition(status: Json, kind: str) -> Json:
    """Return the condition of that type."""
    found: Json = {each["type"]: each for each in status["conditions"]}[kind]
    return found


def wait_row(tilt: Tilt, key: str, reason: str) -> Json:
    """Wait until the row of `service.namespace` has that reason; return the row."""
    return row(tilt.wait_status(lambda status: row(status, key)["reason"] == reason), key)


def wait_false(tilt: Tilt, kind: str, reason: str) -> str:
    """Wait until that condition is False for that reason; return its message."""

    def fits(status: Json) -> bool:
        found = condition(status, kind)
        return (found["status"], found["reason"]) == ("False", reason)

    return str(condition(tilt.wait_status(fits), kind)["message"])


def is_ready(status: Json) -> bool:
    """Say whether everything is well."""
    return bool(status["state"] == "Ready")


# --- what is ours --------------------------------------------------------------------------


def listeners() -> list[str]:
    """Return what listens on our range or on kubefwd's, as `address:port`."""
    found = []
    for each in psutil.net_connections("tcp4"):
        ip, port = each.laddr or ("0.0.0.0", 0)
        if each.status == psutil.CONN_LISTEN and any(
            ipaddress.ip_address(ip) in one for one in RANGES
        ):
            found.append(f"{ip}:{port}")
    return found


def operators() -> list[psutil.Process]:
    """Return every operator that runs."""
    return _running(lambda argv: "kubefwd_operator.handlers" in argv)


def helpers() -> list[psutil.Process]:
    """Return worker and guardian, in this order, of every helper that runs."""
    return _running(lambda argv: "python" in argv[0] and _is_helper(argv))


def kubefwds() -> list[psutil.Process]:
    """Return every kubefwd that root runs for an operator."""
    return _running(lambda argv: any(word.endswith(".kubefwd/kubefwd") for word in argv))


def folder_of(kubefwd: psutil.Process) -> Path:
    """Return root's folder of a kubefwd, where the program is that it runs."""
    (program,) = [word for word in kubefwd.cmdline() if word.endswith(".kubefwd/kubefwd")]
    return Path(program).parent


def sudos() -> list[psutil.Process]:
    """Return the sudo processes above helpers, the outermost first."""
    return _running(lambda argv: argv[0].endswith("sudo") and _is_helper(argv))


def _is_helper(argv: list[str]) -> bool:
    return any(word.endswith(("/kubefwd_operator/root", "/kubefwd-operator/root")) for word in argv)


def _running(fits: Callable[[list[str]], bool]) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            argv = process.cmdline()  # empty: it has ended and is not waited for yet
            if argv and fits(argv):
                found.append(process)
    return sorted(found, key=lambda process: process.pid)


def undone(hosts: bytes) -> bool:
    """Say whether /etc/hosts is this, byte for byte, and nothing of ours listens."""
    return HOSTS.read_bytes() == hosts and not listeners()


def wait_clean(hosts: bytes) -> None:
    """Wait until nothing is left of ours: names, listeners, processes."""

    def clean() -> bool:
        assert HOSTS.read_bytes() == hosts, HOSTS.read_bytes()
        left = [*listeners(), *operators(), *helpers(), *sudos(), *kubefwds()]
        assert not left, left
        return True

    eventually(clean)


def end_helpers() -> None:
    """SIGTERM to what lingers, so that the next test does not find it."""
    for process in helpers():
        with suppress(psutil.NoSuchProcess):  # each ends the other
            process.terminate()
