"""`kubefwd-operator doctor`: what is in the way, and how to mend it, as a table.

The exit code is its own: 0 all well, 1 warnings, 2 it will not work. Nothing is changed, and nobody
is asked for a password.
"""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kubefwd_operator import __version__, config
from kubefwd_operator.cli.look import NOBODY, WRONGLY_CALLED, Leaving, port_option, report
from kubefwd_operator.cli.status import WIDE
from kubefwd_operator.core.errors import SettingsError, TiltError
from kubefwd_operator.core.names import is_label
from kubefwd_operator.core.report import CONFIG_MAP
from kubefwd_operator.doctor.checks import CHECKS
from kubefwd_operator.doctor.examine import Examined, examine
from kubefwd_operator.doctor.finding import Case, Finding, Level, exit_code
from kubefwd_operator.tilt.glance import find
from kubefwd_operator.tilt.session import TiltAccess, TiltLocation, read_access

_SHOWN = {Level.OK: "[green]ok[/]", Level.WARN: "[yellow]warning[/]", Level.FAIL: "[red]FAIL[/]"}


@click.command("doctor")
@port_option
@click.option(
    "--namespace", "-n", "namespaces", multiple=True,
    help="A namespace to look at, besides those of the running operator; may be repeated.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the findings for programs.")
def command(port: int | None, namespaces: tuple[str, ...], as_json: bool) -> None:
    """Check this machine and the cluster. Exit code 0: all well; 1: warnings; 2: will not work."""
    for name in namespaces:
        if not is_label(name):
            raise Leaving(f"--namespace: '{name}' is not the name of a namespace.", WRONGLY_CALLED)
    examined, stuck = examine(CHECKS, case_of(port, namespaces))
    code = exit_code([finding for each in examined for finding in each.findings])
    if as_json:
        click.echo(json.dumps(document(examined, code), indent=2, ensure_ascii=False))
    else:
        show(examined, Console(width=None if Console().is_terminal else WIDE, highlight=False))
    leave(code, stuck)


def case_of(port: int | None, namespaces: tuple[str, ...] = ()) -> Case:
    """Collect what doctor is asked about. Raises Leaving when the environment is wrong."""
    try:
        setup = config.load(port=port)
    except SettingsError as error:
        raise Leaving(str(error), WRONGLY_CALLED) from None
    case = Case(setup.settings, setup.environ, Path.home(), namespaces)
    tilt = _tilt(setup.tilt)
    try:
        status = report(setup.tilt.port).document
    except Leaving as why:
        broken = why.exit_code == NOBODY and tilt is not None
        return replace(case, tilt=tilt, absence=why.message, broken=broken)
    return replace(case, tilt=tilt, status=status)


def _tilt(location: TiltLocation) -> TiltAccess | None:
    """Find a Tilt that runs and answers."""
    try:
        access = read_access(location)
        find(access, "configmaps", CONFIG_MAP)
    except TiltError:
        return None
    return access


def document(examined: list[Examined], code: int) -> dict[str, object]:
    """Make what --json prints; its keys are a promise."""
    return {
        "code": code,
        "version": __version__,
        "checks": [{"name": each.name, "findings": _findings(each.findings)} for each in examined],
    }


def _findings(findings: tuple[Finding, ...]) -> list[dict[str, str]]:
    return [{"level": one.level.value, "message": one.sentence, "fix": one.fix} for one in findings]


def show(examined: list[Examined], console: Console) -> None:
    """Print the table: a line per finding, and its fix below it."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Check", "Level", "What was found, and what to do"):
        table.add_column(
            heading, overflow="fold", no_wrap=heading != "What was found, and what to do"
        )
    for each in examined:
        for one in each.findings:
            table.add_row(escape(each.name), _SHOWN[one.level], _text(one))
    console.print(table)


def _text(one: Finding) -> str:
    fix = f"\n[bold]fix:[/] {escape(one.fix)}" if one.fix else ""
    return escape(one.sentence) + fix


def leave(code: int, stuck: bool) -> None:
    """End with that code; at once, when a check hangs in a thread that cannot be ended."""
    if stuck:
        sys.stdout.flush()
        os._exit(code)
    sys.exit(code)
