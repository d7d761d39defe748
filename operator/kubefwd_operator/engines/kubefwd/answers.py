"""What kubefwd's REST API answers, made into values. Pure: status and bytes in, values out.

Everything but `/api/health` comes in an envelope, `{"success", "data", "error": {"code",
"message"}}`; an unknown route is plain text. What does not look so is not kubefwd's, because
anything may listen on port 80. Measured on kubefwd 1.25.16: an empty list may be `null`; of the
counts of a namespace only the one of its services is true; numbers of ports are strings.

Raises KubefwdForeign, and KubefwdRefused for an error that kubefwd tells of.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Any, Generic, TypeVar

from kubefwd_operator.core.errors import KubefwdForeign, KubefwdRefused
from kubefwd_operator.engines.kubefwd.rows import Forward

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Health:
    """What a kubefwd says to anybody: its version (builds from source say 0.0.0)."""

    version: str


@dataclass(frozen=True, slots=True)
class Info:
    """What a kubefwd says to who has its key. `started` tells one process from the next."""

    version: str
    started: str


@dataclass(frozen=True, slots=True)
class Watched:
    """A namespace that kubefwd watches, and how many services with a selector it has found."""

    namespace: str
    context: str
    services: int


@dataclass(frozen=True, slots=True)
class Listed:
    """A service while it has a row, headless pods (`POD.SERVICE`) included.

    `status` is kubefwd's word: active, error, partial or pending.
    """

    service: str
    namespace: str
    status: str


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line of kubefwd's own log; `at` in seconds since the epoch."""

    at: float
    level: str
    message: str


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """A part of a list: rows by kubefwd's own key, and how many it says there are in all."""

    rows: Mapping[str, T]
    total: int


def foreign(what: str) -> KubefwdForeign:
    """Say that it is not kubefwd who answers, or not ours."""
    return KubefwdForeign(
        f"What answers at kubefwd's address, 127.2.27.1:80, is not our kubefwd: {what}. End what "
        "listens there."
    )


def document(body: bytes) -> Json:
    """Read one JSON object."""
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise foreign("its answer is no JSON") from error
    if not isinstance(found, dict):
        raise foreign("its answer is no JSON object")
    return found


def opened(status: int, body: bytes) -> Json:
    """Take the data out of an envelope."""
    found = document(body)
    if status == HTTPStatus.UNAUTHORIZED:
        raise foreign("it does not take the key of our kubefwd")
    error, data = found.get("error"), found.get("data")
    if isinstance(error, dict) and found.get("success") is False:
        code, message = error.get("code"), error.get("message")
        if isinstance(code, str) and isinstance(message, str):
            raise KubefwdRefused(code, message)
    if status not in (HTTPStatus.OK, HTTPStatus.CREATED) or found.get("success") is not True:
        raise foreign(f"it answers with status {status} and no word that kubefwd has")
    if not isinstance(data, dict):
        raise foreign("its answer has no data")
    return data


def is_guarded(status: int, body: bytes) -> bool:
    """Say whether a question without the key was turned away."""
    found = document(body)
    if status == HTTPStatus.UNAUTHORIZED and found.get("success") is False:
        return True
    if status == HTTPStatus.OK and found.get("success") is True:
        return False
    raise foreign(f"it answers with status {status} and no word that kubefwd has")


def _reader(read: Callable[[Json], T]) -> Callable[[Json], T]:
    """Turn what goes wrong in reading into KubefwdForeign."""

    def reading(data: Json) -> T:
        try:
            return read(data)
        except (KeyError, TypeError, ValueError) as error:
            raise foreign("its answer lacks what kubefwd's has") from error

    return reading


@_reader
def health(found: Json) -> Health:
    """Read `/api/health`, which has no envelope."""
    if found["status"] != "healthy" or not _text(found, "uptime"):
        raise ValueError(found["status"])
    return Health(_text(found, "version"))


@_reader
def info(data: Json) -> Info:
    """Read `/api/info`."""
    return Info(_text(data, "version"), _text(data, "startTime"))


@_reader
def namespaces(data: Json) -> tuple[Watched, ...]:
    """Read `/api/v1/namespaces`, whose order means nothing."""
    found = [
        Watched(_text(each, "namespace"), _text(each, "context"), int(each["serviceCount"]))
        for each in data["namespaces"] or ()
    ]
    return tuple(sorted(found, key=lambda each: (each.namespace, each.context)))


@_reader
def services(data: Json) -> Page[Listed]:
    """Read a page of `/api/v1/services`."""
    rows = {_text(each, "key"): _listed(each) for each in data["services"] or ()}
    return Page(rows, int(data["summary"]["totalServices"]))


@_reader
def forwards(data: Json) -> Page[Forward]:
    """Read a page of `/api/v1/forwards`."""
    rows = {_text(each, "key"): _forward(each) for each in data["forwards"] or ()}
    return Page(rows, int(data["summary"]["totalForwards"]))


@_reader
def log(data: Json) -> tuple[LogLine, ...]:
    """Read `/api/v1/logs/system`, newest first."""
    return tuple(
        LogLine(
            _seconds(_text(each, "timestamp")), _text(each, "level"), _text(each, "message").strip()
        )
        for each in data["logs"] or ()
    )


def _listed(row: Json) -> Listed:
    return Listed(_text(row, "serviceName"), _text(row, "namespace"), _text(row, "status"))


def _forward(row: Json) -> Forward:
    port, pod_port = int(row["localPort"]), _text(row, "podPort")
    name, pod = _text(row, "serviceName"), _text(row, "podName")
    inside = name.removeprefix(f"{pod}.")
    return Forward(
        service=inside,
        namespace=_text(row, "namespace"),
        pod=pod,
        ip=_text(row, "localIP"),
        port=port,
        pod_port=int(pod_port) if pod_port.isdecimal() else port,
        status=_text(row, "status"),
        started=_seconds(_text(row, "startedAt")),
        pod_name_in_host=inside != name,
    )


def _text(found: Json, key: str) -> str:
    value = found[key]
    if not isinstance(value, str):
        raise TypeError(key)
    return value


def _seconds(stamp: str) -> float:
    return datetime.fromisoformat(stamp).timestamp()
