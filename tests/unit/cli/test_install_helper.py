"""Which line `install-helper` and `uninstall-helper` choose, and whom they refuse."""

import pytest
from click import ClickException

from kubefwd_operator import installer
from kubefwd_operator.cli.install_helper import asking, privileged_line, require_oneself
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.privileged.command import typed
from kubefwd_operator.privileged.surroundings import Surroundings

ISOLATED = ("/usr/bin/python3", "-I", "-S", "-B", "-X", "pycache_prefix=/dev/null")


def here(uid: int = 1000, sudo: str = "/usr/bin/sudo", askpass: str = "") -> Surroundings:
    return Surroundings(
        instance="any", uid=uid, environ={}, authorize=(), sudo=sudo, askpass=askpass
    )


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.open", lambda *_: 4711)
    monkeypatch.setattr("os.close", lambda _: None)


@pytest.fixture
def no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> int:
        raise OSError(6, "No such device or address")

    monkeypatch.setattr("os.open", none)


@pytest.mark.usefixtures("terminal")
def test_a_developer_goes_through_sudo_and_it_asks_in_the_terminal() -> None:
    sudo, end, *argv = privileged_line(here(askpass="/bin/ask"), "install", None)
    assert (sudo, end) == ("/usr/bin/sudo", "--")
    assert tuple(argv[:-2]) == ISOLATED
    assert argv[-2].endswith("/kubefwd_operator/installer.py")
    assert argv[-1] == "install"


@pytest.mark.usefixtures("no_terminal")
def test_without_a_terminal_sudo_asks_through_its_program() -> None:
    assert asking(here(askpass="/bin/ask")) == ("-A",)
    assert asking(here()) == ()


def test_root_runs_it_as_it_is_with_the_kubefwd_that_was_judged() -> None:
    line = privileged_line(here(uid=0), "install", PinnedKubefwd("/opt/kubefwd", "ab" * 32))
    assert line[: len(ISOLATED)] == ISOLATED
    assert line[-5:] == ("install", "--kubefwd", "/opt/kubefwd", "--sha256", "ab" * 32)


def test_without_sudo_the_line_for_root_is_said() -> None:
    with pytest.raises(ClickException) as caught:
        privileged_line(here(sudo=""), "uninstall", None)
    assert caught.value.message.endswith(f"{typed((installer.__file__,))} uninstall")


@pytest.mark.parametrize(
    "uid, environ, refused",
    [(1000, {}, False), (0, {}, False), (0, {"SUDO_UID": "1000"}, True)],
    ids=["a developer", "root himself", "through sudo"],
)
def test_what_is_of_one_user_is_not_done_through_sudo(
    uid: int, environ: dict[str, str], refused: bool
) -> None:
    if refused:
        with pytest.raises(ClickException, match="without sudo"):
            require_oneself(uid, environ)
    else:
        require_oneself(uid, environ)
