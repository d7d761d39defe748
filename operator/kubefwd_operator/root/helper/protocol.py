"""The wire: newline-delimited JSON, at most 1 MiB a line. Everything is validated here, purely.

The tables are the whole grammar: a verb has exactly these fields, each of exactly this type and
within this rule. Error codes: protocol, version, foreign, leased, in-use, limit, read-only,
unusable, system.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable
from typing import Any, NamedTuple

from .names import HostsEntry, is_label

MAX_LINE, MAX_ENTRIES, MAX_LISTENERS = 1 << 20, 4096, 8192
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"
_ADDRESS = re.compile(rf"127\.1[89]\.{_OCTET}\.(?!(0|255)$){_OCTET}")
_KUBEFWDS = re.compile(rf"127\.1\.(?!(1?[0-9]|2[0-6])\.){_OCTET}\.{_OCTET}")
_SERVER = re.compile(
    r"https://([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])(:[0-9]{1,5})?(/[A-Za-z0-9._~/-]*)?"
)
_PEM = re.compile(
    r"(-----BEGIN [A-Z0-9 ]{1,40}-----\n[A-Za-z0-9+/=\n]+-----END [A-Z0-9 ]{1,40}-----\n)*"
)


class Refusal(Exception):
    """Why root does not do what was asked: a wire code, and a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FramingLost(Refusal):
    """Where the next line begins is not certain any more: the connection must end."""


class _Rule(NamedTuple):
    kind: type
    holds: Callable[[Any], object] = lambda _: True
    sentence: str = ""
    code: str = "protocol"


_ID = _Rule(int, range(1 << 53).__contains__, "An id is a whole number from 0 to below 2**53.")
_IP = _Rule(str, _ADDRESS.fullmatch, "The helper serves addresses in 127.18.0.0/15.", "foreign")
_ENTRY_IP = _IP._replace(holds=lambda text: _ADDRESS.fullmatch(text) or is_kubefwds(text))
_PORT = _Rule(int, range(1, 1 << 16).__contains__, "A port is a whole number from 1 to 65535.")
_LABEL = _Rule(str, is_label, "Service, namespace and pod are DNS-1123 labels.")
_FLAG = _Rule(bool)
_ENTRY = dict.fromkeys(("service", "namespace"), _LABEL) | {
    "ip": _ENTRY_IP,
    "pod": _LABEL._replace(holds=lambda text: not text or is_label(text)),
    "bare": _FLAG,
    "short": _FLAG,
}
_SOCKET = {"ip": _IP, "port": _PORT}


def _text(limit: int, pattern: re.Pattern[str], sentence: str) -> _Rule:
    return _Rule(str, lambda text: len(text) <= limit and pattern.fullmatch(text), sentence)


_TOKEN = _text(65536, re.compile("[!-~]*"), "A token is at most 64 KiB of visible ASCII.")
_KEY = _text(65536, _PEM, "Certificate and key are at most 64 KiB of PEM.")
_ACCESS = {
    "server": _text(2048, _SERVER, "A server is an https address without user, query or fragment."),
    "tls_server_name": _text(
        253, re.compile("[A-Za-z0-9.:_-]*"), "A server name is a host's name."
    ),
    "ca": _text(524288, _PEM, "A CA is at most 512 KiB of PEM."),
    "certificate": _KEY,
    "key": _KEY,
    "token": _TOKEN,
}
_VERBS: dict[str, dict[str, _Rule]] = {
    "hello": {
        "version": _Rule(int, (1).__eq__, "The helper speaks version 1 only.", "version"),
        "linger": _Rule(int, range(301).__contains__, "linger is 0 to 300 seconds."),
    },
    "listen": _SOCKET,
    "release": _SOCKET,
    "hosts": {
        "entries": _Rule(
            list, lambda some: len(some) <= MAX_ENTRIES, f"At most {MAX_ENTRIES} entries.", "limit"
        )
    },
    "kubefwd-start": _ACCESS,
    "kubefwd-stop": {},
    "kubefwd-token": {"token": _TOKEN},
    "heartbeat": {},
    "purge": {},
    "bye": {},
}


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
    return int(_check("id", message.get("id"), _ID))


def verb(message: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Return the verb and its fields, all present, none unknown, each as its rule says."""
    name = message.get("verb")
    if not isinstance(name, str) or name not in _VERBS:
        raise Refusal("protocol", f"The verbs are {', '.join(_VERBS)}.")
    fields = {key: value for key, value in message.items() if key not in ("id", "verb")}
    return name, _exact(name, fields, _VERBS[name])


def is_kubefwds(ip: str) -> bool:
    """Whether that is one of the addresses that kubefwd gives to services."""
    return _KUBEFWDS.fullmatch(ip) is not None


def entry(item: object) -> HostsEntry:
    """Return one of the entries of a `hosts` request."""
    return HostsEntry(**_exact("an entry", item, _ENTRY))


def send(sock: socket.socket, answer: dict[str, Any], passed: socket.socket | None) -> None:
    """Send one answer; the descriptor of `passed` goes with its first byte."""
    line = json.dumps(answer).encode() + b"\n"
    sent = socket.send_fds(sock, [line], [passed.fileno()]) if passed else 0
    sock.sendall(line[sent:])


def _exact(what: str, value: object, rules: dict[str, _Rule]) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(rules):
        raise Refusal("protocol", f"The fields of {what} are: {', '.join(rules) or 'none'}.")
    return {name: _check(name, value[name], rule) for name, rule in rules.items()}


def _check(name: str, value: Any, rule: _Rule) -> Any:
    if type(value) is not rule.kind:
        raise Refusal("protocol", f"Field {name} is of type {rule.kind.__name__}.")
    if not rule.holds(value):
        raise Refusal(rule.code, rule.sentence)
    return value
