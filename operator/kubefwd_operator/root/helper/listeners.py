"""Listening sockets: root binds them and passes them on, and keeps a copy to stop them with."""

import contextlib
import errno
import socket
from collections.abc import Callable

from .ledger import Ledger
from .protocol import MAX_LISTENERS, Refusal


class Listeners:
    """The sockets of one owner, by address and port, and the addresses that they lease."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger, self._named = ledger, set[str]()
        self._sockets: dict[tuple[str, int], socket.socket] = {}

    def listen(self, ip: str, port: int) -> socket.socket:
        """Lease the address and listen there; what we have there already is replaced."""
        self._stop(ip, port)
        if len(self._sockets) >= MAX_LISTENERS:
            raise Refusal("limit", f"The helper keeps at most {MAX_LISTENERS} listeners.")
        self._ledger.lease(ip)
        try:
            self._sockets[ip, port] = socket.create_server((ip, port), backlog=1024)
        except OSError as error:
            self._settle({ip})
            if error.errno != errno.EADDRINUSE:
                raise
            raise Refusal("in-use", f"Another program listens on {ip}:{port}.") from None
        return self._sockets[ip, port]

    def release(self, ip: str, port: int) -> None:
        """Stop listening there, and give the address back when nothing of ours needs it."""
        self._stop(ip, port)
        self._settle({ip})

    def name(self, ips: set[str]) -> None:
        """Note which addresses the hosts file names now; give back those that it named last."""
        before, self._named = self._named, ips
        self._settle(before)

    def close(self, whose: Callable[[str], bool]) -> None:
        """Stop listening anywhere, if the owner is one of such."""
        if whose(self._ledger.owner):
            for ip, port in list(self._sockets):
                self._stop(ip, port)
            self._named = set()

    def _stop(self, ip: str, port: int) -> None:
        if sock := self._sockets.pop((ip, port), None):
            with sock, contextlib.suppress(OSError):
                # The operator has a copy: closing ours would leave that one listening.
                sock.shutdown(socket.SHUT_RDWR)

    def _settle(self, ips: set[str]) -> None:
        self._ledger.free(self._ledger.mine, ips - self._named - {ip for ip, _ in self._sockets})
