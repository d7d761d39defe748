"""The lines for sudoers with which root is given without a password: exact, or not at all.

Each allows one user one argv, word for word as `Surroundings.helper` makes it for `sudo -n`: no
wildcard, the instance in it, and no file in it that anybody but root can change. sudo-rs reads them
as well (read in its source): its parser knows both tags and these escapes, but no name that begins
with an underscore.
"""

import re
from dataclasses import replace

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.installer import judge_owner
from kubefwd_operator.privileged.surroundings import Surroundings

FILE = "/etc/sudoers.d/zz-kubefwd-operator"
"""The last line that fits is the one that counts, so ours has to come last."""

_PLAIN_NAME = re.compile(r"[a-z][a-z0-9_-]{0,31}")
_SPECIAL = re.compile(r"([\\,:=])")
"""What sudoers wants escaped. Blanks and wildcards are in none of our argvs."""


def helpers(here: Surroundings, kubefwd: PinnedKubefwd | None) -> list[tuple[str, ...]]:
    """Return every argv that an operator may start here: alone, and with the installed kubefwd."""
    pins = [None] if kubefwd is None else [None, kubefwd]
    return [replace(here, kubefwd=pin).helper() for pin in pins]


def objection(here: Surroundings, kubefwd: PinnedKubefwd | None) -> str:
    """Say why no line may be printed for these, or ""."""
    programs = [here.interpreter, f"{here.root_folder}/__main__.py"]
    programs += [kubefwd.path] if kubefwd else []
    return next(filter(None, map(judge_owner, programs)), "")


def line(user: str, uid: int, argv: tuple[str, ...]) -> str:
    """Spell one line of sudoers. A name that sudoers might read otherwise is given as a number."""
    who = user if _PLAIN_NAME.fullmatch(user) else f"#{uid}"
    program, *words = argv
    escaped = " ".join([program, *(_SPECIAL.sub(r"\\\1", word) for word in words)])
    return f"{who} ALL=(root) NOPASSWD:NOSETENV: {escaped}"
