"""`sudo -A` through a dialog program that is found here, where a dialog would be seen."""

from kubefwd_operator.privileged.desktop import READY_MADE
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways.asking import ask_through
from kubefwd_operator.privileged.ways.way import Launch, Obstacle, Way


def _plan(here: Surroundings) -> Launch | Obstacle:
    if not here.dialog and here.uid != 0 and here.sudo:
        return Obstacle(here.dialog_fault)
    if here.dialog.rsplit("/", 1)[-1].endswith(READY_MADE):
        return ask_through(here, here.dialog, {})
    return ask_through(here, here.adapter, {"KUBEFWD_OPERATOR_DIALOG": here.dialog}, here.dialog)


WAY = Way("sudo dialog", asks=True, why="the password was given to sudo", plan=_plan)
