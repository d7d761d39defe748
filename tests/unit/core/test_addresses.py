"""Addresses: stable, inside the helper's range, and each of them reachable exactly once."""

from ipaddress import ip_address, ip_network
from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubefwd_operator.core.addresses import CAPACITY, candidates

RANGE = ip_network("127.18.0.0/15")

labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,20}[a-z0-9])?", fullmatch=True)


def first(*parts: str) -> str:
    return next(candidates(*parts))


@pytest.mark.parametrize(
    "parts, expected",
    [
        pytest.param(("kind/kind", "storefront", "web"), "127.19.236.76", id="service"),
        pytest.param(("kind/kind", "storefront", "web", "web-0"), "127.18.66.228", id="pod"),
    ],
)
def test_an_address_never_changes_between_releases(parts: tuple[str, ...], expected: str) -> None:
    """Bookmarks and cookies hang on it: a change of the hash is a breaking change."""
    assert first(*parts) == expected


@given(st.text(), labels, labels, st.one_of(st.just(""), labels))
def test_every_candidate_is_one_the_helper_accepts(
    cluster: str, namespace: str, service: str, pod: str
) -> None:
    for text in islice(candidates(cluster, namespace, service, pod), 600):
        assert ip_address(text) in RANGE
        assert 1 <= int(text.rpartition(".")[2]) <= 254


@given(labels, labels, labels)
def test_the_same_service_has_the_same_candidates(
    cluster: str, namespace: str, service: str
) -> None:
    once = list(islice(candidates(cluster, namespace, service), 50))
    assert once == list(islice(candidates(cluster, namespace, service), 50))


@pytest.mark.parametrize(
    "one, other",
    [
        pytest.param(("a", "n", "s"), ("b", "n", "s"), id="cluster"),
        pytest.param(("a", "n", "s"), ("a", "m", "s"), id="namespace"),
        pytest.param(("a", "n", "s"), ("a", "n", "t"), id="service"),
        pytest.param(("a", "n", "s"), ("a", "n", "s", "p"), id="pod"),
        pytest.param(("a", "n", "s", "p"), ("a", "n", "s", "q"), id="other pod"),
        pytest.param(("a", "ab", "c"), ("a", "a", "bc"), id="where the parts are joined"),
        pytest.param(("a", "n", "s"), ("a", "s", "n"), id="order"),
    ],
)
def test_every_part_counts(one: tuple[str, ...], other: tuple[str, ...]) -> None:
    assert first(*one) != first(*other)


def test_the_whole_range_is_visited_once_and_then_it_ends() -> None:
    visited = list(candidates("kind/kind", "storefront", "web"))
    assert len(visited) == len(set(visited)) == CAPACITY == 512 * 254


def test_a_cluster_called_strangely_has_addresses_too() -> None:
    assert ip_address(first("\ud800", "n", "s")) in RANGE


def test_services_spread_over_the_range() -> None:
    found = {first("kind/kind", "storefront", f"service-{number}") for number in range(500)}
    assert len(found) >= 495
    assert len({text.rpartition(".")[0] for text in found}) > 250
