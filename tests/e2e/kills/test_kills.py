"""Whoever is killed or stopped, the machine is as it was; and nobody is asked without need."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lab.eventual import eventually, steady
from tests.lab.forwarding import (
    HOSTS,
    address,
    end_helpers,
    get,
    helpers,
    is_ready,
    operators,
    refused,
    sudos,
    undone,
    wait_answer,
    wait_clean,
    wait_false,
)
from tests.lab.proc import alive
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")

WEB = "web.storefront"
SHORT, LONG = 3, 120  # seconds of linger: soon over, and never within a test
ODD = (
    b"\t192.0.2.8\tcrlf.example\r\n\r\n"
    b"192.0.2.9 trailing.example  # kubefwd-operator \t \n"
    b"# latin-1: caf\xe9\x00\n"
    b"127.18.0.1 inside.our.range\n"
    b"fe80::1%lo scoped.example\n\n\n"
    b"192.0.2.10 no.newline.at.the.end.example"
)


@pytest.fixture
def hosts() -> Iterator[bytes]:
    """The developer's own /etc/hosts, which is odd but must come back as it is."""
    before = HOSTS.read_bytes()
    HOSTS.write_bytes(before + ODD)
    yield before + ODD
    HOSTS.write_bytes(before)


@pytest.fixture
def forwarding(start_tilt: Callable[..., Tilt], hosts: bytes) -> Iterator[Callable[[int], Tilt]]:
    """Return a function (seconds to linger) that starts a Tilt and waits until a name answers."""
    started: list[Tilt] = []

    def start(linger: int) -> Tilt:
        tilt = start_tilt(Path(__file__).parent, env={"LINGER": str(linger)})
        started.append(tilt)
        wait_answer(WEB)
        assert not undone(hosts)
        return tilt

    yield start
    for tilt in started:
        tilt.stop()
    end_helpers()
    wait_clean(hosts)


def restart_operator(tilt: Tilt) -> None:
    tilt.run("trigger", "kubefwd:run")
    eventually(lambda: len(operators()) == 1)


@pytest.mark.parametrize(
    "number", [signal.SIGKILL, signal.SIGHUP], ids=lambda number: signal.Signals(number).name
)
def test_a_killed_operator_leaves_the_machine_clean(
    forwarding: Callable[[int], Tilt], hosts: bytes, number: signal.Signals
) -> None:
    """SIGHUP is what a terminal's end sends; Kopf (1.45) leaves it to the system, which ends it."""
    os.kill(forwarding(SHORT).operator_pid(), number)
    wait_clean(hosts)


def test_an_operator_started_again_within_the_linger_asks_for_no_password(
    forwarding: Callable[[int], Tilt], hosts: bytes, dev: Dev
) -> None:
    tilt = forwarding(LONG)
    asked, kept = dev.prompts, helpers()
    os.kill(tilt.operator_pid(), signal.SIGKILL)
    eventually(lambda: undone(hosts))
    restart_operator(tilt)
    wait_answer(WEB)
    assert helpers() == kept
    assert dev.prompts == asked


@pytest.mark.parametrize("which", [0, 1], ids=["worker", "guardian"])
def test_a_killed_helper_process_is_lost_cleanly_and_refresh_asks_again(
    forwarding: Callable[[int], Tilt], hosts: bytes, dev: Dev, which: int
) -> None:
    tilt = forwarding(LONG)
    asked, ip = dev.prompts, address(WEB)
    helpers()[which].kill()
    eventually(lambda: undone(hosts))
    eventually(lambda: not helpers() and not sudos())
    assert len(operators()) == 1
    assert address(WEB) == ""
    assert refused(ip)
    wait_false(tilt, "HelperReady", "AuthorizationLost")
    assert dev.prompts == asked

    tilt.click("kubefwd:refresh")
    wait_answer(WEB)
    assert dev.prompts == asked + 1
    tilt.wait_status(is_ready)


@pytest.mark.parametrize("use_pty", [True, False], ids=["use_pty", "!use_pty"])
def test_a_killed_sudo_changes_nothing(
    forwarding: Callable[[int], Tilt], hosts: bytes, dev: Dev, use_pty: bool
) -> None:
    dev.sudoers(use_pty=use_pty)
    try:
        tilt = forwarding(SHORT)
        before, asked, kept = HOSTS.read_bytes(), dev.prompts, helpers()
        above = sudos()
        assert above
        for process in above:
            process.kill()
        eventually(lambda: not sudos())
        steady(lambda: get(WEB).is_success, 5)  # longer than two heartbeats
        assert helpers() == kept
        assert HOSTS.read_bytes() == before
        assert dev.prompts == asked
        assert tilt.stop() is not None
        wait_clean(hosts)
    finally:
        dev.sudoers()


def test_a_killed_tilt_takes_the_operator_with_it(
    forwarding: Callable[[int], Tilt], hosts: bytes
) -> None:
    tilt = forwarding(SHORT)
    operator = tilt.operator_pid()
    tilt.kill()
    eventually(lambda: not alive(operator))
    wait_clean(hosts)


def test_a_stopped_operator_is_undone_and_forwards_again_when_continued(
    forwarding: Callable[[int], Tilt], hosts: bytes, dev: Dev
) -> None:
    tilt = forwarding(LONG)
    asked, kept, ip = dev.prompts, helpers(), address(WEB)
    operator = tilt.operator_pid()
    os.kill(operator, signal.SIGSTOP)
    try:
        assert not undone(hosts)  # silence is not the end until its limit is over
        eventually(lambda: undone(hosts))
        assert address(WEB) == ""
        assert refused(ip)
    finally:
        os.kill(operator, signal.SIGCONT)
    wait_answer(WEB)
    assert helpers() == kept
    assert dev.prompts == asked
    tilt.wait_status(lambda status: is_ready(status) and status["pid"] == operator)
