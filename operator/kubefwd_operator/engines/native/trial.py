"""Whether a pod takes a connection: tried like one, on the same way, and ended again.

That our own listener accepts proves nothing, since it holds a connection until a pod is there. So a
pod is picked and a stream opened to it, and a refusal is given the time to arrive: Kubernetes says
that a stream is open before it has asked the pod. No byte is sent; what the pod says by itself
proves it as well, and so does its clean end.
"""

import asyncio
from collections.abc import Callable

from kubefwd_operator.core.errors import ClusterError
from kubefwd_operator.engines.native.picker import Picker, Tries, Unservable
from kubefwd_operator.engines.native.target import Target
from kubefwd_operator.engines.native.transport import Stream, Transport

PATIENCE = 5.0
"""Seconds to wait for a ready pod. Whoever asks asks again."""

QUIET = 0.5
"""Seconds without a refusal, after one should have come: nobody is in a hurry here."""


class Trial:
    """Tries connections on behalf of somebody who wants to know; `trouble` hears what failed."""

    def __init__(
        self,
        picker: Picker,
        transport: Transport,
        trouble: Callable[[Target, ClusterError], None],
    ) -> None:
        self._picker, self._transport, self._trouble = picker, transport, trouble

    async def why_not(self, target: Target) -> str:
        """Have a pod take one connection. Return "", or why none did, as a sentence."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        try:
            choice = await self._picker.pick(target, Tries(), deadline)
            with self._picker.occupied(choice):
                stream = await self._transport.dial(choice.namespace, choice.pod, choice.port)
                try:
                    await _taken(stream)
                finally:
                    await stream.close()
        except Unservable as why:
            return f"No pod takes a connection: {why}."
        except ClusterError as error:
            self._trouble(target, error)
            return str(error)
        return ""


async def _taken(stream: Stream) -> None:
    """Return when the pod has taken the connection. Raises DialError when it has not."""
    reading = asyncio.ensure_future(stream.read())
    settled = asyncio.ensure_future(_settled(stream))
    try:
        await asyncio.wait((reading, settled), return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
    finally:
        for task in (reading, settled):
            task.cancel()
        await asyncio.wait((reading, settled))


async def _settled(stream: Stream) -> None:
    await stream.settled()
    await asyncio.sleep(QUIET)
