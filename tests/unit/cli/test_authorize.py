"""Which line `authorize` chooses, and what it hands on."""

import hashlib
from pathlib import Path

import pytest
from click import ClickException

from kubefwd_operator.cli.authorize import environment, look, privileged_line
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


async def test_a_kubefwd_is_looked_at_before_it_is_named(tmp_path: Path) -> None:
    with pytest.raises(ClickException) as caught:
        await look("tilt-1", str(tmp_path / "kubefwd"), {})
    assert str(tmp_path / "kubefwd") in caught.value.message
    program = tmp_path / "kubefwd"
    program.write_text("#!/bin/sh\n# KUBEFWD_API_KEY\necho 1.25.16\n")
    program.chmod(0o755)
    seen = await look("tilt-1", str(program), {})
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    assert privileged_line(seen, {})[-4:] == ("--kubefwd", str(program), "--sha256", digest)
    assert seen.authorize[-2:] == ("--kubefwd", str(program))


def test_sudo_gets_the_developers_environment_and_the_helper_almost_none() -> None:
    environ = {"SUDO_ASKPASS": "/a", "PATH": "/p", "SUDO_UID": "1000"}
    assert environment(here(), environ) == environ
    assert environment(here(uid=0), environ) == {"SUDO_UID": "1000"}
    assert environment(here(uid=0), {"PATH": "/p"}) == {}
