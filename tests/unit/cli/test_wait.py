"""`kubefwd-operator wait`: what it prints while names come, and the code it leaves with."""

import json
import os
import socket
from typing import Any

import pytest
from click.testing import CliRunner, Result

from kubefwd_operator.cli import look, main, wait
from kubefwd_operator.core import waiting
from kubefwd_operator.core.errors import OperatorSilent, TiltGone
from kubefwd_operator.core.model import FOREIGN, Dialled
from kubefwd_operator.core.waiting import Wanted

ROW = {
    "namespace": "storefront", "service": "web", "names": ["web.storefront"], "ports": [80],
    "address": "127.18.0.3", "state": "Ready", "reason": "", "message": "",
}  # fmt: skip
STATUS = {
    "state": "Ready", "message": "", "pid": os.getpid(), "services": [ROW], "namespaces": [],
}  # fmt: skip


class Machine:
    """Names that resolve, what a dial says of an address, and what Tilt holds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.names: dict[str, list[str]] = {}
        self.dials: dict[str, list[Dialled | Exception]] = {}
        self.asked: list[tuple[str, str, int]] = []
        self.status: dict[str, Any] | Exception = STATUS
        monkeypatch.delenv("TILT_PORT", raising=False)
        monkeypatch.setattr(wait, "PAUSES", (0.001,))
        monkeypatch.setattr(wait, "ask", self._ask)
        monkeypatch.setattr(waiting, "seconds", float)
        monkeypatch.setattr(socket, "getaddrinfo", self._getaddrinfo)
        monkeypatch.setattr(look, "read_access", lambda _: None)
        monkeypatch.setattr(look, "glance", self._glance)

    def _getaddrinfo(self, name: str, port: int, **_: object) -> list[Any]:
        if name not in self.names:
            raise socket.gaierror
        return [(0, 0, 0, "", (address, port)) for address in self.names[name]]

    def _ask(self, instance: str, address: str, port: int) -> Dialled:
        self.asked.append((instance, address, port))
        says = self.dials.get(address, [FOREIGN])
        said = says.pop(0) if len(says) > 1 else says[0]
        if isinstance(said, Exception):
            raise said
        return said

    def _glance(self, *_: object) -> dict[str, str]:
        if isinstance(self.status, Exception):
            raise self.status
        return {"status.json": json.dumps(self.status)}

    def wait(self, *arguments: str, timeout: str = "0.2") -> Result:
        return CliRunner().invoke(main, ["wait", f"--timeout={timeout}", *arguments])


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_it_ends_when_every_name_is_reachable_and_says_so_once(machine: Machine) -> None:
    machine.names = {"web.storefront": ["127.18.0.3"], "db": ["127.18.0.4"]}
    machine.dials = {"127.18.0.3": [Dialled()], "127.18.0.4": [Dialled("Not yet."), Dialled()]}
    done = machine.wait("web.storefront:80", "db:5432", "web.storefront:80", timeout="60")
    assert done.exit_code == 0
    assert sorted(done.output.splitlines()) == [
        "db:5432 is reachable, at 127.18.0.4",
        "web.storefront:80 is reachable, at 127.18.0.3",
    ]
    assert set(machine.asked) == {
        ("tilt-10350", "127.18.0.3", 80),
        ("tilt-10350", "127.18.0.4", 5432),
    }


def test_another_tilts_operator_is_asked_when_its_port_is_given(machine: Machine) -> None:
    machine.names, machine.dials = {"web": ["127.18.0.3"]}, {"127.18.0.3": [Dialled()]}
    assert machine.wait("--port=7", "web:80").exit_code == 0
    assert machine.asked == [("tilt-7", "127.18.0.3", 80)]


def test_the_ipv6_twin_of_an_address_is_that_address(machine: Machine) -> None:
    machine.names = {"web": ["::ffff:127.18.0.3", "127.18.0.3"]}
    machine.dials = {"127.18.0.3": [Dialled()]}
    assert machine.wait("web:80").output == "web:80 is reachable, at 127.18.0.3\n"
    assert len(machine.asked) == 1


def test_every_address_of_a_name_has_to_answer(machine: Machine) -> None:
    machine.names = {"web.storefront": ["127.18.0.3", "127.18.0.9"]}
    machine.dials = {"127.18.0.3": [Dialled()], "127.18.0.9": [Dialled("Pod 2 does not answer.")]}
    done = machine.wait("web.storefront:80")
    assert done.exit_code == 1
    assert "Pod 2 does not answer." in done.stderr


def test_what_is_missing_is_named_with_the_reason(machine: Machine) -> None:
    machine.names, machine.dials = {"db": ["127.18.0.4"]}, {"127.18.0.4": [Dialled()]}
    done = machine.wait("db:5432", "web.billing:80")
    assert done.exit_code == 1
    assert done.stdout == "db:5432 is reachable, at 127.18.0.4\n"
    assert done.stderr.startswith(
        "web.billing:80 is not reachable within 0.2. Nothing in namespace 'billing' is forwarded"
    )


def test_a_name_that_leads_elsewhere_is_not_reachable(machine: Machine) -> None:
    machine.names = {"web.storefront": ["127.19.0.1"]}
    done = machine.wait("web.storefront:80")
    assert done.exit_code == 1
    assert "leads to 127.19.0.1, and this Tilt forwards it at 127.18.0.3" in done.stderr


def test_without_an_operator_there_is_nobody_to_ask(machine: Machine) -> None:
    machine.status = TiltGone("No Tilt runs on port 10350.")
    done = machine.wait("web:80", "db:1")
    assert done.exit_code == 3
    assert "Not reachable within 0.2: web:80, db:1. No Tilt runs on port 10350." in done.stderr


def test_an_operator_that_comes_late_is_waited_for(machine: Machine) -> None:
    machine.names = {"web": ["127.18.0.3"]}
    machine.dials = {
        "127.18.0.3": [OperatorSilent("Nobody."), OperatorSilent("Nobody."), Dialled()]
    }
    assert machine.wait("web:80", timeout="60").exit_code == 0


def test_a_defect_ends_it_instead_of_being_waited_for(machine: Machine) -> None:
    machine.names = {"web": ["127.18.0.3"]}
    machine.dials = {"127.18.0.3": [ZeroDivisionError("as the test wants")]}
    assert isinstance(machine.wait("web:80", timeout="60").exception, ZeroDivisionError)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        pytest.param((), "Missing argument 'NAME:PORT...'", id="nothing to wait for"),
        pytest.param(("web",), "'web' is not NAME:PORT", id="no port"),
        pytest.param(("--timeout=soon", "web:80"), "'soon' is not a time", id="no time"),
        pytest.param(("--port=x", "web:80"), "Invalid value for '--port'", id="no port of Tilt"),
    ],
)
def test_it_is_called_wrongly(arguments: tuple[str, ...], sentence: str) -> None:
    done = CliRunner().invoke(main, ["wait", *arguments])
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_the_resolver_of_the_machine_is_asked() -> None:
    assert wait.resolve(Wanted("localhost", 80))
    assert wait.resolve(Wanted("a" * 64, 80)) == ()  # no name server is asked for this
