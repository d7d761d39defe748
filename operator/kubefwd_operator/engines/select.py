"""Which engine forwards: the argument `engine`, and what is usable on this machine."""

from dataclasses import dataclass
from typing import Literal

from kubefwd_operator.core.model import Problem
from kubefwd_operator.core.reason import Reason

Wish = Literal["auto", "native", "kubefwd"]


@dataclass(frozen=True, slots=True)
class Selection:
    """The engine to build (empty when there is none), and why, as a sentence for the log."""

    engine: Literal["native", ""]
    why: str
    problem: Problem | None = None


def select(wish: Wish | str) -> Selection:
    """Choose an engine. A wish that cannot be met is a Problem, never another engine instead."""
    if wish == "auto":
        return Selection("native", "Forwarding with the native engine, which needs nothing more.")
    if wish == "native":
        return Selection("native", "Forwarding with the native engine, as asked for.")
    if wish == "kubefwd":
        sentence = "This version has no kubefwd engine: use engine='auto' or engine='native'."
    else:
        sentence = f"There is no engine {wish!r}: use 'auto', 'native' or 'kubefwd'."
    return Selection("", sentence, Problem(Reason.ENGINE_UNAVAILABLE, sentence))
