"""`kubefwd-operator wait`: until names are forwarded, and a pod has taken a connection to each.

A name is looked up as any program would do it, and every address that it leads to has to be this
operator's; then the operator is asked to dial (`waiting/`), because its listeners accept before any
pod does. Each name has a thread of its own, since a resolver may take longer than the timeout.
"""

import itertools
import queue
import socket
import threading
import time
from collections.abc import Iterable
from ipaddress import IPv6Address, ip_address

import click

from kubefwd_operator import config
from kubefwd_operator.cli.look import (
    NOT_WELL,
    WELL,
    WRONGLY_CALLED,
    Leaving,
    port_option,
    report,
)
from kubefwd_operator.core import waiting
from kubefwd_operator.core.errors import OperatorSilent, SettingsError
from kubefwd_operator.core.waiting import Found, Wanted
from kubefwd_operator.waiting.client import ask

PAUSES = (0.1, 0.2, 0.5, 1.0, 2.0)
"""Seconds between tries for one name; the last repeats."""

AT_A_TIME = 8
"""Questions to the operator at a time, which answers twice as many."""


@click.command("wait")
@port_option
@click.option("--timeout", default="60s", help="How long: 90s, 2m, 1h. Default: 60s.")
@click.argument("names", nargs=-1, required=True, metavar="NAME:PORT...")
@click.pass_context
def command(ctx: click.Context, port: int | None, timeout: str, names: tuple[str, ...]) -> None:
    """Wait until a pod takes a connection to every NAME:PORT.

    Exit code 0: all are reachable; 1: not within the timeout, and why; 3: there is no operator.
    """
    try:
        wanted = tuple(dict.fromkeys(map(waiting.wanted, names)))
        seconds = waiting.seconds(timeout)
        instance = config.load(port=port).settings.instance
    except SettingsError as error:
        raise Leaving(str(error), WRONGLY_CALLED) from None
    missing = Waiting(instance).until(wanted, seconds)
    ctx.exit(_leave(missing, port, timeout) if missing else WELL)


def _leave(missing: dict[Wanted, Found], port: int | None, timeout: str) -> int:
    """Say of each what is wrong; return the exit code."""
    listed = ", ".join(map(str, missing))
    try:
        status = report(port)
    except Leaving as nobody:
        raise Leaving(
            f"Not reachable within {timeout}: {listed}. {nobody}", nobody.exit_code
        ) from None
    for wanted, found in missing.items():
        why = waiting.explain(wanted, found, status.document)
        click.echo(f"{wanted} is not reachable within {timeout}. {why}", err=True)
    return NOT_WELL


class Waiting:
    """Waits for names of one instance, and says of each when it is reachable."""

    def __init__(self, instance: str) -> None:
        self._instance = instance
        self._asking = threading.Semaphore(AT_A_TIME)
        self._news: queue.SimpleQueue[Wanted | Exception] = queue.SimpleQueue()
        self._last: dict[Wanted, Found] = {}

    def until(self, wanted: Iterable[Wanted], seconds: float) -> dict[Wanted, Found]:
        """Wait, at most so long. Return what is missing then, with what was last seen of it."""
        deadline = time.monotonic() + seconds
        missing = dict.fromkeys(wanted, Found())
        for each in missing:
            threading.Thread(target=self._watch, args=(each,), daemon=True).start()
        while missing and (left := deadline - time.monotonic()) > 0:
            try:
                news = self._news.get(timeout=left)
            except queue.Empty:
                break
            if isinstance(news, Exception):
                raise news
            del missing[news]
            click.echo(f"{news} is reachable, at {', '.join(self._last[news].addresses)}")
        return {each: self._last.get(each, found) for each, found in missing.items()}

    def _watch(self, wanted: Wanted) -> None:
        try:
            for pause in itertools.chain(PAUSES, itertools.repeat(PAUSES[-1])):
                found = self._last[wanted] = self._try(wanted)
                if found.reached:
                    self._news.put(wanted)
                    return
                time.sleep(pause)
        except Exception as error:  # noqa: BLE001 - raised where it is seen, by who waits
            self._news.put(error)

    def _try(self, wanted: Wanted) -> Found:
        addresses, dialled = resolve(wanted), None
        for address in addresses:
            try:
                with self._asking:
                    dialled = ask(self._instance, address, wanted.port)
            except OperatorSilent as error:
                return Found(addresses, silent=str(error))
            if not dialled.reached:
                break
        return Found(addresses, dialled)


def resolve(wanted: Wanted) -> tuple[str, ...]:
    """Look a name up; an IPv6 line that stands for an IPv4 address is that address."""
    try:
        found = socket.getaddrinfo(wanted.name, wanted.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(dict.fromkeys(_plain(str(each[4][0])) for each in found))


def _plain(text: str) -> str:
    address = ip_address(text.partition("%")[0])
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return str(mapped or address)
