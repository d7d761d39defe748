"""The line that we print, typed into a real terminal; and a helper that nobody takes up."""

import os
import shutil
import signal
from collections.abc import Iterator

import pytest
from tests.contract.authority.operators import helpers, operator, processes
from tests.lab.eventual import eventually
from tests.lab.user import Dev

pytestmark = [pytest.mark.contract, pytest.mark.isolated]


class Terminal:
    """A shell of the developer's in a tmux of its own: one that ends takes no more sessions."""

    def __init__(self, dev: Dev, name: str) -> None:
        self._dev = dev
        self._socket = dev.mkdir(".lab") / f"tmux-{name}"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "400", "-y", "50", "/bin/sh")

    def _tmux(self, *words: str, check: bool = True) -> str:
        argv = ("tmux", "-S", self._socket, *words)
        return self._dev.run(*argv, env={"TERM": "xterm"}, check=check).stdout

    def type(self, text: str) -> None:
        self._tmux("send-keys", "-l", text)
        self._tmux("send-keys", "Enter")

    @property
    def screen(self) -> str:
        return self._tmux("capture-pane", "-p", "-J")

    def close(self) -> None:
        self._tmux("kill-server", check=False)


@pytest.fixture
def terminal(dev: Dev, instance: str) -> Iterator[Terminal]:
    if shutil.which("tmux") is None:
        pytest.skip("tmux is not installed, so the line was not typed into a real terminal")
    one = Terminal(dev, instance)
    yield one
    one.close()


@pytest.mark.parametrize("pty", [True, False], ids=["use_pty", "no pty"])
def test_the_printed_line_typed_into_a_terminal_gives_root(
    dev: Dev, instance: str, terminal: Terminal, pty: bool
) -> None:
    dev.sudoers(use_pty=pty)
    with operator(dev, instance, askpass=False) as one:
        line = one.until(state="WaitingForAuthorization")["message"].splitlines()[-1]
        terminal.type(line)
        eventually(lambda: "password for dev" in terminal.screen)
        terminal.type(dev.password)
        assert one.until(state="Authorized")["way"] == "terminal"
        one.say("listen 127.18.0.9 80")
        one.until(done="listen")
        one.say("close")
        one.until(done="close")
        eventually(lambda: not helpers())
        terminal.type("echo here $((40 + 2))")
        eventually(lambda: "here 42" in terminal.screen)
        assert dev.password not in terminal.screen


def test_a_terminal_that_is_closed_does_not_end_what_it_has_started(
    dev: Dev, instance: str, terminal: Terminal
) -> None:
    with operator(dev, instance, askpass=False) as one:
        line = one.until(state="WaitingForAuthorization")["message"].splitlines()[-1]
        terminal.type(line)
        eventually(lambda: "password for dev" in terminal.screen)
        terminal.type(dev.password)
        one.until(state="Authorized")
        terminal.close()
        one.say("listen 127.18.0.9 80")
        one.until(done="listen")
        assert "AuthorizationLost" not in one.states()


def test_a_helper_that_is_not_taken_up_ends(dev: Dev, instance: str) -> None:
    """The answer came too late: the operator that had asked is stopped, or gone."""
    go = dev.home / "go"
    go.unlink(missing_ok=True)
    dev.ask_through(f"while ! [ -e '{go}' ]; do sleep 0.1; done\necho '{dev.password}'")
    for end in (signal.SIGSTOP, signal.SIGKILL):
        go.unlink(missing_ok=True)
        with operator(dev, instance) as one:
            one.until(state="Asking", reason="WaitingForAuthorization")
            eventually(lambda: processes("/bin/sh", str(dev.askpass)))
            os.kill(one.process.pid, end)
            go.touch()
            eventually(helpers)
            eventually(lambda: not helpers())
            os.kill(one.process.pid, signal.SIGCONT)
