"""`kubefwd-operator install-helper`: a copy of what root runs, where only root can change it.

What copies is `installer.py`, run by the system's Python through sudo; in here it is only started.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import click

from kubefwd_operator import installer
from kubefwd_operator.cli.authorize import environment, pinned
from kubefwd_operator.cli.look import NOT_WELL, Leaving
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.privileged import surroundings
from kubefwd_operator.privileged.command import isolated, sudo, typed
from kubefwd_operator.privileged.surroundings import Surroundings

_ANY = "any"  # an instance for looking around with: nothing that is installed belongs to one


@click.command("install-helper")
@click.option("--kubefwd", default="", help="Path of a kubefwd to install with it.")
@click.option("--print", "only_print", is_flag=True, help="Print the line, and run nothing.")
def command(kubefwd: str, only_print: bool) -> None:
    """Install the privileged helper, and kubefwd if named, as root's own; sudo may ask."""
    run("install", kubefwd, only_print, os.environ)


def run(verb: str, kubefwd: str, only_print: bool, environ: Mapping[str, str]) -> None:
    """Print the privileged line, and become it. Raises Leaving."""
    program = asyncio.run(pinned(kubefwd, environ))
    here = asyncio.run(surroundings.look(_ANY, environ))
    if here.fault:
        raise Leaving(here.fault, NOT_WELL)
    line = privileged_line(here, verb, program)
    click.echo(typed(line))
    if not only_print:
        os.execve(line[0], line, environment(here, environ))  # noqa: S606 - our own line


def privileged_line(
    here: Surroundings, verb: str, kubefwd: PinnedKubefwd | None
) -> tuple[str, ...]:
    """Return the installer's command line, through sudo unless we are root. Raises Leaving."""
    pin = () if kubefwd is None else ("--kubefwd", kubefwd.path, "--sha256", kubefwd.sha256)
    program = str(Path(installer.__file__).resolve())
    argv = isolated(here.interpreter, program, verb, *pin)
    if here.uid == 0:
        return argv
    if not here.sudo:
        raise Leaving(
            "There is no sudo on this machine that can be trusted. Become root in any other way "
            f"and run:\n{typed(argv)}",
            NOT_WELL,
        )
    return sudo(here.sudo, argv, *asking(here))


def require_oneself(uid: int, environ: Mapping[str, str]) -> None:
    """Refuse to be run through sudo: then it is root's own account that is looked at."""
    if uid == 0 and environ.get("SUDO_UID"):
        raise Leaving(
            "Run it as yourself, without sudo: where root is needed it asks by itself.", NOT_WELL
        )


def asking(here: Surroundings) -> tuple[str, ...]:
    """Let sudo ask through SUDO_ASKPASS where there is no terminal to ask in."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return ("-A",) if here.askpass else ()
    return ()
