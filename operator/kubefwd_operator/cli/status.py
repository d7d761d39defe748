"""`kubefwd-operator status`: what is forwarded, and what is wrong, as a table."""

import json
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from kubefwd_operator.cli.look import NOT_WELL, WELL, Report, port_option, report
from kubefwd_operator.core.report import CONFLICTS, few, remark

WIDE = 600
"""Columns when nobody looks: whoever pipes this wants whole lines."""

_COLOURS = {
    "Ready": "green",
    "Waiting": "yellow",
    "Reconnecting": "yellow",
    "Failed": "red",
    "NotForwarded": "dim",
}


@click.command("status")
@port_option
@click.option("--json", "as_json", is_flag=True, help="Print status.json, the promised format.")
@click.pass_context
def command(ctx: click.Context, port: int | None, as_json: bool) -> None:
    """Show what is forwarded. Exit code 0: all as wanted; 1: not (yet); 3: nobody to ask."""
    found = report(port)
    if as_json:
        click.echo(json.dumps(found.document, indent=2, ensure_ascii=False))
    else:
        show(found, Console(width=None if Console().is_terminal else WIDE, highlight=False))
    ctx.exit(WELL if found.ready else NOT_WELL)


def show(found: Report, console: Console) -> None:
    """Print the state, what is wrong, and the services."""
    document = found.document
    colour = "green" if found.ready else "yellow"
    console.print(f"[bold {colour}]{escape(found.state)}[/]  {escape(document.get('message', ''))}")
    for condition in document.get("conditions", ()):
        if _is_worth_saying(condition, found):
            console.print(
                f"  [yellow]{escape(condition['type'])}[/] {escape(condition['reason'])}: "
                f"{escape(condition['message'])}"
            )
    for namespace in document.get("namespaces", ()):
        if not namespace.get("ready") and namespace["message"] != document.get("message"):
            console.print(
                f"  namespace [yellow]{escape(namespace['name'])}[/] "
                f"{escape(namespace['reason'])}: {escape(namespace['message'])}"
            )
    for policy in document.get("policies", ()):
        words = f"{policy['reason']}: {policy['message']}"
        console.print(f"  [yellow]{escape(policy['object'])}[/] {escape(words)}")
    if stopped := document.get("stopped"):
        words = f"{few(stopped)}: 'Forward a namespace' on `kubefwd:run` brings one back."
        console.print(f"  stopped  [yellow]{escape(words)}[/]")
    if answer := document.get("lastClick"):
        colour = "yellow" if answer["refused"] else "dim"
        words = f"{answer['button']}: {answer['sentence']}"
        console.print(f"  last click  [{colour}]{escape(words)}[/]")
    if document.get("services"):
        console.print(_table(document["services"], document.get("message", "")))
    if document.get("conflicts"):
        console.print("[bold]Conflicts[/]")
        console.print(_conflicts(document["conflicts"]))


def _is_worth_saying(condition: dict[str, Any], found: Report) -> bool:
    """Whether it tells more than the first line does."""
    expected = "False" if condition["type"] == "Degraded" else "True"
    well = condition["status"] == expected
    return not well and bool(condition["message"] != found.document.get("message"))


def _table(services: list[dict[str, Any]], said: str) -> Table:
    """Make the table; what was `said` of everything is not said of each service again."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in ("Service", "Address", "Ports", "State", "Message"):
        table.add_column(heading, overflow="fold")
    for service in services:
        state = str(service["state"])
        message = service["message"] if service["message"] != said else ""
        table.add_row(
            escape(service["url"] or f"{service['service']}.{service['namespace']}"),
            service["address"],
            ", ".join(map(str, service["ports"])),
            f"[{_COLOURS.get(state, 'yellow')}]{escape(state)}[/]",
            escape(remark(message, service.get("refused", 0))),
        )
    return table


def _conflicts(conflicts: list[dict[str, Any]]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for heading in CONFLICTS:
        table.add_column(heading, overflow="fold")
    for conflict in conflicts:
        words = (conflict[key] for key in ("kind", "has", "without", "remedy"))
        table.add_row(*map(escape, (few(conflict["over"]), *words)))
    return table
