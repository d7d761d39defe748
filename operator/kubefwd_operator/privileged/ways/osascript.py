"""macOS's own question: AppleScript's `do shell script ... with administrator privileges`.

Command and reason are arguments of a fixed script, never pasted into it; the command is quoted for
the shell that AppleScript hands it to. It is given no sudo variables, so our uid is named. The
script lasts as long as the helper: success is that the helper connects, not what the script says.
"""

from kubefwd_operator.privileged.command import typed
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.asking import reason
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way, hindrance

_SCRIPT = (
    "on run texts",
    "do shell script (item 1 of texts) with prompt (item 2 of texts) with administrator privileges",
    "end run",
)


def _plan(here: Surroundings) -> Launch | Obstacle:
    if why := hindrance(here, here.osascript, "osascript"):
        return Obstacle(why)
    lines = [word for line in _SCRIPT for word in ("-e", line)]
    argv = (here.osascript, *lines, typed(here.helper(here.uid)), reason(here))
    return Launch(argv, here.environ, "macOS")


WAY = Way("osascript", asks=True, why="the password was given to macOS", plan=_plan)
