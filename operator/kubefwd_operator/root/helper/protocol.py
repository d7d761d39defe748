"""The wire: newline-delimited JSON, at most 1 MiB a line. Everything is validated here, purely.

The tables are the whole grammar: a verb has exactly these fields, and a field keeps to its rule.
Error codes: protocol, version, foreign, leased, in-use, limit, read-only, unusable, system.
"""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from .names import HostsEntry, is_hostname, is_label

MAX_LINE, MAX_ENTRIES, MAX_LISTENERS = 1 << 20, 4096, 8192
_OCTET = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])"


class Refusal(Exception):
    """Why root does not do what was asked: a wire code, and a sentence for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class FramingLost(Refusal):
    """Where the next line begins is not certain any more: the connection must end."""


class Rule(NamedTuple):
    """The type of a field's values, and what each holds; else the sentence, with its code."""

    kind: type
    holds: Callable[[Any], object]
    sentence: str
    code: str = "protocol"

    def check(self, value: Any) -> Any:
        """Return the value, or refuse it. It is not quoted, for it may be a secret."""
        if type(value) is not self.kind or not self.holds(value):
            raise Refusal(self.code, self.sentence)
        return value


Rules = Mapping[str, Rule]
Grammar = Mapping[str, Rules]


def matching(pattern: str, sentence: str, code: str = "protocol", limit: int = 1024) -> Rule:
    """Make the rule of a text of at most `limit` characters, all of which match."""
    whole = re.compile(pattern)
    return Rule(str, lambda text: len(text) <= limit and whole.fullmatch(text), sentence, code)


_RANGE = "The helper serves addresses in 127.18.0.0/15."
_LABEL = Rule(str, is_label, "Service and namespace are DNS-1123 labels.")
_FLAG = Rule(bool, lambda _: True, "bare and short are true or false.")
ID = Rule(int, range(1 << 53).__contains__, "An id is a whole number from 0 to below 2**53.")
_ENTRY: Rules = {
    # Any of loopback: whether it is leased to this instance, or kubefwd's own, is looked up.
    "ip": matching(rf"127(\.{_OCTET}){{3}}", _RANGE, "foreign"),
    "service": _LABEL,
    "namespace": _LABEL,
    "pod": Rule(str, lambda text: not text or is_label(text), "pod is a DNS-1123 label, or empty."),
    "bare": _FLAG,
    "short": _FLAG,
    "hostnames": Rule(
        list,
        lambda some: len(some) <= 8 and all(type(one) is str and is_hostname(one) for one in some),
        "hostnames are at most 8 DNS-1123 names of two labels or more.",
    ),
}
_SOCKET: Rules = {
    "ip": matching(rf"127\.1[89]\.{_OCTET}\.(?!(0|255)$){_OCTET}", _RANGE, "foreign"),
    "port": Rule(int, range(1, 1 << 16).__contains__, "A port is a whole number from 1 to 65535."),
}
VERBS: Grammar = {
    "hello": {
        "version": Rule(int, (1).__eq__, "The helper speaks version 1 only.", "version"),
        "linger": Rule(int, range(301).__contains__, "linger is 0 to 300 seconds."),
    },
    "listen": _SOCKET,
    "release": _SOCKET,
    "hosts": {
        "entries": Rule(
            list, lambda some: len(some) <= MAX_ENTRIES, f"At most {MAX_ENTRIES} entries.", "limit"
        )
    },
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


def request(message: dict[str, Any], verbs: Grammar = VERBS) -> tuple[str, dict[str, Any]]:
    """Return the verb and its fields, all present, none unknown, each as its rule says."""
    verb = message.get("verb")
    if not isinstance(verb, str) or verb not in verbs:
        raise Refusal("protocol", f"The verbs are {', '.join(verbs)}.")
    fields = {name: value for name, value in message.items() if name not in ("id", "verb")}
    return verb, _exact(verb, fields, verbs[verb])


def entry(item: object) -> HostsEntry:
    """Return one of the entries of a `hosts` request."""
    fields = _exact("an entry", item, _ENTRY)
    return HostsEntry(**{**fields, "hostnames": tuple(fields["hostnames"])})


def _exact(what: str, value: object, rules: Rules) -> dict[str, Any]:
    if not isinstance(value, dict) or set(value) != set(rules):
        raise Refusal("protocol", f"The fields of {what} are: {', '.join(rules) or 'none'}.")
    return {name: rule.check(value[name]) for name, rule in rules.items()}


def send(sock: socket.socket, answer: dict[str, Any], passed: socket.socket | None = None) -> None:
    """Send one answer; the descriptor of `passed` goes with its first byte."""
    line = json.dumps(answer).encode() + b"\n"
    sent = socket.send_fds(sock, [line], [passed.fileno()]) if passed else 0
    sock.sendall(line[sent:])
