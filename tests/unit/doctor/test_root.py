"""Which way to root will be used, and what sudo says it takes without a password."""

from dataclasses import replace

import pytest
from tests.unit.doctor.kit import FAIL, HERE, OK, WARN, told

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.core.settings import RootChoice
from kubefwd_operator.doctor import root
from kubefwd_operator.doctor.finding import Level
from kubefwd_operator.doctor.root import Facts, without_password
from kubefwd_operator.doctor.run import Said
from kubefwd_operator.installer import PLACE
from kubefwd_operator.privileged import installed
from kubefwd_operator.privileged.sudoers import line
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import chosen

ARGV = HERE.helper()
FAULT = "The helper needs the system's own Python 3.9 or newer: none. Install it with: x"


@pytest.mark.parametrize(
    "facts, level, words",
    [
        pytest.param(Facts(replace(HERE, fault=FAULT)), FAIL, ["system Python"], id="no Python"),
        pytest.param(Facts(HERE, given="sudo -A"), OK, ["has root (sudo -A)"], id="given already"),
        pytest.param(Facts(replace(HERE, uid=0)), OK, ["already root"], id="root"),
        pytest.param(Facts(replace(HERE, uid=0, sudo="")), OK, ["already root"],
                     id="root without sudo"),
        pytest.param(Facts(HERE, silent=True), OK, ["Nobody is asked (sudo -n)"], id="sudoers"),
        pytest.param(Facts(replace(HERE, askpass="/a")), OK, ["asked for your password (sudo -A)"],
                     id="a question"),
        pytest.param(Facts(replace(HERE, askpass="/a"), silent=True), OK, ["(sudo -n)"],
                     id="the silent way comes first"),
        pytest.param(Facts(HERE), WARN,
                     ["sudo -n would need a password; SUDO_ASKPASS is not set",
                      "Set SUDO_ASKPASS", "\n/bin/op authorize"], id="a line to paste"),
        pytest.param(Facts(replace(HERE, dialog="/bin/zenity")), OK, ["password (sudo dialog)"],
                     id="a dialog that is found"),
        pytest.param(Facts(replace(HERE, sudo="", pkexec="/bin/pkexec")), OK, ["(pkexec)"],
                     id="no sudo, but polkit"),
        pytest.param(Facts(replace(HERE, askpass="/a"), ways=chosen(RootChoice.TERMINAL)), WARN,
                     ["root is 'terminal'", "\n/bin/op authorize"], id="a terminal is wanted"),
        pytest.param(Facts(replace(HERE, sudo="")), FAIL,
                     ["no way to root", "sudo is not installed",
                      ("/usr/bin/python3 -I -S -B -X pycache_prefix=/dev/null /r "
                      "--instance tilt-1 --uid 1000")], id="no sudo"),
    ],
)  # fmt: skip
def test_ways(facts: Facts, level: Level, words: list[str]) -> None:
    told(root.judge_ways(facts), level, *words)


HEAD = (
    "Matching Defaults entries for dev on vm:\n    env_reset, (root) NOPASSWD: ALL\n\nUser dev:\n"
)
OURS = " ".join(ARGV).replace("=", r"\=")


@pytest.mark.parametrize(
    "listing, expected",
    [
        pytest.param("    (root) NOPASSWD: ALL", True, id="everything"),
        pytest.param("    (ALL : ALL) ALL", False, id="everything, with a password"),
        pytest.param("    (ALL : ALL) NOPASSWD: ALL", True, id="as anybody"),
        pytest.param("    (postgres) NOPASSWD: ALL", False, id="as somebody else"),
        pytest.param(f"    (root) NOPASSWD: NOSETENV: {OURS}", True, id="exactly ours"),
        pytest.param(f"    (root) NOPASSWD:NOSETENV: {OURS}", True, id="tags without blanks"),
        pytest.param(f"    (root) NOPASSWD: {OURS} --more", False, id="another line"),
        pytest.param("    (root) NOPASSWD: /usr/bin/python3", False, id="the program alone"),
        pytest.param("    (root) NOPASSWD: /bin/ls, PASSWD: ALL", False, id="a tag of its own"),
        pytest.param(f"    (root) NOPASSWD: /bin/ls, {OURS}", True, id="the tag goes on"),
        pytest.param(f"    (ALL) ALL\n    (root) NOPASSWD: {OURS}", True, id="the last decides"),
        pytest.param(f"    (root) NOPASSWD: {OURS}\n    (ALL) ALL", False, id="the last forbids"),
        pytest.param("", False, id="nothing"),
    ],
)
def test_what_sudo_lists(listing: str, expected: bool) -> None:
    assert without_password(HEAD + listing, ARGV) is expected


def test_a_blank_in_a_path_is_compared_away_as_sudo_does() -> None:
    argv = replace(HERE, root_folder="/a b/root").helper()
    listing = f"{HEAD}    (root) NOPASSWD: {' '.join(argv)}"
    assert without_password(listing, argv)
    assert not without_password(listing, ARGV)


def test_the_line_that_we_print_is_believed() -> None:
    _, _, rest = line("dev", 1000, ARGV).partition("ALL=")
    assert without_password(HEAD + "    " + rest.replace(")", ") ", 1), ARGV)


@pytest.mark.parametrize(
    "here, said, level, words",
    [
        pytest.param(HERE, Said("Sudo version 1.9.13p3\nmore", 0), OK,
                     ["Sudo version 1.9.13p3 at /usr/bin/sudo (Todd"], id="sudo"),
        pytest.param(HERE, Said("sudo-rs 0.2.8", 0), OK, ["(sudo-rs)"], id="sudo-rs"),
        pytest.param(HERE, Said(trouble="it does not end within 5 s"), WARN,
                     ["does not end within 5 s", "--version"], id="hangs"),
        pytest.param(replace(HERE, sudo=""), Said(), WARN, ["no sudo", "Install sudo"], id="none"),
        pytest.param(replace(HERE, sudo="", uid=0), Said(), OK, ["We are root"], id="none, root"),
    ],
)  # fmt: skip
def test_sudo(here: Surroundings, said: Said, level: Level, words: list[str]) -> None:
    told(root.judge_sudo(here, said), level, *words)


def test_the_systems_python() -> None:
    told(root.judge_interpreter(HERE), OK, "/usr/bin/python3")
    told(root.judge_interpreter(replace(HERE, fault=FAULT)), FAIL, ": none.\nInstall it with: x")


OTHER = installed._not_used(PLACE, "it is of another version than this operator")
WITHOUT = installed.Installed("/r").unfit(PinnedKubefwd("/b/kubefwd", "a" * 64))
COPY = PinnedKubefwd(f"{PLACE}/kubefwd", "a" * 64)


@pytest.mark.parametrize(
    "here, is_there, level, words",
    [
        pytest.param(HERE, False, OK, ["None is installed"], id="none"),
        pytest.param(HERE, True, OK, [f"The helper in {PLACE}", "used"], id="fit"),
        pytest.param(replace(HERE, kubefwd=COPY), True, OK, ["and its kubefwd"], id="with kubefwd"),
        pytest.param(replace(HERE, outdated=OTHER), True, WARN,
                     ["of another version than this operator.\nRun ", "install-helper"],
                     id="of another version"),
        pytest.param(replace(HERE, outdated=WITHOUT), True, WARN,
                     ["does not fit.\nRun ", "--kubefwd /b/kubefwd"], id="without kubefwd"),
    ],
)  # fmt: skip
def test_the_installed_helper(
    here: Surroundings, is_there: bool, level: Level, words: list[str]
) -> None:
    told(root.judge_helper(here, is_there=is_there), level, *words)
