"""`sudo -A`: sudo itself asks, through the program in SUDO_ASKPASS; we never see the password."""

from kubefwd_operator.privileged.answers import in_english
from kubefwd_operator.privileged.command import sudo
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way


def _plan(here: Surroundings) -> Launch | Obstacle:
    if here.uid == 0:
        return Obstacle("this operator runs as root")
    if not here.sudo:
        return Obstacle("sudo is not installed")
    if not here.askpass:
        return Obstacle(here.askpass_fault)
    argv = sudo(here.sudo, here.helper(), "-A", "-p", _prompt(here))
    return Launch(argv, in_english(here.environ))


def _prompt(here: Surroundings) -> str:
    """Say who asks and what for. sudo puts the user's name in the place of %p."""
    program = f", runs {here.kubefwd.path}".replace("%", "%%") if here.kubefwd else ""
    return (
        f"kubefwd-operator ({here.instance}) opens ports on 127.18.0.0/15{program} and writes the "
        "names of your Tilt services into /etc/hosts. Password for %p: "
    )


WAY = Way("sudo -A", asks=True, why="the password was given to sudo", plan=_plan)
