"""Tables of (phase, event) -> (next phase, action), followed to the letter. Pure."""

from collections.abc import Mapping
from typing import TypeVar

P = TypeVar("P")
E = TypeVar("E")
A = TypeVar("A")


class IllegalTransitionError(Exception):
    """The event cannot happen in this phase: a defect of the driver. Nothing has changed."""


def follow(
    table: Mapping[tuple[P, E], tuple[P, A | None]], phase: P, event: E
) -> tuple[P, A | None]:
    """Where `event` leads from `phase`, and what to do. Raises IllegalTransitionError."""
    try:
        return table[phase, event]
    except KeyError:
        raise IllegalTransitionError(f"{event} in phase {phase}") from None
