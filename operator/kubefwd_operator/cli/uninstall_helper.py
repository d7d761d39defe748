"""`kubefwd-operator uninstall-helper`: takes away what `install-helper` has installed."""

import os

import click

from kubefwd_operator.cli.install_helper import run


@click.command("uninstall-helper")
@click.option("--print", "only_print", is_flag=True, help="Print the line, and run nothing.")
def command(only_print: bool) -> None:
    """Remove the installed helper; sudo may ask. Remove its lines from sudoers as well."""
    run("uninstall", "", only_print, os.environ)
