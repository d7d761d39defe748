"""What the judges' tests share."""

from pathlib import Path
from typing import Any

from kubefwd_operator.core.settings import Settings
from kubefwd_operator.doctor.finding import Case, Finding, Level
from kubefwd_operator.privileged.surroundings import Surroundings

OK, WARN, FAIL = Level.OK, Level.WARN, Level.FAIL
HERE = Surroundings(
    "tilt-1", 1000, {}, ("/bin/op", "authorize"), root_folder="/r", sudo="/usr/bin/sudo",
    askpass_fault="SUDO_ASKPASS is not set",
)  # fmt: skip


def case(home: Path = Path("/nowhere"), **more: Any) -> Case:
    settings = {"settings": Settings(), "environ": {}, **more}
    return Case(home=home, **settings)


def told(findings: list[Finding], level: Level, *words: str) -> None:
    """The one finding is of that level and holds these words; what is not well has a fix."""
    (one,) = findings
    text = f"{one.sentence}\n{one.fix}"
    assert one.level is level, text
    for word in words:
        assert word in text
    assert bool(one.fix) == (level is not Level.OK), text
    assert one.sentence.endswith("."), text
