"""sudo-rs, as a stand-in in sudo's place that takes and refuses what that version does.

Behind it is the real sudo, so that root is really given. Facts: sudo-rs's change log, and its own
tests for the prompt.
"""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.authority.operators import operator, paste
from tests.lab.user import Dev

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
SUDO, PLACE = Path("/usr/bin/sudo"), Path("/run/lab-sudo")
Becomes = Callable[[str, bool], None]

STANDIN = """#!/bin/sh
[ "$1" != --version ] || {{ echo "sudo-rs {version}"; exit; }}
refuse() {{ echo "sudo-rs: unrecognized option '$1'"; exit 1; }}
while [ "$1" != -- ]; do
    case $1 in
    -n | -S) options="$options $1" ;;
    -A) {askpass} || refuse "$1"; options="$options $1" ;;
    -p) shift; prompt="[sudo: $1] Password: " ;;
    *) refuse "$1" ;;
    esac
    shift
done
exec {place}/real $options -p "${{prompt:-[sudo] Password: }}" "$@"
"""


@pytest.fixture
def becomes(instance: str) -> Iterator[Becomes]:
    """Return what puts a sudo-rs of some version, with or without -A, in the place of sudo."""
    PLACE.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "none", PLACE], check=True)
    shutil.copy(SUDO, PLACE / "real")
    (PLACE / "real").chmod(0o4755)

    def put(version: str, askpass: bool) -> None:
        known = "true" if askpass else "false"
        text = STANDIN.format(version=version, askpass=known, place=PLACE)
        (PLACE / "sudo").write_text(text)
        (PLACE / "sudo").chmod(0o755)
        subprocess.run(["mount", "--bind", PLACE / "sudo", SUDO], check=True)

    yield put
    subprocess.run(["umount", SUDO], check=True)
    subprocess.run(["umount", "-l", PLACE], check=True)
    PLACE.rmdir()


def test_one_that_knows_askpass_is_used_with_a_prompt_that_fits_its_brackets(
    dev: Dev, instance: str, becomes: Becomes
) -> None:
    becomes("0.2.11", True)
    prompts = dev.home / "prompts"
    prompts.unlink(missing_ok=True)
    dev.ask_through(f"echo \"$1\" >> '{prompts}'\necho '{dev.password}'")
    with operator(dev, instance) as one:
        assert one.until(state="Authorized")["way"] == "sudo -A"
        (prompt,) = prompts.read_text().splitlines()
        assert prompt.startswith("[sudo: kubefwd-operator (")
        assert prompt.rstrip().endswith(f"/etc/hosts. User: {dev.name}] Password:")


def test_one_that_does_not_know_askpass_is_left_for_the_line_which_works(
    dev: Dev, instance: str, becomes: Becomes
) -> None:
    becomes("0.2.10", False)
    with operator(dev, instance) as one:
        message = one.until(state="WaitingForAuthorization")["message"]
        assert "sudo-rs 0.2.10 cannot ask through a program (sudo-rs 0.2.11 can)" in message
        with paste(dev, message):
            assert one.until(state="Authorized")["way"] == "terminal"
            one.say("close")


def test_one_that_asks_nobody_gives_root(dev: Dev, instance: str, becomes: Becomes) -> None:
    becomes("0.2.4", False)
    dev.sudoers(password=False)
    with operator(dev, instance, askpass=False) as one:
        assert one.until(state="Authorized")["way"] == "sudo -n"
