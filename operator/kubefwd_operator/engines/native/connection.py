"""One connection, from accept to end.

The client's first bytes are kept until the pod has answered with a byte, so that a dial which the
pod refused can be made again, to another pod first, without the client noticing. Once a byte has
come back, or once more than REPLAY_LIMIT bytes are on their way, there is no second try. Whether a
refusal is still to be expected is asked of the stream before more than that is sent, so that large
uploads have the same chance.

An error that is not a refusal is never tried again: the pod may have acted on the request.
"""

import asyncio
import itertools
import logging
from collections.abc import Callable
from dataclasses import dataclass, field

from kubefwd_operator.core.errors import (
    ClusterError,
    CredentialsError,
    DialError,
    DialRefused,
    Forbidden,
)
from kubefwd_operator.engines.native.client import Client, ClientGone
from kubefwd_operator.engines.native.orphan import abandoned, watch_client
from kubefwd_operator.engines.native.picker import Picker, Tries, Unservable
from kubefwd_operator.engines.native.target import Choice, Target
from kubefwd_operator.engines.native.transport import Stream, Transport

HOLD = 30.0
"""Seconds that a connection waits for a pod that takes it."""

REPLAY_LIMIT = 64 * 1024
"""First bytes kept for another try."""

ABANDONED_CHECKS = (0.05, 0.2, 1.0, 5.0, 15.0)
"""Seconds between looks whether a client that has sent FIN is still there; the last repeats."""

_log = logging.getLogger(__name__)

Trouble = Callable[[ClusterError], None]


@dataclass(slots=True)
class Sent:
    """What has gone to the pod, as long as it can be sent again."""

    chunks: list[bytes] = field(default_factory=list)
    size: int = 0
    final: bool = False

    def fits(self, data: bytes) -> bool:
        """Say whether these bytes could still be kept."""
        return self.size + len(data) <= REPLAY_LIMIT

    def keep(self, data: bytes) -> None:
        """Keep bytes for another try."""
        if not self.final:
            self.chunks.append(data)
            self.size += len(data)

    def settle(self) -> None:
        """There will be no other try."""
        self.final = True
        self.chunks.clear()


class Cut(Exception):
    """The pod's side ended abnormally after it had taken the connection."""


class Connection:
    """Carries one client's connection to a pod of its target."""

    def __init__(
        self, target: Target, picker: Picker, transport: Transport, trouble: Trouble
    ) -> None:
        self.client = Client(self._lost)
        self._target = target
        self._picker = picker
        self._transport = transport
        self._trouble = trouble
        self._sent = Sent()
        self._task: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Carry the connection to its end; every end but a clean one resets the client.

        Raises nothing but CancelledError, which is how a connection is dropped.
        """
        self._task = asyncio.current_task()
        try:
            if self.client.closed:
                return
            await self._carry()
            self.client.finish()
        except (ClientGone, Unservable, Cut) as why:
            _log.debug("Connection ended early: target=%s why=%s", self._target, why)
        except ClusterError as error:
            self._trouble(error)
        finally:
            self._task = None
            self.client.reset()

    def _lost(self) -> None:
        if self._task:
            self._task.cancel()

    async def _carry(self) -> None:
        """Try pods until one takes the connection, then stay with it."""
        loop = asyncio.get_running_loop()
        deadline, tries = loop.time() + HOLD, Tries()
        while True:
            choice = await self._picker.pick(self._target, tries, deadline)
            try:
                with self._picker.occupied(choice):
                    await self._attempt(choice)
                return
            except (Forbidden, CredentialsError):
                raise
            except ClusterError:
                if self._sent.final or loop.time() >= deadline:
                    raise

    async def _attempt(self, choice: Choice) -> None:
        """Dial and carry. A ClusterError means that the pod has not taken the connection."""
        stream = await self._transport.dial(choice.namespace, choice.pod, choice.port)
        upload = asyncio.create_task(self._upload(stream))
        try:
            await self._download(stream)
        except DialRefused:
            raise
        except DialError as error:
            raise Cut(str(error)) from error
        finally:
            upload.cancel()
            try:
                await asyncio.wait([upload])
            finally:  # also when it is dropped while it ends
                await stream.close()

    async def _download(self, stream: Stream) -> None:
        write, read = self.client.write, stream.read
        while data := await read():
            if not self._sent.final:
                self._sent.settle()
            await write(data)

    async def _upload(self, stream: Stream) -> None:
        """Send what was sent before, then what comes. The end of the stream is seen by download."""
        try:
            for chunk in tuple(self._sent.chunks):
                await stream.write(chunk)
            while data := await self.client.peek():
                await self._make_room(stream, data)
                self._sent.keep(self.client.take())
                await stream.write(data)
        except (DialError, ClientGone):
            return
        await self._until_abandoned()

    async def _make_room(self, stream: Stream, data: bytes) -> None:
        """Before more goes out than can be sent again, learn whether that will be needed."""
        if not self._sent.final and not self._sent.fits(data):
            await stream.settled()
            self._sent.settle()

    async def _until_abandoned(self) -> None:
        """Wait, after the FIN of a client, for its end: the pod is read for it until then."""
        socket = self.client.socket
        if socket is None:
            return
        watch_client(socket)
        for pause in itertools.chain(ABANDONED_CHECKS, itertools.repeat(ABANDONED_CHECKS[-1])):
            await asyncio.sleep(pause)
            if abandoned(socket):
                self._lost()
                return
