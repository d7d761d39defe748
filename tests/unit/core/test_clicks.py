"""Clicks: found by change, once, and never by the clock."""

import pytest

from kubefwd_operator.core.clicks import (
    AUTHORIZE_BUTTON,
    FORWARD_BUTTON,
    REFRESH_BUTTON,
    STOP_BUTTON,
    Click,
    Intent,
    read,
)
from kubefwd_operator.core.facts import Button
from kubefwd_operator.core.memory import Memory

EARLY = "2026-01-02T03:04:05.000000Z"
LATE = "2026-01-02T03:04:06.000000Z"


def remembering(click: str | None) -> Memory:
    return Memory(clicks={} if click is None else {REFRESH_BUTTON: click}, generation=4)


@pytest.mark.parametrize(
    "clicked, remembered, first_pass, acts",
    [
        pytest.param("", None, True, False, id="never clicked, at start"),
        pytest.param("", None, False, False, id="never clicked, came later"),
        pytest.param(EARLY, None, True, False, id="clicked before we came: the baseline"),
        pytest.param(EARLY, None, False, True, id="came and was clicked while we run"),
        pytest.param(EARLY, EARLY, True, False, id="acted on before a restart"),
        pytest.param(EARLY, EARLY, False, False, id="acted on"),
        pytest.param(LATE, EARLY, True, True, id="clicked while we were down"),
        pytest.param(LATE, EARLY, False, True, id="clicked again"),
        pytest.param(EARLY, LATE, False, True, id="another browser's clock is behind"),
        pytest.param(EARLY, "", True, True, id="first click while we were down"),
        pytest.param("", EARLY, False, False, id="made anew by Tilt"),
    ],
)
def test_a_click_is_a_change(
    clicked: str, remembered: str | None, first_pass: bool, acts: bool
) -> None:
    buttons = [Button(REFRESH_BUTTON, clicked)]
    result = read(buttons, remembering(remembered), first_pass=first_pass)
    assert result.clicks == ((Click(Intent.REFRESH),) if acts else ())
    assert result.memory.clicks[REFRESH_BUTTON] == clicked


@pytest.mark.parametrize("first_pass", [True, False])
@pytest.mark.parametrize("clicked", ["", EARLY, LATE])
def test_reading_again_finds_nothing(clicked: str, first_pass: bool) -> None:
    buttons = [Button(REFRESH_BUTTON, clicked)]
    once = read(buttons, remembering(EARLY), first_pass=first_pass)
    again = read(buttons, once.memory, first_pass=False)
    assert again.clicks == ()
    assert again.memory == once.memory


def test_a_button_that_comes_back_unclicked_asks_for_nothing() -> None:
    one = read([Button(AUTHORIZE_BUTTON, EARLY)], remembering(EARLY), first_pass=False)
    assert one.clicks == (Click(Intent.AUTHORIZE),)
    away = read([], one.memory, first_pass=False)
    shown = read([Button(AUTHORIZE_BUTTON)], away.memory, first_pass=False)
    assert shown.clicks == ()


def test_several_at_once_are_in_order_and_bring_what_was_filled_in() -> None:
    filled = {"namespace": "billing"}
    buttons = [Button(FORWARD_BUTTON, LATE, inputs=filled), Button(REFRESH_BUTTON, LATE)]
    found = read(buttons, remembering(EARLY), first_pass=False).clicks
    assert found == (Click(Intent.REFRESH), Click(Intent.FORWARD, filled))


@pytest.mark.parametrize(
    "stopped, forwarded, expected",
    [
        (EARLY, LATE, [Intent.STOP, Intent.FORWARD]),
        (LATE, EARLY, [Intent.FORWARD, Intent.STOP]),
    ],
)
def test_several_at_once_are_in_the_order_in_which_they_were_made(
    stopped: str, forwarded: str, expected: list[Intent]
) -> None:
    buttons = [Button(STOP_BUTTON, stopped), Button(FORWARD_BUTTON, forwarded)]
    found = read(buttons, Memory(), first_pass=False).clicks
    assert [click.intent for click in found] == expected


def test_buttons_of_others_are_ignored() -> None:
    result = read([Button("deploy", LATE)], Memory(), first_pass=False)
    assert result.clicks == ()
    assert result.memory == Memory()


def test_a_disabled_button_does_nothing_now_or_later() -> None:
    once = read([Button(REFRESH_BUTTON, LATE, disabled=True)], remembering(EARLY), first_pass=False)
    later = read([Button(REFRESH_BUTTON, LATE)], once.memory, first_pass=False)
    assert once.clicks == later.clicks == ()


def test_a_button_that_is_away_for_a_while_is_still_known() -> None:
    away = read([], remembering(EARLY), first_pass=False)
    back = read([Button(REFRESH_BUTTON, EARLY)], away.memory, first_pass=False)
    assert back.clicks == ()
