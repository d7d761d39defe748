"""Effects: what each click changes, and what is said to it, however stale the page was."""

from collections.abc import Mapping
from typing import Any

import pytest

from kubefwd_operator.core.buttons import NO_CHOICE
from kubefwd_operator.core.clicks import Click, Intent
from kubefwd_operator.core.effects import MAX_TYPED, Brought, act
from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.memory import MAX_REMEMBERED, Answer, Memory
from kubefwd_operator.core.settings import parse

BROUGHT = Brought(frozenset({"storefront"}), exclude=frozenset({"ci"}))


def after(intent: Intent, memory: Memory | None = None, **inputs: str) -> tuple[Memory, Answer]:
    effects = act([Click(intent, inputs)], memory or Memory(), BROUGHT)
    (answer,) = effects.answers
    assert effects.memory.answer == answer
    return effects.memory, answer


@pytest.mark.parametrize(
    "remembered, inputs, added, stopped, sentence",
    [
        pytest.param(
            {}, {"namespace": "billing"}, ("billing",), (),
            "'billing' is forwarded from now on.", id="typed",
        ),
        pytest.param(
            {}, {"namespace": " billing\n"}, ("billing",), (),
            "'billing' is forwarded from now on.", id="typed with blanks",
        ),
        pytest.param(
            {}, {"namespace": "", "choice": "billing"}, ("billing",), (),
            "'billing' is forwarded from now on.", id="chosen",
        ),
        pytest.param(
            {}, {"namespace": "billing", "choice": NO_CHOICE}, ("billing",), (),
            "'billing' is forwarded from now on.", id="typed, and nothing chosen",
        ),
        pytest.param(
            {}, {"namespace": "billing", "choice": "tools"}, ("billing",), (),
            "'billing' is forwarded from now on.", id="both: what was typed",
        ),
        pytest.param(
            {"added": ("billing",)}, {"namespace": "billing", "choice": "tools"},
            ("billing", "tools"), (),
            "'tools' is forwarded from now on.", id="chosen, beside what was typed last time",
        ),
        pytest.param(
            {"added": ("billing", "tools")}, {"namespace": "billing", "choice": "tools"},
            ("billing", "tools"), (),
            "'billing' is forwarded already.", id="both of last time",
        ),
        pytest.param(
            {"stopped": ("storefront", "x")}, {"namespace": "storefront"}, (), ("x",),
            "'storefront' is forwarded from now on.", id="one that Tilt brings, after Stop",
        ),
        pytest.param(
            {"stopped": ("billing",)}, {"namespace": "billing"}, ("billing",), (),
            "'billing' is forwarded from now on.", id="one that a button brought, after Stop",
        ),
        pytest.param(
            {"paused": True}, {"namespace": "billing"}, ("billing",), (),
            "'billing' is forwarded, once Resume is clicked.", id="while paused",
        ),
    ],
)  # fmt: skip
def test_forward(
    remembered: Mapping[str, Any],
    inputs: Mapping[str, str],
    added: tuple[str, ...],
    stopped: tuple[str, ...],
    sentence: str,
) -> None:
    memory, answer = after(Intent.FORWARD, Memory(**remembered), **inputs)
    assert (memory.added, memory.stopped) == (added, stopped)
    assert str(answer) == f"Forward a namespace: {sentence}"
    assert answer.refused == ("already" in sentence)


@pytest.mark.parametrize(
    "inputs, sentence",
    [
        pytest.param({}, "no namespace was given: type its name, or choose one.", id="nothing"),
        pytest.param(
            {"namespace": " ", "choice": NO_CHOICE},
            "no namespace was given: type its name, or choose one.", id="a blank",
        ),
        pytest.param(
            {"namespace": "ci"},
            "'ci' is in the argument `exclude`, which wins: take it out there.", id="excluded",
        ),
        pytest.param(
            {"namespace": "storefront"}, "'storefront' is forwarded already.", id="there already"
        ),
        pytest.param(
            {"namespace": "Foo_Bar"},
            "'Foo_Bar' is not the name of a namespace: use lower-case letters, digits and '-', at "
            "most 63 characters, with a letter or digit at both ends.", id="no name",
        ),
        pytest.param(
            {"namespace": "a\nb " + "x" * 200},
            f"'a b {'x' * (MAX_TYPED - 5)}…' is not the name of a namespace: use lower-case "
            "letters, digits and '-', at most 63 characters, with a letter or digit at both ends.",
            id="lines and lengths",
        ),
    ],
)  # fmt: skip
def test_a_forward_that_is_refused_changes_nothing(
    inputs: Mapping[str, str], sentence: str
) -> None:
    memory, answer = after(Intent.FORWARD, None, **inputs)
    assert memory == Memory(answer=answer)
    assert answer == Answer("Forward a namespace", sentence, refused=True)


def test_a_bad_name_is_refused_in_the_words_of_the_argument() -> None:
    _, answer = after(Intent.FORWARD, namespace="Foo_Bar")
    with pytest.raises(SettingsError) as error:
        parse({"namespaces": "Foo_Bar"})
    assert f"namespaces: {answer.sentence}" == f"{error.value}."


@pytest.mark.parametrize(
    "remembered, choice, added, stopped",
    [
        pytest.param({}, "storefront", (), ("storefront",), id="one that Tilt brings"),
        pytest.param({"added": ("a", "b")}, "a", ("b",), ("a",), id="one that a button brought"),
        pytest.param(
            {"stopped": ("x",)}, "storefront", (), ("x", "storefront"), id="beside another"
        ),
        pytest.param({"paused": True}, "storefront", (), ("storefront",), id="while paused"),
    ],
)
def test_stop(
    remembered: Mapping[str, Any], choice: str, added: tuple[str, ...], stopped: tuple[str, ...]
) -> None:
    memory, answer = after(Intent.STOP, Memory(**remembered), choice=choice)
    assert (memory.added, memory.stopped) == (added, stopped)
    assert not answer.refused
    assert answer.sentence.startswith(f"'{choice}' is forwarded no more")
    again, refusal = after(Intent.FORWARD, memory, namespace=choice)
    assert choice in BROUGHT.forwarded(again)
    assert not refusal.refused


@pytest.mark.parametrize(
    "choice, sentence",
    [
        pytest.param("", "no namespace was chosen: choose one.", id="nothing"),
        pytest.param("gone", "'gone' is not forwarded, so nothing stops.", id="of last time"),
        pytest.param("ci", "'ci' is not forwarded, so nothing stops.", id="excluded"),
        pytest.param(
            "a\x1b[2J\nb", "'a[2J b' is not forwarded, so nothing stops.", id="moves a cursor"
        ),
    ],
)
def test_a_stop_that_is_refused_changes_nothing(choice: str, sentence: str) -> None:
    memory, answer = after(Intent.STOP, choice=choice)
    assert memory == Memory(answer=answer)
    assert answer == Answer("Stop forwarding", sentence, refused=True)


@pytest.mark.parametrize(
    "paused, inputs, becomes, says",
    [
        pytest.param(False, {"action": "pause"}, True, "Pause: every name is", id="pause"),
        pytest.param(True, {"action": "resume"}, False, "Resume: the pause is", id="resume"),
        pytest.param(True, {"action": "pause"}, True, "Pause: it is paused already", id="twice"),
        pytest.param(False, {"action": "resume"}, False, "Resume: it is not paused", id="resumed"),
        pytest.param(False, {}, True, "Pause: every name is", id="without inputs: the other one"),
        pytest.param(True, {}, False, "Resume: the pause is", id="without inputs, and back"),
    ],
)
def test_pause(paused: bool, inputs: Mapping[str, str], becomes: bool, says: str) -> None:
    memory, answer = after(Intent.PAUSE, Memory(paused=paused), **inputs)
    assert memory.paused is becomes
    assert str(answer).startswith(says)
    assert answer.refused is (paused is becomes)


def test_refresh_and_authorize_start_anew_and_both_at_once_do_so_once() -> None:
    for intents in ([Intent.REFRESH], [Intent.AUTHORIZE], [Intent.REFRESH, Intent.AUTHORIZE]):
        effects = act([Click(intent) for intent in intents], Memory(generation=4), BROUGHT)
        assert effects.memory.generation == 5
        assert [answer.button for answer in effects.answers] == intents


@pytest.mark.parametrize(
    "paused, says",
    [(False, "the forwarding starts anew."), (True, "the forwarding starts anew, once Resume")],
)
def test_refresh_promises_nothing_while_it_is_paused(paused: bool, says: str) -> None:
    memory, answer = after(Intent.REFRESH, Memory(paused=paused))
    assert memory.paused is paused
    assert answer.sentence.startswith(says)


def test_repair_is_counted_and_changes_nothing() -> None:
    effects = act([Click(Intent.REPAIR)], Memory(), BROUGHT)
    assert effects.repairs == 1
    assert effects.memory == Memory(answer=effects.answers[-1])


def test_of_several_the_last_is_answered_last_and_sees_the_ones_before() -> None:
    forward = Click(Intent.FORWARD, {"namespace": "billing"})
    stop = Click(Intent.STOP, {"choice": "billing"})
    effects = act([forward, stop], Memory(), BROUGHT)
    assert (effects.memory.added, effects.memory.stopped) == ((), ("billing",))
    assert effects.memory.answer == effects.answers[1]
    assert not any(answer.refused for answer in effects.answers)


def test_no_click_changes_nothing() -> None:
    memory = Memory(added=("a",), answer=Answer("Pause", "it is paused already."))
    assert act([], memory, BROUGHT).memory == memory


def test_what_is_stopped_is_remembered_within_limits() -> None:
    many = tuple(f"n{number}" for number in range(MAX_REMEMBERED))
    memory, _ = after(Intent.STOP, Memory(stopped=many), choice="storefront")
    assert memory.stopped == (*many[1:], "storefront")
