"""We are root already (containers, `sudo tilt up`): the helper is started as a plain child.

With an empty environment, because `sudo tilt up` leaves SUDO_UID of the developer in ours, and
`--uid 0` says who the helper works for.
"""

from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way


def _plan(here: Surroundings) -> Launch | Obstacle:
    if here.uid != 0:
        return Obstacle("this operator does not run as root")
    return Launch(here.helper(0), {})


WAY = Way("already root", asks=False, why="this operator runs as root itself", plan=_plan)
