"""`sudo -n`: works without a question where a NOPASSWD line or a fresh timestamp allows it.

The line that `sudoers.py` spells allows exactly this argv, where the helper is installed.
"""

from kubefwd_operator.privileged.command import sudo
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way


def _plan(here: Surroundings) -> Launch | Obstacle:
    if here.uid == 0:
        return Obstacle("this operator runs as root")
    if not here.sudo:
        return Obstacle("sudo is not installed")
    return Launch(sudo(here.sudo, here.helper(), "-n"), here.environ)


WAY = Way(
    "sudo -n",
    asks=False,
    why="sudo asked for no password: a NOPASSWD line or a cached timestamp",
    plan=_plan,
)
