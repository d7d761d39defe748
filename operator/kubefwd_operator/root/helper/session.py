"""One connection's dialogue: a line in, an answer out. No connection is read or written here."""

from __future__ import annotations

import os
import socket
import syslog
from collections.abc import Callable
from typing import Any

from . import protocol
from .hosts import Hosts
from .kubefwd.process import Kubefwd
from .listeners import Listeners
from .protocol import FramingLost, Refusal

Undo = Callable[[Callable[[str], bool]], None]
_TOLD = ("linger", "ip", "port", "entries", "server")  # what else there is, is a secret


def audit(owner: str, verb: str, fields: dict[str, Any], outcome: dict[str, Any]) -> str:
    """Say in one line who asked for what, and what became of it; no value can forge another."""
    told = {**fields, "entries": len(fields.get("entries", ()))}
    words = [f"{name}={told[name]}" for name in _TOLD if name in fields]
    result = "done" if outcome["ok"] else f"refused ({outcome['error']})"
    return ascii(" ".join([f"{owner}:", verb, *words, result]))[1:-1]


class Session:
    """Carries out requests. `closed` ends the connection, `over` the helper as well."""

    def __init__(
        self, hosts: Hosts, listeners: Listeners, kubefwd: Kubefwd, guardian: int, undo: Undo
    ) -> None:
        self._ledger, self._file, self._listeners = hosts.ledger, hosts, listeners
        self._kubefwd, self._guardian, self._undo = kubefwd, guardian, undo
        self.linger: int | None = None
        self.closed = self.over = False
        self._grammar = {**protocol.VERBS, **kubefwd.grammar}
        self._methods: dict[str, Callable[..., Any]] = {
            "hello": self._hello,
            "listen": listeners.listen,
            "release": listeners.release,
            "hosts": self._hosts,
            "heartbeat": lambda: None,
            "purge": self._purge,
            "bye": self._bye,
            **kubefwd.methods,
        }

    def answer(self, line: bytes) -> tuple[dict[str, Any], socket.socket | None]:
        """Answer one line, whatever it holds; a socket beside the answer goes with it."""
        number, passed, asked = None, None, None
        try:
            message = protocol.load(line)
            number = protocol.ID.check(message.get("id"))
            verb, fields = asked = protocol.request(message, self._grammar)
            if (verb == "hello") != (self.linger is None):
                raise Refusal("protocol", "A connection begins with hello, and with one only.")
            more = self._methods[verb](**fields)
            passed = more if isinstance(more, socket.socket) else None
            outcome = {"ok": True, **(more if isinstance(more, dict) else {})}
        except Refusal as refusal:
            outcome = {"ok": False, "error": refusal.code, "message": str(refusal)}
            self.closed |= isinstance(refusal, FramingLost)
        except Exception as error:  # noqa: BLE001 - a request must not end the helper
            outcome = {"ok": False, "error": "system", "message": f"The system refused: {error}"}
        self.closed |= self.linger is None
        if asked and asked[0] != "heartbeat" and outcome.get("changed", True):
            syslog.syslog(audit(self._ledger.owner, *asked, outcome))
        return {"id": number, **outcome}, passed

    def _hello(self, version: int, linger: int) -> dict[str, Any]:
        self.linger = linger
        who = {"pid": os.getpid(), "guardian": self._guardian}
        authorised = {"kubefwd": self._kubefwd.authorised, "hostnames": self._file.suffixes}
        return {"version": version, **authorised, **who}

    def _hosts(self, entries: list[Any]) -> dict[str, Any]:
        wanted = [protocol.entry(item) for item in entries]
        ips = {entry.ip for entry in wanted}
        for ip in ips:
            if not self._ledger.mine(self._ledger.holder(ip)) and not self._kubefwd.lends(ip):
                raise Refusal("foreign", f"{ip} is not leased to this instance.")
        changed = self._file.replace(wanted)
        self._listeners.name(ips)
        return {"changed": changed}

    def _purge(self) -> None:
        self._bye()
        self._undo(self._ledger.dead)

    def _bye(self) -> None:
        self.closed = self.over = True
        self._undo(self._ledger.mine)
