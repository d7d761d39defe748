"""Which sudo this is: the classic one, or sudo-rs, which is the default of newer Ubuntus.

sudo-rs (read in its change log) knows `-p` since 0.2.5 and `-A` since 0.2.11, puts the prompt into
brackets (`[sudo: PROMPT] Password: `), and has no `-E`, which is used nowhere here. A sudo that
says nothing about itself is taken for the classic one.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_VERSION = re.compile(r"(sudo-rs|Sudo version) (\d+)\.(\d+)(?:\.(\d+))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Flavour:
    """`version` is empty when it is not known."""

    rs: bool = False
    version: tuple[int, ...] = ()

    def __str__(self) -> str:
        name = "sudo-rs" if self.rs else "sudo"
        return " ".join(filter(None, (name, ".".join(map(str, self.version)))))

    @property
    def prompts(self) -> bool:
        """Whether it takes a prompt of ours with -p."""
        return not self.rs or self.version >= (0, 2, 5)

    @property
    def asks_programs(self) -> bool:
        """Whether it knows -A."""
        return not self.rs or self.version >= (0, 2, 11)


UNKNOWN = Flavour()


def read(said: Iterable[str]) -> Flavour:
    """Read what `sudo --version` has said."""
    for line in said:
        if found := _VERSION.match(line):
            rs = found[1].lower() == "sudo-rs"
            return Flavour(rs, tuple(int(part) for part in found.groups()[1:] if part))
    return UNKNOWN
