"""One connection's dialogue: a line in, an answer out. No socket is read or written here."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable
from typing import Any

from . import protocol
from .guardian import audit
from .hosts import Hosts
from .listeners import Listeners
from .protocol import FramingLost, Refusal


class Session:
    """Carries out requests. `closed` ends the connection, `over` the helper as well."""

    def __init__(
        self, hosts: Hosts, listeners: Listeners, guardian: int, undo: Callable[[], None]
    ) -> None:
        self._file, self._listeners, self._undo = hosts, listeners, undo
        self._guardian = guardian
        self.linger: int | None = None
        self.closed = self.over = False

    def answer(self, line: bytes) -> tuple[dict[str, Any], socket.socket | None]:
        """Answer one line, whatever it holds; a socket beside the answer goes with it."""
        number = None
        try:
            message = protocol.load(line)
            number = protocol.identifier(message)
            verb, fields = protocol.verb(message)
            if (verb == "hello") != (self.linger is None):
                raise Refusal("protocol", "A connection begins with hello, and with one only.")
            return self._carry_out(number, verb, fields)
        except Refusal as refusal:
            code, sentence = refusal.code, refusal.message
            self.closed |= isinstance(refusal, FramingLost)
        except Exception as error:  # noqa: BLE001 - a request must not end the helper
            code, sentence = "system", f"The system refused it: {error}."
        self.closed |= self.linger is None
        return {"id": number, "ok": False, "error": code, "message": sentence}, None

    def _carry_out(
        self, number: int, verb: str, fields: dict[str, Any]
    ) -> tuple[dict[str, Any], socket.socket | None]:
        result = getattr(self, f"_{verb}")(**fields)
        sock = result if isinstance(result, socket.socket) else None
        return {"id": number, "ok": True, **(result if isinstance(result, dict) else {})}, sock

    def _hello(self, version: int, linger: int) -> dict[str, Any]:
        if version != protocol.VERSION:
            raise Refusal("version", f"The helper speaks version {protocol.VERSION} only.")
        if not 0 <= linger <= 300:
            raise Refusal("protocol", "linger is a number of seconds from 0 to 300.")
        self.linger = linger
        pids = {"pid": os.getpid(), "guardian": self._guardian}
        return {"version": protocol.VERSION, "platform": sys.platform, **pids}

    def _listen(self, ip: str, port: int) -> socket.socket:
        sock = self._listeners.listen(*protocol.endpoint(ip, port))
        audit(f"listen {ip}:{port}")
        return sock

    def _release(self, ip: str, port: int) -> None:
        self._listeners.release(*protocol.endpoint(ip, port))
        audit(f"release {ip}:{port}")

    def _hosts(self, entries: list[Any]) -> dict[str, Any]:
        wanted = protocol.entries(entries)
        ips = frozenset(entry.ip for entry in wanted)
        if foreign := ips - self._listeners.ledger.ours():
            raise Refusal("foreign", f"{min(foreign)} is not leased to this instance.")
        changed, withheld = self._file.replace(wanted)
        self._listeners.name(ips)
        audit(f"hosts: {len(wanted)} entries, {len(withheld)} names withheld, changed: {changed}")
        return {"changed": changed, "withheld": withheld}

    def _heartbeat(self) -> None:
        pass

    def _purge(self) -> None:
        self._bye()
        self._file.sweep()
        self._listeners.ledger.sweep()

    def _bye(self) -> None:
        self.closed = self.over = True
        self._undo()
