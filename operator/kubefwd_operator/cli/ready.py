"""`kubefwd-operator ready`: Tilt's readiness probe of `kubefwd:run`."""

import click

from kubefwd_operator.cli.look import NOT_WELL, Leaving, port_option, report


@click.command("ready")
@port_option
def command(port: int | None) -> None:
    """Exit with code 0 if everything is forwarded as wanted; otherwise say what is missing."""
    found = report(port)
    if not found.ready:
        raise Leaving(f"{found.state}: {found.document.get('message', '')}", NOT_WELL)
    click.echo(found.document.get("message", ""))
