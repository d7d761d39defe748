"""Which line `authorize` chooses, and what it hands on."""

import pytest
from click import ClickException

from kubefwd_operator.cli.authorize import environment, privileged_line
from kubefwd_operator.privileged.surroundings import Surroundings

HELPER = ("/usr/bin/python3", "-I", "-S", "-B", "-X", "pycache_prefix=/dev/null", "/r oot")
INSTANCE = ("--instance", "tilt-1")


def here(uid: int = 1000, sudo: str = "/usr/bin/sudo") -> Surroundings:
    return Surroundings(
        instance="tilt-1", uid=uid, environ={}, authorize=("a",), root_folder="/r oot", sudo=sudo
    )


@pytest.mark.parametrize(
    "where, environ, line",
    [
        pytest.param(
            here(), {}, ("/usr/bin/sudo", "--", *HELPER, *INSTANCE), id="a developer, through sudo"
        ),
        pytest.param(
            here(uid=0), {}, (*HELPER, *INSTANCE, "--uid", "0"), id="root himself names himself"
        ),
        pytest.param(
            here(uid=0),
            {"SUDO_UID": "1000"},
            (*HELPER, *INSTANCE),
            id="under sudo the developer is named already",
        ),
    ],
)
def test_the_line(where: Surroundings, environ: dict[str, str], line: tuple[str, ...]) -> None:
    assert privileged_line(where, environ) == line


def test_without_sudo_the_line_for_root_is_said() -> None:
    with pytest.raises(ClickException) as caught:
        privileged_line(here(sudo=""), {})
    assert "no sudo" in caught.value.message
    assert caught.value.message.endswith("'/r oot' --instance tilt-1 --uid 1000")


def test_sudo_gets_the_developers_environment_and_the_helper_almost_none() -> None:
    environ = {"SUDO_ASKPASS": "/a", "PATH": "/p", "SUDO_UID": "1000"}
    assert environment(here(), environ) == environ
    assert environment(here(uid=0), environ) == {"SUDO_UID": "1000"}
    assert environment(here(uid=0), {"PATH": "/p"}) == {}
