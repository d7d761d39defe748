"""The ways beside sudo, on stand-ins that become root as the real ones do; and forcing one."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.authority.conftest import Asked
from tests.contract.authority.operators import operator, paste
from tests.lab.user import Dev

pytestmark = [pytest.mark.contract, pytest.mark.isolated]
DESKTOP = {"DISPLAY": ":77"}

# polkit runs the program with nothing but its own variable, in root's home.
PKEXEC = """#!/bin/sh
echo pkexec >> {noted}
{answer}
[ "$1" = --disable-internal-agent ] || exit 99
shift
cd /root && exec env -i PKEXEC_UID="$SUDO_UID" "$@"
"""
# macOS runs the line in a shell of root's that knows nothing of who asks.
OSASCRIPT = """#!/bin/sh
echo osascript >> {noted}
{answer}
while [ "$1" = -e ]; do shift 2; done
exec env -i /bin/sh -c "$1"
"""
PLACES = {"pkexec": Path("/run/wrappers/bin/pkexec"), "osascript": Path("/run/lab/osascript")}
NOTED = Path("/run/lab/noted")


class Standins:
    """Root-owned programs in the places of pkexec and osascript, which become root by sudo."""

    def __init__(self) -> None:
        NOTED.parent.mkdir(exist_ok=True)
        NOTED.touch()
        NOTED.chmod(0o666)

    def put(self, name: str, answer: str = "") -> None:
        body = {"pkexec": PKEXEC, "osascript": OSASCRIPT}[name].format(noted=NOTED, answer=answer)
        place = PLACES[name]
        place.parent.mkdir(parents=True, exist_ok=True)
        inner = place.with_suffix(".inner")
        inner.write_text(body)
        place.write_text(f'#!/bin/sh\nexec /usr/bin/sudo -A {inner} "$@"\n')
        for file in (inner, place):
            file.chmod(0o755)

    @property
    def tried(self) -> list[str]:
        return NOTED.read_text().split()


@pytest.fixture
def standins() -> Iterator[Standins]:
    yield Standins()
    for folder in (NOTED.parent, PLACES["pkexec"].parent.parent):
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", PLACES)
def test_it_gives_root_and_is_named(dev: Dev, instance: str, standins: Standins, name: str) -> None:
    standins.put(name)
    with operator(dev, instance, also=DESKTOP | {"LAB_ROOT": name}) as one:
        assert one.until(state="Authorized")["way"] == name
        one.say("listen 127.18.0.8 80")
        one.until(done="listen")
        assert standins.tried == [name]


@pytest.mark.parametrize(
    "name, answer",
    [
        ("pkexec", "echo 'Error executing command as another user: Request dismissed'; exit 126"),
        ("osascript", "echo '0:97: execution error: User canceled. (-128)'; exit 1"),
    ],
)
def test_a_cancelled_question_is_an_answer(
    dev: Dev, instance: str, standins: Standins, name: str, answer: str
) -> None:
    standins.put(name, answer)
    with operator(dev, instance, also=DESKTOP | {"LAB_ROOT": name}) as one:
        told = one.until(state="AuthorizationDenied")
        assert f"{name} did not give root" in told["message"]


def test_who_has_cancelled_one_is_not_asked_by_the_next(
    dev: Dev, instance: str, standins: Standins, asked: Asked
) -> None:
    """The stand-ins are in their places, and the order is that of `auto`."""
    for name in PLACES:
        standins.put(name)
    dev.answer_with(None)
    with operator(dev, instance, also=DESKTOP) as one:
        one.until(state="AuthorizationDenied")
        assert (asked(), standins.tried) == (1, [])


def test_without_an_agent_polkit_asks_nobody_and_the_line_is_left(
    dev: Dev, instance: str, standins: Standins
) -> None:
    standins.put("pkexec", "echo 'Error: No authentication agent found.'; exit 127")
    with operator(dev, instance, also=DESKTOP | {"LAB_ROOT": "pkexec"}) as one:
        told = one.until(state="WaitingForAuthorization")
        assert told["reason"] == "WaitingForAuthorization"
        assert "No authentication agent found" in told["message"]


@pytest.mark.parametrize("root", ["sudo", "terminal", "dialog"])
def test_a_forced_way_is_the_only_one(dev: Dev, instance: str, asked: Asked, root: str) -> None:
    """SUDO_ASKPASS is set and would answer, but is not what was asked for."""
    with operator(dev, instance, also={"LAB_ROOT": root}) as one:
        message = one.until(state="WaitingForAuthorization")["message"]
        assert asked() == 0
        with paste(dev, message):
            assert one.until(state="Authorized")["way"] == "terminal"
            one.say("close")


def test_the_order_of_the_ways_is_logged(dev: Dev, instance: str) -> None:
    with operator(dev, instance) as one:
        one.until(state="Authorized")
        assert one.said("already root, sudo -n, sudo -A, sudo dialog, osascript, pkexec, a line")
