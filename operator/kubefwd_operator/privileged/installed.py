"""The copy of the helper that `install-helper` has made: whether it is there, and fit to be run.

It is fit when root alone can change any part of it, and when it is byte for byte the helper of this
operator: then the command line leads to it, whichever way to root is taken, and is the same at
every start, so that a sudoers line can allow exactly that one. A copy that is not fit is left
alone, and what to do about it is said.
"""

import re
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.installer import DIGEST, KUBEFWD, PLACE, ROOT, judge_owner, sources
from kubefwd_operator.privileged.command import typed

_SHA256 = re.compile(r"([0-9a-f]{64})\n")


@dataclass(frozen=True, slots=True)
class Installed:
    """What is there. `root_folder` is empty when there is none to run; `fault` says why, if ever.

    `kubefwd` is the copy of it, None when it was not asked for.
    """

    root_folder: str = ""
    kubefwd: PinnedKubefwd | None = None
    fault: str = ""

    def instead_of(self, wanted: PinnedKubefwd | None) -> PinnedKubefwd | None:
        """Return the installed copy of that very kubefwd where there is one, else `wanted`."""
        if wanted is None or self.kubefwd is None or self.kubefwd.sha256 != wanted.sha256:
            return wanted
        return replace(wanted, path=self.kubefwd.path)

    def unfit(self, wanted: PinnedKubefwd | None) -> str:
        """Say why what is installed is not (all) used, and what to do; "" when nothing is wrong."""
        if self.fault or not self.root_folder or wanted is None:
            return self.fault
        if self.kubefwd is not None and self.kubefwd.sha256 == wanted.sha256:
            return ""
        return (
            f"The helper is installed without the kubefwd at {wanted.path} as it is now, so a line "
            f"in sudoers does not fit: run {typed(install_helper(wanted))}, and then sudoers again."
        )


def install_helper(kubefwd: PinnedKubefwd | None = None) -> tuple[str, ...]:
    """Return the command that a person types to have the copy made."""
    pin = () if kubefwd is None else ("--kubefwd", kubefwd.path)
    return (f"{sys.prefix}/bin/kubefwd-operator", "install-helper", *pin)


def find(ours: str, place: str = PLACE) -> Installed:
    """Look at `place`; `ours` is the folder that a fit copy is equal to. Raises nothing."""
    folder = Path(place)
    if not folder.exists() and not folder.is_symlink():
        return Installed()
    try:
        return _judge(folder, Path(ours))
    except OSError as error:
        return Installed(fault=_not_used(place, f"it cannot be read ({error.strerror})"))


def _judge(place: Path, ours: Path) -> Installed:
    for path in (place, *sorted(place.rglob("*"))):
        if fault := judge_owner(str(path)):
            return Installed(fault=_not_used(str(place), fault.rstrip(".")))
    if _contents(place / ROOT) != _contents(ours):
        return Installed(fault=_not_used(str(place), "it is of another version than this operator"))
    return Installed(str(place / ROOT), _kubefwd(place))


def _not_used(place: str, why: str) -> str:
    return (
        f"The helper that is installed in {place} is not used: {why}. "
        f"Run {typed(install_helper())} again, or uninstall-helper."
    )


def _contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sources(folder)}


def _kubefwd(place: Path) -> PinnedKubefwd | None:
    try:
        match = _SHA256.fullmatch((place / DIGEST).read_text())
    except FileNotFoundError:
        return None
    return PinnedKubefwd(str(place / KUBEFWD), match[1]) if match else None
