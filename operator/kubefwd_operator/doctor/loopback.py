"""Whether the addresses of our range can be had: they are this machine's own on Linux.

On macOS the helper adds each address to lo0 when it is needed, so that none answers yet says
nothing there. A server on every address (`0.0.0.0`) has its port on ours as well.
"""

import errno
import socket
import sys

from kubefwd_operator.doctor.finding import Case, Finding, fail, ok

ADDRESS = "127.18.0.1"
"""One of the range; any would do."""

_SECONDS = 2.0


async def addresses(case: Case) -> list[Finding]:  # noqa: ARG001 - every check takes a case
    """Listen on an address of the range for a moment, on any free port, and connect to it."""
    try:
        with socket.create_server((ADDRESS, 0)) as server:
            server.settimeout(_SECONDS)
            with socket.create_connection(server.getsockname()[:2], timeout=_SECONDS):
                connection, _ = server.accept()
                connection.close()
    except OSError as error:
        return judge_loopback(sys.platform, error)
    return judge_loopback(sys.platform, None)


def judge_loopback(platform: str, error: OSError | None) -> list[Finding]:
    """Judge what listening and connecting came to."""
    if error is None:
        return [ok(f"{ADDRESS} can be listened on, and answers.")]
    if platform == "darwin" and error.errno == errno.EADDRNOTAVAIL:
        return [ok("macOS gets the addresses when they are needed (the helper adds them to lo0).")]
    if error.errno == errno.EADDRNOTAVAIL:
        return [
            fail(
                f"{ADDRESS} is not an address of this machine.",
                "The loopback interface needs 127.0.0.0/8: sudo ip address add 127.0.0.1/8 dev lo",
            )
        ]
    why = "it does not answer in time" if isinstance(error, TimeoutError) else error.strerror
    return [
        fail(
            f"{ADDRESS} cannot be used: {why}.",
            "See that the loopback interface is up (ip link set lo up), and that no firewall or "
            "VPN client blocks 127.18.0.0/15.",
        )
    ]
