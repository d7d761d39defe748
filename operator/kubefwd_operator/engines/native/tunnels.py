"""The connections that are being carried, each in a task of its own.

They belong to the engine, not to a listener: when a listener goes, or its pod leaves the catalog,
what was connected stays connected to its end.
"""

import asyncio
import logging
import socket as sockets
from collections.abc import Callable
from contextlib import suppress

from kubefwd_operator.core.errors import ClusterError
from kubefwd_operator.engines.native.admission import Admission
from kubefwd_operator.engines.native.client import reset_on_close
from kubefwd_operator.engines.native.connection import Connection
from kubefwd_operator.engines.native.picker import Picker
from kubefwd_operator.engines.native.target import Target
from kubefwd_operator.engines.native.transport import Transport

_log = logging.getLogger(__name__)


class Tunnels:
    """Starts connections and drops them all when the link to the cluster is begun anew.

    `admission` decides who gets in.
    """

    def __init__(
        self,
        picker: Picker,
        transport: Transport,
        trouble: Callable[[Target, ClusterError], None],
        admission: Admission,
    ) -> None:
        self._picker = picker
        self._transport = transport
        self._trouble = trouble
        self._admission = admission
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def carry(self, socket: sockets.socket, target: Target) -> None:
        """Carry an accepted connection to its target, or reset it when it may not get in."""
        if not self._admission.admits(socket, target.key):
            _refuse(socket)
            return
        task = asyncio.get_running_loop().create_task(self._carry(socket, target))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    async def drop(self) -> None:
        """Reset every connection. Returns when all have ended."""
        while tasks := tuple(self._tasks):
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _carry(self, socket: sockets.socket, target: Target) -> None:
        connection = Connection(
            target, self._picker, self._transport, lambda error: self._trouble(target, error)
        )
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection.client, socket
            )
        except BaseException:
            _refuse(socket)
            raise
        await connection.run()

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            _log.error("A connection ended by an error of ours", exc_info=error)


def _refuse(socket: sockets.socket) -> None:
    with suppress(OSError):
        reset_on_close(socket)
    socket.close()
