"""How Kopf is made to behave on Tilt, and what the developer reads in the log.

Kopf's own lines (one per event and handler) are off; ours go to stdout, which Tilt shows with the
resource's name in front. The settings are for Kopf 1.45.
"""

import logging
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import kopf

from kubefwd_operator.core.errors import KubefwdOperatorError
from kubefwd_operator.core.text import plain

PREFIX = "kubefwd_operator"
"""The logger above all of ours."""

log = logging.getLogger(__name__)

MARK = "kubefwd-operator"
"""Of anything that Kopf would ever write to an object, so that an accident is recognisable."""

CONFIGURATION_ERROR, DEFECT = 2, 1
"""Exit codes when the developer has to put something right first, and when we have."""


def tune(settings: kopf.OperatorSettings) -> None:
    """Set what must differ from Kopf's defaults on Tilt's apiserver."""
    settings.posting.enabled = False
    settings.scanning.disabled = True
    settings.networking.request_timeout = 10
    settings.networking.connect_timeout = 3
    # Never empty: that is a busy loop. The loop notices that Tilt is gone sooner than Kopf does.
    settings.networking.error_backoffs = [0.5, 1, 2, 5, 5, 5]
    settings.watching.connect_timeout = 3
    settings.watching.reconnect_backoff = 1
    # Cutting a quiet stream replays all objects. The resync of the loop does not need that.
    settings.watching.inactivity_timeout = 600
    settings.process.ultimate_exiting_timeout = 30
    settings.persistence.finalizer = f"{MARK}/finalizer"
    settings.persistence.progress_storage = kopf.AnnotationsProgressStorage(prefix=MARK)
    settings.persistence.diffbase_storage = kopf.AnnotationsDiffBaseStorage(prefix=MARK)


def log_to_stdout() -> None:
    """Send our own lines to stdout, and of Kopf's only what is wrong."""
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Line())
    ours = logging.getLogger(PREFIX)
    ours.handlers[:] = [handler]
    ours.propagate = False
    ours.setLevel(logging.INFO)
    logging.getLogger("kopf").setLevel(logging.WARNING)
    # "Request attempt failed", once per kind and attempt: the loop says it once.
    logging.getLogger("kopf._cogs.clients.watching").setLevel(logging.CRITICAL)


class _Line(logging.Formatter):
    """One line, fit for a terminal; what is not as it should be says so in front."""

    def format(self, record: logging.LogRecord) -> str:
        line = plain(super().format(record))
        return line if record.levelno < logging.WARNING else f"{record.levelname.lower()}: {line}"


@contextmanager
def leaving_in_words() -> Iterator[None]:
    """End the process when it cannot start, with what the developer has to put right.

    SystemExit goes through Kopf and its event loop as it is; any other exception would be shown by
    both, with all of their own frames.
    """
    try:
        yield
    except KubefwdOperatorError as error:
        for sentence in str(error).splitlines():
            log.error(sentence)  # noqa: TRY400 - words, not a traceback
        _leave(CONFIGURATION_ERROR)
    except Exception:
        log.exception("A defect of kubefwd-operator: it cannot start. Please report this.")
        _leave(DEFECT)


def _leave(code: int) -> NoReturn:
    # Kopf has coroutines ready that will now never run; Python would say so.
    warnings.simplefilter("ignore", RuntimeWarning)
    raise SystemExit(code)
