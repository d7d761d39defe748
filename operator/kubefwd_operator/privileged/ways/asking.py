"""What `sudo -A` needs, whichever program it asks through. sudo asks; we never see the password."""

from collections.abc import Mapping

from kubefwd_operator.privileged.answers import in_english
from kubefwd_operator.privileged.command import sudo
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.way import Launch, Obstacle


def ask_through(
    here: Surroundings, program: str, also: Mapping[str, str], shown: str = ""
) -> Launch | Obstacle:
    """Launch `sudo -A` with this askpass program, and `also` in its environment.

    `shown`: the program that people see, when it is another.
    """
    if here.uid == 0:
        return Obstacle("this operator runs as root")
    if not here.sudo:
        return Obstacle("sudo is not installed")
    if not here.flavour.asks_programs:
        return Obstacle(f"{here.flavour} cannot ask through a program (sudo-rs 0.2.11 can)")
    prompt = ("-p", _prompt(here)) if here.flavour.prompts else ()
    environ = in_english(here.environ) | {"SUDO_ASKPASS": program, **also}
    return Launch(sudo(here.sudo, here.helper(), "-A", *prompt), environ, shown or program)


def reason(here: Surroundings) -> str:
    """Say who asks and what for, in one sentence."""
    program = f", runs {here.kubefwd.path}" if here.kubefwd else ""
    return (
        f"kubefwd-operator ({here.instance}) opens ports on 127.18.0.0/15{program} and writes the "
        "names of your Tilt services into /etc/hosts."
    )


def _prompt(here: Surroundings) -> str:
    """Spell it for sudo, which puts the user's name in the place of %p. sudo-rs adds "Password"."""
    said = reason(here).replace("%", "%%")
    return f"{said} User: %p" if here.flavour.rs else f"{said} Password for %p: "
