"""Whether programs look into /etc/hosts at all, and when: the system's order of name services.

glibc reads `/etc/nsswitch.conf` (nsswitch.conf(5)): sources from left to right, `[STATUS=ACTION]`
says what an answer of the one before does; by itself only success ends the search. systemd-resolved
(`resolve`) reads /etc/hosts itself, unless ReadEtcHosts=no. Without the file the order is `files
dns`, on musl and macOS /etc/hosts is read first, always.
"""

import re
from configparser import ConfigParser, Error
from pathlib import Path

from kubefwd_operator.doctor.finding import Case, Finding, fail, ok, warn

NSSWITCH = Path("/etc/nsswitch.conf")
RESOLVED = (Path("/etc/systemd/resolved.conf"), Path("/etc/systemd/resolved.conf.d"))

_FIX = "In {}, write the line as: hosts: files {}"
_ASKS_THE_NETWORK = {"dns", "resolve", "mdns", "mdns4", "mdns6"}


async def order(case: Case) -> list[Finding]:  # noqa: ARG001 - every check takes a case
    """Read the order, and whether systemd-resolved leaves /etc/hosts out."""
    return judge_order(_order(), resolved_reads=_resolved_reads())


def _order(file: Path = NSSWITCH) -> str | None:
    try:
        return file.read_text("utf-8", "replace")
    except FileNotFoundError:
        return None


def judge_order(text: str | None, *, resolved_reads: bool = True) -> list[Finding]:
    """Judge the line `hosts:`. `resolved_reads`: systemd-resolved looks at /etc/hosts."""
    if text is None:
        return [ok(f"There is no {NSSWITCH}: /etc/hosts comes first.")]
    lines = [line.split("#")[0] for line in text.splitlines()]
    [*_, line] = ["files dns", *(line[6:] for line in lines if line.startswith("hosts:"))]
    words = re.findall(r"\[[^\]]*\]|[^\s\[]+", line)
    shown = f"hosts: {' '.join(words)}"
    fix = _FIX.format(NSSWITCH, " ".join(word for word in words if word != "files"))
    for index, word in enumerate(words):
        if word == "files":
            return [ok(f"/etc/hosts is asked in time ({shown}).")]
        if word == "resolve" and resolved_reads:
            return [ok(f"systemd-resolved looks at /etc/hosts ({shown}).")]
        if word not in _ASKS_THE_NETWORK:
            continue
        action = words[index + 1].lower() if words[index + 1 : index + 2] else ""
        if "files" not in words or _ends_search(action):
            return [fail(f"/etc/hosts is not asked: {word} has the last word ({shown}).", fix)]
        return [
            warn(f"{word} is asked before /etc/hosts, and what it answers wins ({shown}).", fix)
        ]
    return [fail(f"/etc/hosts is not asked ({shown}).", fix)]


def _ends_search(action: str) -> bool:
    """Whether an action ends the search when a name is not known: it names NOTFOUND, or a not."""
    return any(
        what == "return" and (status != "notfound" if negated else status == "notfound")
        for negated, status, what in re.findall(r"(!?)(\w+)=(\w+)", action)
    )


def _resolved_reads() -> bool:
    """Read systemd-resolved's own settings; the last that says anything counts."""
    files = [RESOLVED[0], *sorted(RESOLVED[1].glob("*.conf"))]
    reads = True
    for file in files:
        parser = ConfigParser(strict=False, interpolation=None)
        try:
            parser.read(file)
            reads = parser.getboolean("Resolve", "ReadEtcHosts", fallback=reads)
        except (Error, ValueError):
            continue
    return reads
