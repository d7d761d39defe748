"""`pkexec`: polkit asks, through the agent of the desktop.

Whether there is an agent is known to polkit alone, so polkit is asked: without the text agent of
its own it ends at once when there is none, having asked nobody. It gives its child no variables but
its own PKEXEC_UID, and takes no `--`; the helper's path is absolute.
"""

from kubefwd_operator.privileged.answers import in_english
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way, hindrance


def _plan(here: Surroundings) -> Launch | Obstacle:
    if why := hindrance(here, here.pkexec, "pkexec"):
        return Obstacle(why)
    argv = (here.pkexec, "--disable-internal-agent", *here.helper())
    return Launch(argv, in_english(here.environ), "polkit")


WAY = Way("pkexec", asks=True, why="the password was given to polkit", plan=_plan)
