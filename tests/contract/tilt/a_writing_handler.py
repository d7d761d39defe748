"""The operator with a mistake in it: `@kopf.on.update` annotates Tilt's objects."""

from typing import Any

import kopf
from tests.contract.tilt.stand_ins import *  # noqa: F403 - Kopf finds handlers by loading them


@kopf.on.update("tilt.dev", "v1alpha1", "uibuttons")
async def mistake(**_: Any) -> None:
    """Do nothing: Kopf writes all the same."""
