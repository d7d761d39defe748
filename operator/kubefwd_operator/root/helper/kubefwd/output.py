"""What a child of root's says, made fit for the wire: bounded, plain, and without its secrets."""

import os
import re
import time
from collections.abc import Iterator

MAX_TEXT, MAX_LINES = 500, 50  # characters of a line, and lines of a second
_ANSI = re.compile(rb"\x1b\[[0-9;]*[A-Za-z]")


class Output:
    """The reading end of its pipe. `ended` after it has said its last word."""

    def __init__(self, fd: int, *secrets: str) -> None:
        self.fd, self.ended = fd, False
        os.set_blocking(fd, False)
        self.secrets = [secret.encode() for secret in secrets if secret]
        self._rest, self._second, self._said = b"", 0, 0

    def fileno(self) -> int:
        """Return the descriptor, for poll()."""
        return self.fd

    def lines(self) -> Iterator[str]:
        """Read what is there, and pass on the lines that are complete."""
        try:
            data = os.read(self.fd, 1 << 16)
        except BlockingIOError:
            return iter(())
        self.ended = not data
        *lines, self._rest = (self._rest + (data or b"\n")).split(b"\n")
        self._rest = self._rest[: 1 << 16]
        return filter(None, map(self._bounded, lines))

    def _bounded(self, line: bytes) -> str:
        second = int(time.monotonic())
        self._second, self._said = second, self._said + 1 if second == self._second else 1
        if self._said >= MAX_LINES:
            return "... and more in the same second." * (self._said == MAX_LINES)
        for secret in self.secrets:
            line = line.replace(secret, b"***")
        text = _ANSI.sub(b"", line).decode("utf-8", "replace")
        return "".join(filter(str.isprintable, text)).strip()[:MAX_TEXT]
