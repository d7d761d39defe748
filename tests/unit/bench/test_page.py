"""The page of benchmarks is what its numbers make, and says so when they miss a limit."""

import copy
from collections.abc import Callable

import pytest
from tests.bench import page
from tests.bench.__main__ import MEASURES
from tests.lab.api import Json


def test_the_page_is_made_of_the_numbers_beside_it() -> None:
    assert page.PAGE.read_text() == page.page(page.read()), "run `python -m tests.bench --page`"


def test_every_measure_has_its_numbers() -> None:
    results = page.read()
    assert set(results) == set(MEASURES)
    for name, result in results.items():
        assert result["measure"] == name
        assert {"date", "cores", "kernel", "versions", "load_average", "values"} <= set(result)


@pytest.mark.parametrize(
    "value, limit, verdict",
    [
        pytest.param(0.9, 1.0, "met", id="below"),
        pytest.param(1.0, 1.0, "met", id="at the limit"),
        pytest.param(1.001, 1.0, "**missed**", id="above"),
        pytest.param(5.0, None, "", id="no limit"),
    ],
)
def test_a_miss_is_written_as_one(value: float, limit: float | None, verdict: str) -> None:
    assert page.Row("x", value, value, "s", limit).verdict == verdict


def _slow(values: dict[str, Json]) -> None:
    values["services"]["named_s"] = [0.1, 1.2, 1.3]


def _late_start(values: dict[str, Json]) -> None:
    values["start"]["seconds"]["sudo -A"] = [2.5]


def _dirty(values: dict[str, Json]) -> None:
    values["kills"]["killed"]["worker"]["hosts_s"] = [3.0]


def _lingering(values: dict[str, Json]) -> None:
    values["kills"]["terminated_s"] = [1.6]


def _busy(values: dict[str, Json]) -> None:
    values["idle"]["operator"]["cpu_percent"] = [0.6, 0.6, 0.1]


def _probed(values: dict[str, Json]) -> None:
    values["idle"]["operator"]["cpu_percent"] = [0.2, 0.2, 0.2]
    values["idle"]["helpers"]["cpu_percent"] = [0.1, 0.1, 0.1]
    values["idle"]["probe"]["cpu_percent"] = 0.3


def _fat(values: dict[str, Json]) -> None:
    values["idle"]["helpers"]["rss_mb"] = 36


def _old_once(values: dict[str, Json]) -> None:
    values["discoveries"]["ages_s"] = [0.1, 0.1, 1.1]


@pytest.mark.parametrize(
    "spoil, what",
    [
        (_slow, "all listening and named | 1.2 s | 1.3 s"),
        (_late_start, "`sudo -A` | 2.5 s"),
        (_dirty, "SIGKILL of the worker: /etc/hosts is clean | 3 s"),
        (_lingering, "SIGTERM of the operator: it has ended | 1.6 s"),
        (_busy, "services: operator, processor | 0.6 % | 0.6 %"),
        (_probed, "probe together, processor | 0.6 %"),
        (_fat, "worker + guardian, resident | 36 MB"),
        (_old_once, "status' age at its worst | 1.1 s"),
    ],
)
def test_each_limit_can_be_missed(spoil: Callable[[dict[str, Json]], None], what: str) -> None:
    results = copy.deepcopy(page.read())
    spoil({name: result["values"] for name, result in results.items()})
    (line,) = [line for line in page.page(results).splitlines() if what in line]
    assert line.endswith("| **missed** |")


def test_a_change_that_never_showed_is_written_as_a_miss() -> None:
    results = copy.deepcopy(page.read())
    results["discoveries"]["values"]["beacons_lost"] = 2
    assert "2 changes of the discoveries never showed in the status: **missed**" in page.page(
        results
    )


def test_what_asking_costs_is_a_difference_and_a_ratio() -> None:
    results = copy.deepcopy(page.read())
    found = results["owners"]["values"]
    found["accept_us"] = {"asked": {"p50": 60, "p99": 90}, "unasked": {"p50": 40, "p99": 100}}
    made = page.page(results)
    assert "| connect, accept, decide, p50 | 60 µs | 40 µs | 20 µs | 1.500 |" in made
    assert "| connect, accept, decide, p99 | 90 µs | 100 µs | -10 µs | 0.900 |" in made


PARTS = ("kubefwd", "operator", "helpers")


def test_kubefwd_is_compared_only_when_it_was_there() -> None:
    results = copy.deepcopy(page.read())
    results["kubefwd"]["values"] = {"present": False}
    assert "`kubefwd` was not on PATH" in page.page(results)
    found = {"present": True, "answered": 250, "last_answer_s": 98.1, "rss_mb": 255.0}
    results["kubefwd"]["values"] = found
    results["services"]["values"]["answered_s"] = [2.0]
    made = page.page(results)
    assert "| kubefwd by itself | 250 | 98.1 s | 255 MB |  |" in made
    assert "takes 2 s: kubefwd / native is 49 (by itself)." in made
    parts = {"cpu_percent": 0.5, "rss_mb": 40.0}
    supervised = {"answered": 250, "last_answer_s": 100.0, **dict.fromkeys(PARTS, parts)}
    results["kubefwd"]["values"] = {**found, "supervised": supervised}
    made = page.page(results)
    said = "40 + 40 + 40 MB (kubefwd + operator + helpers) | 0.5 % + 0.5 % + 0.5 %"
    assert f"| kubefwd supervised | 250 | 100 s | {said} |" in made
    assert "kubefwd / native is 49 (by itself), 50 (supervised)." in made


def test_a_page_without_any_numbers_can_be_made() -> None:
    assert page.page({}).startswith("# Benchmarks")
