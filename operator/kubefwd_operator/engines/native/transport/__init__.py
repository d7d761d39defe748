"""How bytes reach a pod: one small interface, so that listeners do not know the wire protocol.

`websocket.py` opens one WebSocket per connection, which every supported Kubernetes understands. A
multiplexed tunnel can stand beside it behind the same two protocols.
"""

from typing import Protocol

Buffer = bytes | bytearray | memoryview


class Stream(Protocol):
    """One connection to one port of one pod."""

    async def read(self) -> Buffer:
        """Return the next bytes from the pod, empty at its clean end.

        Raises DialRefused when the pod's port was never reached, DialError for every other
        abnormal end; both mean that the connection is over.
        """

    async def write(self, data: Buffer) -> None:
        """Send bytes to the pod; returns when there is room for more. Raises DialError."""

    async def settled(self) -> None:
        """Return once a refusal by the pod would have been heard, after one second at most."""

    async def close(self) -> None:
        """End the connection in order, within a second. Never raises."""


class Transport(Protocol):
    """Opens streams to pods."""

    async def dial(self, namespace: str, pod: str, port: int) -> Stream:
        """Open a connection to a pod's port.

        A stream that is returned may still report DialRefused from `read()`: Kubernetes answers
        before the pod does. Raises the ClusterError family.
        """
