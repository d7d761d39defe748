"""Requests and answers by id over one connected socket, with the descriptors that come along.

asyncio has no recvmsg, so the socket is read by `add_reader` and `socket.recv_fds` (the same on
uvloop). Everything sent waits in one buffer of our own, so that a cancelled caller can never leave
half a line on the wire. The verbs are `channel.py`'s.
"""

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from kubefwd_operator.core.errors import HelperGone, HelperRefused
from kubefwd_operator.privileged import handover
from kubefwd_operator.privileged.audit import audit
from kubefwd_operator.privileged.wire import Answer, Event, Lines, WireError, decode, encode

_CHUNK = 1 << 16


class Conversation:
    """One connection, from accept to its end. Everything pending fails with HelperGone then."""

    def __init__(
        self, connection: socket.socket, log: logging.Logger, heard: Callable[[Event], None]
    ) -> None:
        self.received = handover.Received()
        self.unanswered = 0
        self._socket = connection
        self._log, self._heard = log, heard
        self._loop = asyncio.get_running_loop()
        self._gone: asyncio.Future[str] = self._loop.create_future()
        self._lines = Lines()
        self._outbox = bytearray()
        self._pending: dict[int, asyncio.Future[Answer]] = {}
        self._last = 0
        self._loop.add_reader(connection.fileno(), self._on_readable)

    @property
    def alive(self) -> bool:
        """False from the moment at which the connection is known to be over."""
        return not self._gone.done()

    async def gone(self) -> str:
        """Wait for the end of the connection; a sentence that says how it ended."""
        return await asyncio.shield(self._gone)

    def ask(self, verb: str, **fields: object) -> asyncio.Future[Answer]:
        """Send a request; the future is its answer, HelperRefused or HelperGone.

        Raises HelperGone when it is over already, HelperRefused when the request is too long.
        """
        if not self.alive:
            raise HelperGone(self._gone.result())
        self._last += 1
        line = encode({"id": self._last, "verb": verb, **fields})
        answer: asyncio.Future[Answer] = self._loop.create_future()
        answer.add_done_callback(_retrieve)
        answer.add_done_callback(lambda _: self._record(audit(verb, fields, answer)))
        self._pending[self._last] = answer
        self._outbox += line
        self._flush()
        return answer

    def _record(self, line: str) -> None:
        if line:
            self._log.info("%s", line)

    def _flush(self) -> None:
        try:
            while self._outbox:
                del self._outbox[: self._socket.send(self._outbox)]
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._socket.fileno(), self._flush)
            return
        except OSError as error:
            self.end(f"writing to it failed: {error.strerror}")
            return
        self._loop.remove_writer(self._socket.fileno())

    def _on_readable(self) -> None:
        try:
            data, listeners, truncated = handover.receive(self._socket, _CHUNK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.end(f"reading from it failed: {error.strerror}")
            return
        self.received.keep(listeners)
        if truncated:
            self._log.warning("A listener was lost on its way: too many open files.")
        if not data:
            self.end("it has closed the connection")
            return
        self._take(data)

    def _take(self, data: bytes) -> None:
        try:
            for message in map(decode, self._lines.feed(data)):
                self._handle(message)
        except WireError as error:
            self.end(str(error))

    def _handle(self, message: Answer | Event) -> None:
        if isinstance(message, Event):
            self._heard(message)
            return
        self.unanswered = 0
        if message.id is None:
            raise WireError(f"it could not read a request: {message.message}")
        answer = self._pending.pop(message.id, None)
        if answer is None or answer.done():
            return
        if message.ok:
            answer.set_result(message)
        else:
            answer.set_exception(HelperRefused(message.error, message.message))

    def end(self, how: str) -> None:
        """Close the socket and fail what is pending; `how` completes "The helper is gone: ..."."""
        if not self.alive:
            return
        self._gone.set_result(f"The privileged helper is gone: {how.rstrip('.')}.")
        self._loop.remove_reader(self._socket.fileno())
        self._loop.remove_writer(self._socket.fileno())
        self._socket.close()
        self.received.close()
        for answer in self._pending.values():
            if not answer.done():
                answer.set_exception(HelperGone(self._gone.result()))
        self._pending.clear()


def _retrieve(answer: asyncio.Future[Any]) -> None:
    """Mark as seen: an answer that nobody waits for (a heartbeat's) is no lost error."""
    if not answer.cancelled():
        answer.exception()
