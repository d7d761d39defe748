"""The operator with parts that do nothing but note what they are told: `kopf run -m` this module.

Everything towards Tilt is the real thing. The environment may ask for trouble: `LOOP_DIES` breaks
the loop's task itself, `CLOSE_HANGS` makes the parts' close hang.
"""

import asyncio
import os
import sys
from collections.abc import Callable

from kubefwd_operator.app import App
from kubefwd_operator.config import Config
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    Desired,
    EngineSeen,
)
from kubefwd_operator.handlers import *  # noqa: F403 - Kopf finds handlers by loading them
from kubefwd_operator.schedule import Schedule


def note(text: str) -> None:
    """Write it where the test reads."""
    sys.stdout.write(f"note: {text}\n")
    sys.stdout.flush()


class Notes:
    """Parts that print each new wish."""

    def __init__(self, setup: Config, changed: Callable[[], None]) -> None:
        self.desired: Desired | None = None
        settings = setup.settings
        note(f"settings {settings.instance} {settings.linger}")

    def start(self) -> None:
        note("start")

    def want(self, desired: Desired) -> None:
        if desired != self.desired:
            self.desired = desired
            names = ",".join(namespace.name for namespace in desired.namespaces)
            note(f"want generation={desired.generation} [{names}]")

    def seen(self) -> tuple[CatalogSeen, AuthoritySeen, EngineSeen]:
        generation = self.desired.generation if self.desired else 0
        authority = AuthoritySeen(AuthorityState.AUTHORIZED, way="stand-in", session=1)
        return CatalogSeen(), authority, EngineSeen("stand-in", generation)

    async def close(self) -> None:
        note("close")
        if os.environ.get("CLOSE_HANGS"):
            await asyncio.Event().wait()


async def _die(self: Schedule) -> None:
    raise ZeroDivisionError("as the test wants")


App.make_parts = Notes
if os.environ.get("LOOP_DIES"):
    Schedule.run = _die  # type: ignore[method-assign]  # that is the trouble
