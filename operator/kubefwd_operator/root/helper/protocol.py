"""The wire: newline-delimited JSON, at most 1 MiB a line. Everything is validated here, purely.

A verb names its fields and their exact types; anything missing, unknown or of another type is
refused. Error codes: protocol, version, foreign, leased, in-use, limit, read-only, system.
"""

from __future__ import annotations

import json
import re
import socket
from typing import Any

from .names import HostsEntry, is_label

VERSION = 1
MAX_LINE = 1 << 20
MAX_ENTRIES = 4096
MAX_LISTENERS = 8192
_SOCKET: dict[str, type] = {"ip": str, "port": int}
_VERBS: dict[str, dict[str, type]] = {
    "hello": {"version": int, "linger": int},
    "listen": _SOCKET,
    "release": _SOCKET,
    "hosts": {"entries": list},
    "heartbeat": {},
    "purge": {},
    "bye": {},
}
_ENTRY: dict[str, type] = {**HostsEntry.__annotations__}
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = re.compile(rf"127\.1[89]\.{_OCTET}\.(?!(0|255)$){_OCTET}")


class Refusal(Exception):
    """Why root does not do what was asked: a wire code, and a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FramingLost(Refusal):
    """Where the next line begins is not certain any more: the connection must end."""


def load(line: bytes) -> dict[str, Any]:
    """Read one line (without its newline) as a JSON object."""
    if len(line) > MAX_LINE:
        raise FramingLost("protocol", f"A line has at most {MAX_LINE} bytes.")
    try:
        message = json.loads(line.decode())
    except (ValueError, RecursionError):
        raise FramingLost("protocol", "A line is one JSON object in UTF-8.") from None
    if not isinstance(message, dict):
        raise Refusal("protocol", "A request is a JSON object.")
    return message


def identifier(message: dict[str, Any]) -> int:
    """Return the request's id, a whole number that every JSON reader keeps exact."""
    number = message.get("id")
    if type(number) is not int or not 0 <= number < 1 << 53:
        raise Refusal("protocol", "A request has an id, a whole number below 2**53.")
    return number


def verb(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the verb and its fields, all present, none unknown, each of its exact type."""
    name = message.get("verb")
    if not isinstance(name, str) or name not in _VERBS:
        raise Refusal("protocol", f"The verbs are {', '.join(_VERBS)}.")
    fields = {key: value for key, value in message.items() if key not in ("id", "verb")}
    return name, _exact(name, fields, _VERBS[name])


def address(ip: str) -> str:
    """Return `ip` when it lies in 127.18.0.0/15 and its last byte is neither 0 nor 255."""
    if not _ADDRESS.fullmatch(ip):
        raise Refusal("foreign", "The helper serves addresses in 127.18.0.0/15 only.")
    return ip


def endpoint(ip: str, port: int) -> tuple[str, int]:
    """Return address and port when both are ours to bind."""
    if not 0 < port < 1 << 16:
        raise Refusal("protocol", "A port is a whole number from 1 to 65535.")
    return address(ip), port


def entries(items: list[Any]) -> list[HostsEntry]:
    """Return the entries of a `hosts` request, every value of each validated."""
    if len(items) > MAX_ENTRIES:
        raise Refusal("limit", f"The hosts file takes at most {MAX_ENTRIES} entries.")
    return [_entry(item) for item in items]


def send(sock: socket.socket, answer: dict[str, Any], passed: socket.socket | None) -> None:
    """Send one answer; the descriptor of `passed` goes with its first byte."""
    line = json.dumps(answer).encode() + b"\n"
    sent = socket.send_fds(sock, [line], [passed.fileno()]) if passed else 0
    sock.sendall(line[sent:])


def _entry(item: object) -> HostsEntry:
    entry = HostsEntry(**_exact("an entry", item, _ENTRY))
    address(entry.ip)
    if not all(map(is_label, (entry.service, entry.namespace, entry.pod or entry.service))):
        raise Refusal("protocol", "Service, namespace and pod are DNS-1123 labels.")
    return entry


def _exact(what: str, value: object, fields: dict[str, type]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(fields):
        raise Refusal("protocol", f"The fields of {what} are: {', '.join(fields) or 'none'}.")
    for name, kind in fields.items():
        if type(value[name]) is not kind:
            raise Refusal("protocol", f"Field {name} of {what} is of type {kind.__name__}.")
    return value
