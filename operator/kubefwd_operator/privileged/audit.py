"""One line in our log for each thing that root was asked for. Root writes its own to syslog.

Not for heartbeats, nor for names that were found as they are to be: they are looked after every
half minute.
"""

import asyncio
from collections.abc import Mapping
from typing import Any

from kubefwd_operator.core.errors import HelperRefused

_TOLD = ("linger", "ip", "port", "server")
"""What else a request holds is long, or a secret."""


def audit(verb: str, fields: Mapping[str, object], answer: "asyncio.Future[Any]") -> str:
    """Say what root was asked for, and what became of it; no value can forge another line.

    Empty when there is nothing to tell.
    """
    if verb == "heartbeat" or _is_unchanged(answer):
        return ""
    words = [f"{name}={fields[name]}" for name in _TOLD if name in fields]
    entries = fields.get("entries")
    words += [f"entries={len(entries)}"] if isinstance(entries, list) else []
    return ascii(" ".join(["root:", verb, *words, _result(answer)]))[1:-1]


def _is_unchanged(answer: "asyncio.Future[Any]") -> bool:
    well = not answer.cancelled() and answer.exception() is None
    return well and not answer.result().body.get("changed", True)


def _result(answer: "asyncio.Future[Any]") -> str:
    error = None if answer.cancelled() else answer.exception()
    if isinstance(error, HelperRefused):
        return f"refused ({error.code})"
    return "not answered" if error or answer.cancelled() else "done"
