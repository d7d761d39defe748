"""`kubefwd-operator version`."""

import click

from kubefwd_operator import __version__


@click.command("version")
def command() -> None:
    """Print the version."""
    click.echo(__version__)
