"""What a way to root is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kubefwd_operator.privileged.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Launch:
    """A program to start; the helper that it becomes connects back. `through` shows the dialog."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    through: str = ""


@dataclass(frozen=True, slots=True)
class Obstacle:
    """Why a way cannot be tried here: half a sentence, to be joined with others."""

    why: str


def hindrance(here: Surroundings, program: str, name: str) -> str:
    """Say why a program of the desktop cannot ask this user for root, or ""."""
    if here.uid == 0:
        return "this operator runs as root"
    return here.desktop.fault if program else f"there is no {name}"


@dataclass(frozen=True, slots=True)
class Way:
    """One way. `asks` is True when a person may be asked; `why` explains a success, for the log."""

    name: str
    asks: bool
    why: str
    plan: Callable[[Surroundings], Launch | Obstacle]
