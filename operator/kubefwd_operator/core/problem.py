"""Problems: why something is not as wanted, of whom that is said, and who else wants the same."""

from dataclasses import dataclass
from enum import StrEnum

from kubefwd_operator.core.reason import Reason


class ClashKind(StrEnum):
    """Who else wants something that only one can have."""

    SAME_NAME = "SameName"  # another service of this Tilt
    OTHER_TILT = "OtherTilt"  # another instance, be it of another user
    HOSTS_FILE = "HostsFile"  # a line of the user's own
    PUBLIC_NAME = "PublicName"  # the internet, or the local network
    MACHINE = "Machine"  # the machine itself
    PORT = "Port"  # a program that listens here


@dataclass(frozen=True, slots=True)
class Clash:
    """One thing that two want. `over` is a name, or a place as `address:port`.

    `has` and `without` say who has it and who goes without, a service as `service.namespace`;
    `remedy` is a sentence about how to change it.
    """

    kind: ClashKind
    over: str
    has: str
    without: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Why something is not as wanted. `message` is a sentence that names the remedy.

    `clash` is the same for tables (`conflicts.py`), when somebody else has what is missing.
    """

    reason: Reason
    message: str
    clash: Clash | None = None


@dataclass(frozen=True, slots=True)
class Fault:
    """What is to be said of one subject: `service.namespace`, a namespace, a policy, the whole."""

    subject: str
    problem: Problem

    def __str__(self) -> str:
        return f"{self.subject}: {self.problem.message}"
