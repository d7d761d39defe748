"""A name server that hears everything, notes what it is asked for, and answers nothing.

So whoever asks it is found out twice: by the note, and by the time that it waits.
"""

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ADDRESS = "127.0.0.99"
RESOLV_CONF = Path("/etc/resolv.conf")
WAIT = 1  # seconds that a resolver waits for an answer


@dataclass
class Asked:
    """The names that were asked for, as they were sent."""

    names: list[str] = field(default_factory=list)


def question(packet: bytes) -> str:
    """Return the name in the first question of a packet (RFC 1035, 4.1)."""
    labels, at = [], 12
    while at < len(packet) and (length := packet[at]):
        labels.append(packet[at + 1 : at + 1 + length].decode("ascii", "replace"))
        at += 1 + length
    return ".".join(labels)


@contextmanager
def recording() -> Iterator[Asked]:
    """Be the machine's only name server meanwhile; in an isolated namespace."""
    asked, over = Asked(), socket.socketpair()
    with (
        socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets,
        socket.create_server((ADDRESS, 53)) as streams,
        over[0],
        over[1],
        selectors.DefaultSelector() as ready,
    ):
        packets.bind((ADDRESS, 53))
        for each in (packets, streams, over[1]):
            ready.register(each, selectors.EVENT_READ)

        def listen() -> None:
            while True:
                for key, _ in ready.select():
                    if key.fileobj is over[1]:
                        return
                    if key.fileobj is packets:
                        asked.names.append(question(packets.recv(4096)))
                    else:
                        asked.names.append("over TCP")
                        streams.accept()[0].close()

        thread = threading.Thread(target=listen)
        thread.start()
        RESOLV_CONF.unlink()  # often a link to somewhere else
        RESOLV_CONF.write_text(
            f"nameserver {ADDRESS}\nsearch corp.example\noptions timeout:{WAIT} attempts:1\n"
        )
        try:
            yield asked
        finally:
            over[0].send(b".")
            thread.join(60)
