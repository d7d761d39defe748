"""Buttons: which there are, what they offer, and when two specs are the same."""

from typing import Any

import pytest

from kubefwd_operator.core.buttons import (
    MAX_CHOICES,
    NO_CHOICE,
    OURS,
    Situation,
    same,
    wanted,
)
from kubefwd_operator.core.buttons import choices as offered_by
from kubefwd_operator.core.clicks import INTENTS, REFRESH_BUTTON

ALWAYS = {"kubefwd:forward", "kubefwd:pause", "kubefwd:repair"}


@pytest.mark.parametrize(
    "situation, more",
    [
        pytest.param(Situation(), set(), id="nothing is forwarded"),
        pytest.param(Situation(("a",)), {"kubefwd:stop"}, id="something is forwarded"),
        pytest.param(Situation(denied=True), {"kubefwd:authorize"}, id="root was denied"),
        pytest.param(Situation(("a",), paused=True), {"kubefwd:stop"}, id="paused"),
    ],
)
def test_which_there_are(situation: Situation, more: set[str]) -> None:
    found = wanted(situation)
    assert set(found) == ALWAYS | more
    for spec in found.values():
        assert spec["location"] == {"componentType": "Resource", "componentID": "kubefwd:run"}
        assert spec["text"]
        assert spec["iconName"]


def test_each_means_something_and_refresh_is_the_tiltfiles() -> None:
    assert INTENTS.keys() - {REFRESH_BUTTON} == OURS
    assert set(wanted(Situation(("a",), denied=True))) == OURS


def choices(name: str, situation: Situation) -> list[list[str]]:
    inputs = wanted(situation)[name]["inputs"]
    return [each["choice"]["choices"] for each in inputs if "choice" in each]


@pytest.mark.parametrize(
    "forwarded, offered, expected",
    [
        pytest.param((), set(), [], id="nobody may list them"),
        pytest.param((), {"b", "a"}, [[NO_CHOICE, "a", "b"]], id="sorted, none chosen at first"),
        pytest.param(("a",), {"b", "a"}, [[NO_CHOICE, "b"]], id="without what is forwarded"),
        pytest.param(("a",), {"a"}, [], id="all are forwarded"),
        pytest.param(
            (), {"kube-system", "kubernetes", "default"}, [[NO_CHOICE, "default", "kubernetes"]],
            id="without Kubernetes' own",
        ),
    ],
)  # fmt: skip
def test_what_can_be_forwarded_is_typed_or_chosen(
    forwarded: tuple[str, ...], offered: set[str], expected: list[list[str]]
) -> None:
    situation = Situation(forwarded, frozenset(offered))
    assert choices("kubefwd:forward", situation) == expected
    assert wanted(situation)["kubefwd:forward"]["inputs"][0]["name"] == "namespace"


@pytest.mark.parametrize(
    "spec",
    [None, {}, {"inputs": None}, {"inputs": [{"name": "namespace", "text": {}}]}],
)
def test_a_spec_without_choices_offers_nothing(spec: object) -> None:
    assert offered_by(spec) == frozenset()


def test_what_a_spec_offers_can_be_read_again() -> None:
    situation = Situation(("a",), frozenset({"a", "b", "c"}))
    assert offered_by(wanted(situation)["kubefwd:forward"]) == {"b", "c"}


def test_what_can_be_stopped_is_chosen_in_order() -> None:
    assert choices("kubefwd:stop", Situation(("b", "a"), frozenset("c"))) == [["b", "a"]]


def test_no_list_is_without_end() -> None:
    many = tuple(f"n{number:04}" for number in range(MAX_CHOICES + 1))
    assert len(choices("kubefwd:stop", Situation(many))[0]) == MAX_CHOICES
    assert len(choices("kubefwd:forward", Situation((), frozenset(many)))[0]) == MAX_CHOICES + 1


def test_who_drops_connections_asks_first() -> None:
    found = wanted(Situation(("a",), paused=False, denied=True))
    asking = {name for name, spec in found.items() if spec["requiresConfirmation"]}
    assert asking == {"kubefwd:stop", "kubefwd:pause"}
    assert not wanted(Situation(paused=True))["kubefwd:pause"]["requiresConfirmation"]


def test_pause_and_resume_are_one_button_that_says_what_it_means() -> None:
    pause, resume = (wanted(Situation(paused=paused))["kubefwd:pause"] for paused in (False, True))
    assert (pause["text"], resume["text"]) == ("Pause", "Resume")
    assert pause["iconName"] != resume["iconName"]
    values = [spec["inputs"][0]["hidden"]["value"] for spec in (pause, resume)]
    assert values == ["pause", "resume"]


@pytest.mark.parametrize(
    "one, other, alike",
    [
        pytest.param({"a": 1, "b": False}, {"a": 1}, True, id="false left out"),
        pytest.param({"a": 1, "b": []}, {"a": 1, "b": None}, True, id="an empty list left out"),
        pytest.param(
            {"i": [{"n": "x", "label": "", "text": {}}]}, {"i": [{"n": "x"}]}, True, id="inside"
        ),
        pytest.param({"i": [{"n": "x"}, {}]}, {"i": [{"n": "x"}]}, False, id="one item more"),
        pytest.param({"a": 1}, {"a": 2}, False, id="another value"),
        pytest.param({"a": True}, {}, False, id="true is not nothing"),
        pytest.param({"c": ["a", "b"]}, {"c": ["b", "a"]}, False, id="another order"),
        pytest.param(None, {}, False, id="no spec at all"),
    ],
)
def test_what_is_the_same(one: Any, other: Any, alike: bool) -> None:
    assert same(one, other) is alike
    assert same(other, one) is alike
