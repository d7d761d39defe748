"""`kubefwd-operator sudoers`: the lines that let one instance have root without a password."""

import asyncio
import os
import pwd

import click

from kubefwd_operator import config
from kubefwd_operator.cli.install_helper import require_oneself
from kubefwd_operator.cli.look import NOT_WELL, WRONGLY_CALLED, Leaving, port_option
from kubefwd_operator.core.errors import KubefwdOperatorError
from kubefwd_operator.core.settings import parse
from kubefwd_operator.privileged import installed, sudoers, surroundings
from kubefwd_operator.privileged.command import require_instance, typed
from kubefwd_operator.privileged.installed import Installed
from kubefwd_operator.privileged.surroundings import ROOT_FOLDER, Surroundings


@click.command("sudoers")
@port_option
@click.option("--instance", help="Instance of the operator. Default: tilt-PORT.")
@click.option("--hostnames", default="", help="The argument allow_hostnames, if it is given.")
def command(port: int | None, instance: str | None, hostnames: str) -> None:
    """Print what to put into sudoers, for the helper that install-helper has installed."""
    require_oneself(os.geteuid(), os.environ)
    try:
        setup = config.load(port=port)
        name = require_instance(instance or setup.settings.instance)
        suffixes = parse({"allow_hostnames": hostnames}).allow_hostnames
    except KubefwdOperatorError as error:
        raise Leaving(str(error), WRONGLY_CALLED) from None
    here = asyncio.run(surroundings.look(name, setup.environ, hostnames=suffixes))
    click.echo("\n".join(lines(here, installed.find(ROOT_FOLDER))))


def lines(here: Surroundings, copy: Installed) -> list[str]:
    """Return the lines, comments first. Raises Leaving when they would not be safe."""
    if fault := here.fault or copy.fault:
        raise Leaving(fault, NOT_WELL)
    if not copy.root_folder:
        raise Leaving(
            "No helper is installed, and a line that leads to a file of yours would give root to "
            f"whoever can change it. Run this first: {typed(installed.install_helper())}",
            NOT_WELL,
        )
    if fault := sudoers.objection(here, copy.kubefwd):
        raise Leaving(f"{fault} A line for it would give root to others.", NOT_WELL)
    user, uid = pwd.getpwuid(os.geteuid()).pw_name, os.geteuid()
    return [
        f"# kubefwd-operator, {here.instance}. Put this at the end of sudoers, or into a file:",
        f"#   sudo visudo -f {sudoers.FILE}",
        *(sudoers.line(user, uid, argv) for argv in sudoers.helpers(here, copy.kubefwd)),
    ]
