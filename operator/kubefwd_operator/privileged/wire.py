"""The wire to the helper, without a socket: newline-delimited JSON, bounded, both directions.

The root side validates for security; this side validates so that a helper of another version, or a
broken one, becomes one clear error instead of a KeyError somewhere later. Descriptors travel beside
the lines and are the channel's business.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubefwd_operator.core.errors import HelperError, HelperRefused

VERSION = 1
"""Of the conversation; sent in `hello`, and equal on both sides or there is no conversation."""

MAX_LINE = 1 << 20
"""Bytes of one line, its newline included. The helper ends the connection beyond it."""


class WireError(HelperError):
    """What came from the helper is not the agreed format; the connection is of no use any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to request `id`. `id` is None when the helper could not read the request's."""

    id: int | None
    ok: bool
    error: str
    message: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that the helper says of its own accord."""

    name: str
    level: str
    message: str


def encode(message: Mapping[str, Any]) -> bytes:
    """Make one line for the wire. Raises HelperRefused("limit") when it is too long."""
    line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
    if len(line) > MAX_LINE:
        raise HelperRefused(
            "limit",
            f"A request to the privileged helper would be {len(line)} bytes, and {MAX_LINE} are "
            "the limit; forward fewer namespaces.",
        )
    return line


def decode(line: bytes) -> Answer | Event:
    """Read a line of the helper. Raises WireError when it is neither answer nor event."""
    try:
        message = json.loads(line)
    except ValueError as error:
        raise WireError("The privileged helper sent something that is not JSON.") from error
    if not isinstance(message, dict):
        raise WireError("The privileged helper sent JSON that is not an object.")
    return _event(message) if "event" in message else _answer(message)


def _event(message: dict[str, Any]) -> Event:
    return Event(
        name=str(message["event"]),
        level=str(message.get("level", "info")),
        message=str(message.get("message", "")),
    )


def _answer(message: dict[str, Any]) -> Answer:
    number, ok = message.get("id"), message.get("ok")
    if not isinstance(ok, bool) or not (number is None or type(number) is int):
        raise WireError("The privileged helper sent an answer without `id` or `ok`.")
    return Answer(
        id=number,
        ok=ok,
        error=str(message.get("error", "")),
        message=str(message.get("message", "")),
        body=message,
    )


class Lines:
    """Cuts a stream of bytes into lines, and never keeps more than one line's worth."""

    def __init__(self) -> None:
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without newlines; WireError if too long."""
        self._rest += data
        *lines, rest = bytes(self._rest).split(b"\n") if b"\n" in data else [self._rest]
        self._rest = bytearray(rest)
        if max(map(len, (*lines, rest))) >= MAX_LINE:
            raise WireError(f"The privileged helper sent a line of more than {MAX_LINE} bytes.")
        return [bytes(line) for line in lines]
