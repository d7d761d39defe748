"""What goes over `wait.sock`: one line of JSON each way. Pure.

-> {"address": "127.18.0.3", "port": 80}
<- {"ours": true, "why": ""}                      a connection stands
<- {"ours": true, "why": "No pod takes ..."}      it does not, and why
<- {"ours": false, "why": "This operator ..."}    that address is not forwarded here
"""

import ipaddress
import json
from typing import Any

from kubefwd_operator.core.model import Dialled
from kubefwd_operator.core.text import plain

SOCKET = "wait.sock"
"""Name of the socket in the run directory."""

MAX_LINE = 16384
"""Bytes of a line."""

_MAX_WHY = 1000
"""Characters, of which each may take twelve bytes."""


def request(address: str, port: int) -> bytes:
    """Write a question."""
    return _line({"address": address, "port": port})


def place(line: bytes) -> tuple[str, int]:
    """Read a question. Raises ValueError with a sentence."""
    found = _object(line)
    if found is None or set(found) != {"address", "port"}:
        raise ValueError("A question is an object with address and port, and nothing else.")
    address, port = found["address"], found["port"]
    if not isinstance(address, str):
        raise ValueError("The address is not a text.")  # noqa: TRY004 - a caller's, not ours
    if not isinstance(port, int) or isinstance(port, bool) or not 0 < port < 65536:
        raise ValueError("The port is not a number from 1 to 65535.")
    try:
        return str(ipaddress.ip_address(address)), port
    except ValueError:
        raise ValueError("The address is none.") from None


def answer(dialled: Dialled) -> bytes:
    """Write an answer."""
    return _line({"ours": dialled.ours, "why": plain(dialled.why)[:_MAX_WHY]})


def dialled(line: bytes) -> Dialled:
    """Read an answer. Raises ValueError."""
    found = _object(line)
    if found is None or not isinstance(found.get("ours"), bool):
        raise ValueError("That is no answer.")
    return Dialled(str(found.get("why", "")), found["ours"])


def _line(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode("ascii") + b"\n"


def _object(line: bytes) -> dict[str, Any] | None:
    if not line.endswith(b"\n"):
        return None
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
