"""docs/benchmarks.md, made of docs/benchmarks/*.json and nothing else.

A limit is compared with the median of the runs, and the worst run is shown beside it; the age of
the status is compared with its worst, since that limit says "never". A miss is written as one.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from tests.lab.api import Json

DOCS = Path(__file__).parents[2] / "docs"
RESULTS, PAGE = DOCS / "benchmarks", DOCS / "benchmarks.md"

HEAD = """# Benchmarks

Made by `make bench` (`python -m tests.bench`) from the raw numbers in
[benchmarks/](benchmarks/); do not edit. Everything is measured on the lab: a real Kubernetes
control plane, a real Tilt with the real extension, a real sudo, and the operator in the venv that
its own bootstrap made. Client, pods' backends and control plane share the machine's cores with the
operator, so times hold their work too, and what is compared was measured in turns in one run.

The limit is compared with the median of the runs, the worst run stands beside it; the age of the
status with its worst. The readiness probe is a process that Tilt starts every ten seconds; it is
listed apart, since neither the operator nor the helpers do its work. The discoveries that change
are objects of this benchmark's own, with a watch and without pods.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the page; `limit` None: there is none."""

    what: str
    value: float
    worst: float
    unit: str
    limit: float | None = None

    def cells(self) -> tuple[str, ...]:
        """Return the cells: what, measured, worst, limit, verdict."""
        limit = "" if self.limit is None else f"<= {self.limit:g} {self.unit}"
        measured, worst = _number(self.value, self.unit), _number(self.worst, self.unit)
        return (self.what, measured, worst, limit, self.verdict)

    @property
    def verdict(self) -> str:
        """`met`, `missed`, or nothing without a limit."""
        if self.limit is None:
            return ""
        return "met" if self.value <= self.limit else "**missed**"


def _number(value: float, unit: str) -> str:
    return f"{value:.3g} {unit}" if value < 100 else f"{value:,.0f} {unit}"


def read(folder: Path = RESULTS) -> dict[str, Json]:
    """Return the results by the name of their measure."""
    return {file.stem: json.loads(file.read_text()) for file in sorted(folder.glob("*.json"))}


def page(results: Mapping[str, Json]) -> str:
    """Return the whole page."""
    values = {name: result["values"] for name, result in results.items()}
    parts = [HEAD, *_limits(values), *_traffic(values), *_owners(values), *_kubefwd(values)]
    parts += _circumstances(results)
    return "\n".join(parts)


def rows(values: Mapping[str, Json]) -> Iterator[Row]:
    """Yield the lines of the first table."""
    if found := values.get("services"):
        many = f"{found['services']} services in one namespace"
        yield _times(f"{many}: all listening and named", found["named_s"], 1)
        yield _times(f"{many}: all resolved by getaddrinfo", found["resolved_s"])
        yield _times(f"{many}: all answered over HTTP", found["answered_s"])
    if found := values.get("start"):
        for way, seconds in found["seconds"].items():
            yield _times(f"operator's start to first answer, `{way}`", seconds, 2)
        if clicked := found.get("clicked"):
            yield _times("the click in the dialog to first answer by a name", clicked)
    kills = values.get("kills", {})
    for who, each in kills.get("killed", {}).items():
        whom = who if who == "Tilt" else f"the {who}"
        yield _times(f"SIGKILL of {whom}: /etc/hosts is clean", each["hosts_s"], 2)
        yield _times(f"SIGKILL of {whom}: nothing listens", each["listeners_s"], 2)
    if kills:
        yield _times("SIGTERM of the operator: it has ended", kills["terminated_s"], 1.5)
    yield from _traffic_limits(values)
    yield from _idle(values)
    yield from _discoveries(values)


def _times(what: str, seconds: Sequence[float], limit: float | None = None) -> Row:
    return Row(what, median(seconds), max(seconds), "s", limit)


def _once(what: str, value: float, unit: str, limit: float | None = None) -> Row:
    return Row(what, value, value, unit, limit)


def _idle(values: Mapping[str, Json]) -> Iterator[Row]:
    if not (found := values.get("idle")):
        return
    given = f"idle, {found['services']} services"
    for who, key, limit in (("operator", "operator", 90), ("worker + guardian", "helpers", 35)):
        each = found[key]
        shares = each["cpu_percent"]
        yield Row(f"{given}: {who}, processor", median(shares), max(shares), "%", 0.5)
        yield _once(f"{given}: {who}, resident", each["rss_mb"], "MB", limit)
        yield _once(f"{given}: {who}, proportional (PSS)", each["pss_mb"], "MB")
    probe = found["probe"]["cpu_percent"]
    yield _once(f"{given}: Tilt's readiness probe, processor", probe, "%")
    together = [sum(each) + probe for each in zip(*_shares(found), strict=True)]
    what = f"{given}: operator, worker, guardian and probe together, processor"
    yield Row(what, median(together), max(together), "%", 0.5)


def _shares(idle: Json) -> Iterator[Sequence[float]]:
    for who in ("operator", "helpers"):
        yield idle[who]["cpu_percent"]


def _traffic_limits(values: Mapping[str, Json]) -> Iterator[Row]:
    if not (found := values.get("traffic")):
        return
    first, megabytes = found["first_byte_ms"]["ours"], found["bytes"] // 1_000_000
    yield Row("new connection to first byte (worst: p95)", first["p50"], first["p95"], "ms", 20)
    after = found["operator_after"]["rss_mb"]
    yield _once(f"operator, resident, after downloads of {megabytes} MB", after, "MB")


def _discoveries(values: Mapping[str, Json]) -> Iterator[Row]:
    if not (found := values.get("discoveries")):
        return
    given = f"{found['objects']:,} discoveries, {found['changes_per_s']:g} changes a second"
    ages = found["ages_s"]
    yield _once(f"{given}: the status' age at its worst", max(ages), "s", 1)
    yield _once(f"{given}: the status' age, median", median(ages), "s")
    yield _once(f"{given}: operator, processor", found["operator_cpu_percent"], "%", 25)


def _limits(values: Mapping[str, Json]) -> Iterator[str]:
    yield "## Limits\n"
    yield _table(("what", "measured", "worst", "limit", ""), [row.cells() for row in rows(values)])
    if lost := values.get("discoveries", {}).get("beacons_lost"):
        yield f"\n{lost} changes of the discoveries never showed in the status: **missed**."
    yield ""


def _traffic(values: Mapping[str, Json]) -> Iterator[str]:
    if not (found := values.get("traffic")):
        return
    first, speed, rate = (found[key] for key in ("first_byte_ms", "download_mb_s", "requests_s"))
    megabytes, alive = found["bytes"] // 1_000_000, found["keep_alive_connections"]
    lines = [
        _compared(
            f"new connection to first byte, {cut}", "ms", {k: v[cut] for k, v in first.items()}
        )
        for cut in ("p50", "p95")
    ]
    lines.append(_compared(f"one download of {megabytes} MB", "MB/s", _medians(speed)))
    lines.append(_compared(f"keep-alive, {alive} connections", "requests/s", _medians(rate)))
    yield "## Traffic\n"
    yield (
        "The same server in the same pod, reached in turns. `bare` is its own address without a "
        f"cluster in between. {found['connections']} new connections each.\n"
    )
    yield _table(("what", "ours", "`kubectl port-forward`", "bare", "ours / kubectl"), lines)
    yield ""


def _compared(what: str, unit: str, of: Mapping[str, float]) -> tuple[str, ...]:
    cells = [_number(value, unit) for value in of.values()]
    return (what, *cells, f"{of['ours'] / of['kubectl']:.2f}")


def _medians(of: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {way: median(found) for way, found in of.items()}


def _owners(values: Mapping[str, Json]) -> Iterator[str]:
    if not (found := values.get("owners")):
        return
    yield "## Whose connection it is\n"
    yield (
        "With the question to the kernel, and without it (`allow_other_users`), in turns. By "
        f"itself: {found['accepts']:,} connections in one process, while "
        f"{found['standing']:,} others stand. First byte: {found['connections']} new connections "
        "through each of two operators, to the same pod.\n"
    )
    yield _table(
        ("what", "asked", "not asked", "difference", "ratio"),
        [
            _asked(f"{what}, {cut}", unit, *(found[key][way][cut] for way in ("asked", "unasked")))
            for what, key, unit in (
                ("connect, accept, decide", "accept_us", "µs"),
                ("new connection to first byte", "first_byte_ms", "ms"),
            )
            for cut in ("p50", "p99")
        ],
    )
    yield ""


def _asked(what: str, unit: str, asked: float, unasked: float) -> tuple[str, ...]:
    cells = [_number(each, unit) for each in (asked, unasked, asked - unasked)]
    return (what, *cells, f"{asked / unasked:.3f}")


def _kubefwd(values: Mapping[str, Json]) -> Iterator[str]:
    yield "## Beside kubefwd\n"
    found = values.get("kubefwd", {})
    if not found.get("present"):
        yield "`kubefwd` was not on PATH, so it was not measured beside it.\n"
        return
    yield (
        "The same namespace of 250 services. Supervised is `engine=kubefwd`; its time is counted "
        "from the start of kubefwd, and each service counts once it answers by its name.\n"
    )
    yield _table(
        ("what", "services that answer", "the last after", "resident", "idle, of a core"),
        [_engine(f"kubefwd {name}", each) for name, each in _engines(found)],
    )
    if services := values.get("services"):
        native = median(services["answered_s"])
        ratios = [
            f"{each['last_answer_s'] / native:.0f} ({name})" for name, each in _engines(found)
        ]
        yield f"\nThe native engine takes {native:g} s: kubefwd / native is {', '.join(ratios)}.\n"


def _engines(found: Json) -> list[tuple[str, Json]]:
    """Return what was measured of kubefwd, by how it was run."""
    supervised = found.get("supervised")
    return [("by itself", found), *([("supervised", supervised)] if supervised else [])]


def _engine(name: str, found: Json) -> tuple[str, ...]:
    parts = [found[key] for key in ("kubefwd", "operator", "helpers") if key in found]
    resident = " + ".join(f"{each['rss_mb']:g}" for each in parts or [found])
    idle = " + ".join(f"{each['cpu_percent']:g} %" for each in parts)
    labels = " (kubefwd + operator + helpers)" if parts else ""
    answered = (str(found["answered"]), f"{found['last_answer_s']:g} s")
    return (name, *answered, f"{resident} MB{labels}", idle)


def _circumstances(results: Mapping[str, Json]) -> Iterator[str]:
    yield "## Circumstances\n"
    yield _table(
        ("measure", "date", "cores", "kernel", "load average before", "after"),
        [_circumstance(name, result) for name, result in results.items()],
    )
    found = {f"{n} {v}" for result in results.values() for n, v in result["versions"].items()}
    yield f"\nVersions: {', '.join(sorted(found))}.\n"


def _circumstance(name: str, result: Json) -> tuple[str, ...]:
    load = result["load_average"]
    before, after = (", ".join(f"{each:g}" for each in load[key]) for key in ("before", "after"))
    machine = f"{result['kernel']} {result['machine']}"
    link = f"[{name}](benchmarks/{name}.json)"
    return (link, result["date"], str(result["cores"]), machine, before, after)


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ["---"] * len(head), *lines))
