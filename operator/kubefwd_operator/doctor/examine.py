"""Running the checks: side by side, each within its time, and none able to stop another.

Each check has a thread and an event loop of its own. A look may hang where nothing can end it (a
stale network disk, a resolver), so the threads are never waited for: one that is late is left
behind, and a finding says so. `stuck` then tells the command that it has to leave abruptly.
"""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from kubefwd_operator.core.errors import KubefwdOperatorError
from kubefwd_operator.doctor.finding import Case, Finding, warn

REPORT = "Please report this, with what doctor --json prints."


@dataclass(frozen=True, slots=True)
class Check:
    """A check: its name in the table, what it does, and the seconds that it may take."""

    name: str
    run: Callable[[Case], Awaitable[list[Finding]]]
    seconds: float = 10.0


@dataclass(frozen=True, slots=True)
class Examined:
    """A check and what it has found."""

    name: str
    findings: tuple[Finding, ...]


class _Running:
    """One check that runs."""

    def __init__(self, check: Check, case: Case) -> None:
        self.check, self._case = check, case
        self._found: list[Finding] | None = None
        self.thread = threading.Thread(target=self._run, name=f"doctor {check.name}", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        try:
            self._found = asyncio.run(_within(self.check, self._case))
        except TimeoutError:
            self._found = None
        except KubefwdOperatorError as error:
            self._found = [warn(f"This could not be looked at: {error}", "See what it says.")]
        except OSError as error:
            self._found = [_unseen(error)]
        except Exception as error:  # noqa: BLE001 - one defect must not hide what the others found
            self._found = [
                warn(f"This check has failed ({type(error).__name__}: {error}).", REPORT)
            ]

    def found(self) -> Examined:
        if self._found is None:
            late = warn(
                f"This could not be looked at within {self.check.seconds:g} s.",
                "Something that it asks hangs: a network disk, a name server or a program.",
            )
            return Examined(self.check.name, (late,))
        return Examined(self.check.name, tuple(self._found))


async def _within(check: Check, case: Case) -> list[Finding]:
    async with asyncio.timeout(check.seconds):
        return await check.run(case)


def _unseen(error: OSError) -> Finding:
    where = f"{error.filename}: " if error.filename else ""
    return warn(
        f"This could not be looked at ({where}{error.strerror or error}).",
        "See that your user may read it.",
    )


def examine(checks: Sequence[Check], case: Case) -> tuple[list[Examined], bool]:
    """Run all checks. Return what each found, in their order, and whether one is stuck."""
    begun = time.monotonic()
    running = [_Running(check, case) for check in checks]
    for each in running:
        # A moment more than its own time, so that it can say itself that it is over.
        each.thread.join(max(0.0, begun + each.check.seconds + 0.5 - time.monotonic()))
    stuck = any(each.thread.is_alive() for each in running)
    return [each.found() for each in running], stuck
