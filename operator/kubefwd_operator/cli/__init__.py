"""The command line, `kubefwd-operator`: one file per command, imported only when it is called.

Tilt's readiness probe runs one of them every few seconds, so what one command needs, no other
command pays for. Exit codes: 0 well, 1 not (yet) well, 2 wrongly called, 3 there is nobody to ask
(doctor has its own).
"""

from importlib import import_module

import click

COMMANDS = (
    "authorize",
    "cleanup",
    "doctor",
    "install-helper",
    "ready",
    "status",
    "sudoers",
    "uninstall-helper",
    "version",
    "wait",
)


class _Lazy(click.Group):
    """Finds the commands in the files of their names."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(COMMANDS)

    def get_command(
        self,
        ctx: click.Context,  # noqa: ARG002 - click's signature
        cmd_name: str,
    ) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"{__name__}.{cmd_name.replace('-', '_')}").command
        return command


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Look after kubefwd-operator, which makes what Tilt deploys answer under its own name."""
