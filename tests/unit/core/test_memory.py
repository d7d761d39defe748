"""Memory: what is written is read again, and garbage is survived."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubefwd_operator.core.memory import KEY, MAX_REMEMBERED, Answer, Memory, decode, encode, prune

unique = st.lists(st.text(max_size=10), unique=True, max_size=5).map(tuple)
memories = st.builds(
    Memory,
    order=unique,
    results=st.dictionaries(st.text(max_size=10), unique, max_size=4),
    added=unique,
    clicks=st.dictionaries(st.text(max_size=10), st.text(max_size=30), max_size=4),
    generation=st.integers(0, 10**9),
    stopped=unique,
    paused=st.booleans(),
    answer=st.none() | st.builds(Answer, st.text(), st.text(), st.booleans()),
)

FULL = Memory(
    order=("storefront", "billing"),
    results={"web": ("storefront",)},
    added=("tools",),
    clicks={"kubefwd:refresh": "2026-01-02T03:04:05.000000Z"},
    generation=2,
    stopped=("ci",),
    paused=True,
    answer=Answer("Pause", "every name is released."),
)


@given(memories)
def test_what_is_written_is_read_again(memory: Memory) -> None:
    assert decode(encode(memory)) == (memory, "")


@given(memories)
def test_equal_memories_are_written_alike(memory: Memory) -> None:
    again = replace(
        memory,
        results=dict(reversed(list(memory.results.items()))),
        clicks=dict(reversed(list(memory.clicks.items()))),
    )
    assert encode(memory) == encode(again)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(None, id="no ConfigMap"),
        pytest.param({}, id="empty"),
        pytest.param({"x": "y"}, id="foreign"),
    ],
)
def test_nothing_remembered_is_no_problem(data: dict[str, str] | None) -> None:
    assert decode(data) == (Memory(), "")


def broken(**changes: Any) -> str:
    return json.dumps(json.loads(encode(FULL)[KEY]) | changes)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty text"),
        pytest.param("{", id="not JSON"),
        pytest.param("[]", id="not an object"),
        pytest.param("null", id="null"),
        pytest.param("[" * 100_000, id="nested without end"),
        pytest.param(broken(version=2), id="another version"),
        pytest.param(broken(version=None), id="no version"),
        pytest.param(broken(generation=-1), id="negative generation"),
        pytest.param(broken(generation=True), id="generation a truth"),
        pytest.param(broken(generation="1"), id="generation a text"),
        pytest.param(broken(order="web"), id="order a text"),
        pytest.param(broken(order=[1]), id="order of numbers"),
        pytest.param(broken(order=None), id="order missing"),
        pytest.param(broken(added={}), id="added a mapping"),
        pytest.param(broken(results=[]), id="results a list"),
        pytest.param(broken(results={"a": "b"}), id="a result a text"),
        pytest.param(broken(results={"a": [None]}), id="a result of nothing"),
        pytest.param(broken(clicks=[]), id="clicks a list"),
        pytest.param(broken(clicks={"a": 1}), id="a click a number"),
        pytest.param(broken(stopped="web"), id="stopped a text"),
        pytest.param(broken(paused=1), id="paused a number"),
        pytest.param(broken(answer="Pause"), id="an answer a text"),
        pytest.param(broken(answer={"button": "Pause"}), id="an answer without words"),
    ],
)
def test_garbage_gives_an_empty_memory_and_a_sentence(text: str) -> None:
    memory, sentence = decode({KEY: text})
    assert memory == Memory()
    assert "kubefwd:memory" in sentence
    assert "`namespaces`" in sentence


@given(st.text())
def test_no_text_raises(text: str) -> None:
    memory, sentence = decode({KEY: text})
    assert memory == Memory()
    assert sentence


def test_what_an_older_operator_did_not_know_is_not_so() -> None:
    document = json.loads(encode(FULL)[KEY])
    for key in ("stopped", "paused", "answer"):
        del document[key]
    old = replace(FULL, stopped=(), paused=False, answer=None)
    assert decode({KEY: json.dumps(document)}) == (old, "")


def test_names_that_were_doubled_by_hand_are_read_once() -> None:
    memory, _ = decode({KEY: broken(order=["a", "b", "a"])})
    assert memory.order == ("a", "b")


def test_pruning_forgets_the_oldest_that_are_absent() -> None:
    order = tuple(f"n{number}" for number in range(MAX_REMEMBERED + 3))
    kept = prune(order, frozenset({"n0", "n2"}))
    assert kept[:2] == ("n0", "n2")
    assert not {"n1", "n3", "n4"} & set(kept)
    assert len(kept) == MAX_REMEMBERED


def test_pruning_never_forgets_what_is_there() -> None:
    order = tuple(f"n{number}" for number in range(MAX_REMEMBERED + 3))
    assert prune(order, frozenset(order)) == order


def test_a_short_order_is_kept() -> None:
    assert prune(("a", "b"), frozenset()) == ("a", "b")
