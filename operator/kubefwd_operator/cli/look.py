"""What the commands share that look at the operator's status: which Tilt, and what it says.

Nothing heavy in here, see `__init__.py`.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import click

from kubefwd_operator import config
from kubefwd_operator.core.errors import SettingsError, TiltError
from kubefwd_operator.core.report import CONFIG_MAP, JSON_KEY
from kubefwd_operator.core.state import State
from kubefwd_operator.tilt.glance import glance
from kubefwd_operator.tilt.life import process_exists
from kubefwd_operator.tilt.session import read_access

WELL, NOT_WELL, WRONGLY_CALLED, NOBODY = 0, 1, 2, 3
"""Exit codes of all commands."""

_F = TypeVar("_F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Report:
    """The operator's last word. `state` and `message` are those of `status.json`."""

    document: dict[str, Any]

    @property
    def state(self) -> str:
        """The single word."""
        return str(self.document.get("state", ""))

    @property
    def ready(self) -> bool:
        """Whether everything is as wanted."""
        return self.state == State.READY


def port_option(function: _F) -> _F:
    """Add --port, which says which Tilt is meant."""
    return click.option(
        "--port",
        type=click.IntRange(0, 65535),
        help="Web port of the Tilt that is meant. Default: TILT_PORT, else 10350.",
    )(function)


def report(port: int | None) -> Report:
    """Read the status; when there is nobody to ask, say so and exit with code 3."""
    try:
        data = glance(read_access(config.locate(port=port)), CONFIG_MAP)
        document = json.loads((data or {}).get(JSON_KEY, "null"))
    except SettingsError as error:
        raise Leaving(str(error), WRONGLY_CALLED) from None
    except TiltError as error:
        raise Leaving(str(error), NOBODY) from None
    except ValueError:
        raise Leaving(
            f"The ConfigMap {CONFIG_MAP} is damaged: Refresh writes it anew.", NOBODY
        ) from None
    if not isinstance(document, dict):
        raise Leaving(
            "The operator has not reported yet: see the log of kubefwd:run in Tilt. If there is no "
            "such resource, the Tiltfile does not load the extension.",
            NOBODY,
        )
    pid = document.get("pid")
    if isinstance(pid, int) and pid > 0 and not process_exists(pid):
        raise Leaving(
            f"The operator (process {pid}) does not run any more: see the log of kubefwd:run in "
            "Tilt, and start that resource there again.",
            NOBODY,
        )
    return Report(document)


class Leaving(click.ClickException):
    """Ends a command with a sentence and one of the exit codes."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.exit_code = code  # type: ignore[misc]  # click means it so: `self.exit_code` decides
