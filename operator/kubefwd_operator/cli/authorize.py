"""`kubefwd-operator authorize`: the one privileged line, printed and run.

For terminals (SSH too): sudo asks there, and the helper finds the waiting operator by itself, so
nothing but the instance has to be known.
"""

import asyncio
import os
from collections.abc import Mapping

import click

from kubefwd_operator import config
from kubefwd_operator.cli.look import NOT_WELL, WRONGLY_CALLED, Leaving, port_option
from kubefwd_operator.core.errors import KubefwdOperatorError
from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.settings import parse
from kubefwd_operator.engines.kubefwd.find import find
from kubefwd_operator.privileged import surroundings
from kubefwd_operator.privileged.command import sudo, typed
from kubefwd_operator.privileged.surroundings import Surroundings


@click.command("authorize")
@port_option
@click.option("--instance", help="Instance of the operator. Default: tilt-PORT.")
@click.option("--kubefwd", default="", help="Path of the kubefwd that root may run, if any.")
@click.option("--hostnames", default="", help="The argument allow_hostnames, if it is given.")
@click.option("--print", "only_print", is_flag=True, help="Print the line, and run nothing.")
def command(
    port: int | None, instance: str | None, kubefwd: str, hostnames: str, only_print: bool
) -> None:
    """Give root to the operator of a Tilt: sudo may ask for your password."""
    try:
        setup = config.load(port=port)
        suffixes = parse({"allow_hostnames": hostnames}).allow_hostnames
        name = instance or setup.settings.instance
        here = asyncio.run(look(name, kubefwd, setup.environ, suffixes))
        line = privileged_line(here, setup.environ)
    except KubefwdOperatorError as error:
        raise Leaving(str(error), WRONGLY_CALLED) from None
    if here.fault:
        raise Leaving(here.fault, NOT_WELL)
    click.echo(typed(line))
    if not only_print:
        os.execve(line[0], line, environment(here, setup.environ))  # noqa: S606 - our own line


async def look(
    instance: str, kubefwd: str, environ: Mapping[str, str], hostnames: tuple[str, ...] = ()
) -> Surroundings:
    """Look around, at the kubefwd that was named as well. Raises Leaving when that is of no use."""
    return await surroundings.look(instance, environ, await pinned(kubefwd, environ), hostnames)


async def pinned(kubefwd: str, environ: Mapping[str, str]) -> PinnedKubefwd | None:
    """Look at the kubefwd that was named, if one was. Raises Leaving when it is of no use."""
    found = await find(kubefwd, environ) if kubefwd else None
    if isinstance(found, NoKubefwd):
        raise Leaving(found.why, NOT_WELL)
    return found


def privileged_line(here: Surroundings, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Choose the line: through sudo, or for root as it is.

    Under `sudo kubefwd-operator authorize` the one who asks is SUDO_UID, who is named there
    already; plain root names himself.
    """
    if here.uid == 0:
        uid = None if environ.get("SUDO_UID") else 0
        return here.helper(uid)
    if not here.sudo:
        raise Leaving(
            "There is no sudo on this machine that can be trusted. Become root in any other way "
            f"and run:\n{typed(here.helper(here.uid))}",
            NOT_WELL,
        )
    return sudo(here.sudo, here.helper())


def environment(here: Surroundings, environ: Mapping[str, str]) -> dict[str, str]:
    """Give sudo the developer's environment, and the helper itself none but who asks."""
    if here.uid != 0:
        return dict(environ)
    return {key: value for key, value in environ.items() if key == "SUDO_UID"}
