"""The operator's side of `wait.sock`: one question a connection, a few at a time, each in its time.

Newest wins, as with `helper.sock`: an operator whose socket was replaced by a newer one's stops
listening. A socket that was removed, or whose directory has moved, is opened again. Not being able
to listen costs nothing but `kubefwd-operator wait`, so it is said once and tried again.
"""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable
from contextlib import suppress

from kubefwd_operator.core.model import Dialled
from kubefwd_operator.privileged import peer
from kubefwd_operator.privileged.listening import Listening, Standing
from kubefwd_operator.privileged.rundir import RunDirectoryError
from kubefwd_operator.waiting import wire

CALLERS = 16
"""Callers at a time; the others wait in the backlog."""

ASK, DIAL = 5.0, 20.0
"""Seconds that a caller has for its line and for reading the answer, and that a dial may take."""

CHECK = 2.0
"""Seconds between looks whether the socket is still ours, and after a failure."""

TOO_LONG = Dialled("No answer came from the cluster in time.")

Dial = Callable[[str, int], Awaitable[Dialled]]

_log = logging.getLogger(__name__)


class WaitServer:
    """Answers from `dial`. `uid`: whose questions are taken, besides root's."""

    def __init__(self, listening: Listening, dial: Dial, uid: int) -> None:
        self._listening, self._dial, self._uid = listening, dial, uid
        self._running: asyncio.Task[None] | None = None
        self._callers: set[asyncio.Task[None]] = set()
        self._told = ""

    @classmethod
    def of(cls, instance: str, dial: Dial) -> "WaitServer":
        """Make that of an instance, in this user's run directory."""
        return cls(Listening.of(instance, wire.SOCKET), dial, os.geteuid())

    def start(self) -> None:
        """Listen; needs a running loop."""
        self._running = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take the socket away, and leave whoever waits without an answer. Never raises."""
        tasks = [*self._callers, *([self._running] if self._running else ())]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._listening.close()

    async def _run(self) -> None:
        while True:
            try:
                self._listening.open()
                if await self._serve() is Standing.ANOTHERS:
                    return
            except RunDirectoryError as error:
                self._tell(f"`kubefwd-operator wait` has nobody to ask: {error}")
                await asyncio.sleep(CHECK)
            except Exception as error:  # noqa: BLE001 - it is logged, and tried again
                _log.error("Answering `kubefwd-operator wait` has failed.", exc_info=error)
                await asyncio.sleep(CHECK)

    async def _serve(self) -> Standing:
        """Take callers while the socket is ours; return whose it is then."""
        while (standing := self._listening.standing()) is Standing.OURS:
            while len(self._callers) >= CALLERS:
                await asyncio.wait(self._callers, return_when=asyncio.FIRST_COMPLETED)
            try:
                async with asyncio.timeout(CHECK):
                    self._take(await self._listening.accept())
            except TimeoutError:
                continue
            except OSError as error:
                self._tell(f"A question cannot be taken: {error.strerror}.")
                await asyncio.sleep(CHECK)
        return standing

    def _take(self, connection: socket.socket) -> None:
        if not self._admits(connection):
            connection.close()
            return
        task = asyncio.create_task(self._attend(connection))
        self._callers.add(task)
        task.add_done_callback(lambda task: self._left(task, connection))

    def _left(self, task: asyncio.Task[None], connection: socket.socket) -> None:
        self._callers.discard(task)
        connection.close()
        if not task.cancelled() and (error := task.exception()):
            _log.error("A question has failed by an error of ours.", exc_info=error)

    async def _attend(self, connection: socket.socket) -> None:
        reader, writer = await asyncio.open_unix_connection(sock=connection, limit=wire.MAX_LINE)
        try:
            async with asyncio.timeout(ASK):
                line = await reader.readline()
            writer.write(wire.answer(await self._answer(line)))
            async with asyncio.timeout(ASK):
                writer.close()
                await writer.wait_closed()
        except (OSError, TimeoutError, ValueError) as error:
            _log.debug("A question was not answered: %r", error)
        finally:
            writer.transport.abort()

    def _admits(self, connection: socket.socket) -> bool:
        uid = -1
        with suppress(OSError):
            uid = peer.uid_of(connection)
        if uid not in (self._uid, 0):
            self._tell(f"A question by user id {uid} was refused: it is another user's operator.")
        return uid in (self._uid, 0)

    async def _answer(self, line: bytes) -> Dialled:
        try:
            address, port = wire.place(line)
        except ValueError as error:
            return Dialled(str(error), ours=False)
        try:
            async with asyncio.timeout(DIAL):
                return await self._dial(address, port)
        except TimeoutError:
            return TOO_LONG

    def _tell(self, message: str) -> None:
        """Warn once of each thing."""
        if message != self._told:
            self._told = message
            _log.warning("%s", message)
