"""The ways to become root, one file per way, in the order in which they are tried.

Each is a pure function of the Surroundings: it gives the command to launch, or the obstacle. The
ones that ask nobody come first. Pasting a line into a terminal is not among them: it needs nothing
from us but a socket, which listens all the time.
"""

from types import MappingProxyType

from kubefwd_operator.core.settings import RootChoice
from kubefwd_operator.privileged.ways import (
    already_root,
    osascript,
    pkexec,
    sudo_askpass,
    sudo_dialog,
    sudo_silent,
)
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way

ALL: tuple[Way, ...] = (
    already_root.WAY,
    sudo_silent.WAY,
    sudo_askpass.WAY,
    sudo_dialog.WAY,
    osascript.WAY,
    pkexec.WAY,
)
"""In the order of trying."""

_CHOICES: MappingProxyType[RootChoice, tuple[Way, ...]] = MappingProxyType(
    {
        RootChoice.AUTO: ALL,
        RootChoice.SUDO: (already_root.WAY, sudo_silent.WAY),
        RootChoice.ASKPASS: (already_root.WAY, sudo_askpass.WAY),
        RootChoice.DIALOG: (already_root.WAY, sudo_dialog.WAY),
        RootChoice.OSASCRIPT: (already_root.WAY, osascript.WAY),
        RootChoice.PKEXEC: (already_root.WAY, pkexec.WAY),
        RootChoice.TERMINAL: (),
    }
)
"""Who is root already has nothing to choose."""


def chosen(root: RootChoice) -> tuple[Way, ...]:
    """Return the ways to try when the developer has asked for this one."""
    return _CHOICES[root]


__all__ = ["ALL", "Launch", "Obstacle", "Way", "chosen"]
