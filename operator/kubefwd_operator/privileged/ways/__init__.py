"""The ways to become root, one file per way, in the order in which they are tried.

Each is a pure function of the Surroundings: it gives the command to launch, or the obstacle. The
ones that ask nobody come first. Pasting a line into a terminal is not among them: it needs nothing
from us but a socket, which listens all the time.
"""

from kubefwd_operator.privileged.ways import already_root, sudo_askpass, sudo_dialog, sudo_silent
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way

ALL: tuple[Way, ...] = (already_root.WAY, sudo_silent.WAY, sudo_askpass.WAY, sudo_dialog.WAY)
"""In the order of trying."""

__all__ = ["ALL", "Launch", "Obstacle", "Way"]
