"""Lines as logrus writes them, and what goes wrong."""

import sys
from collections import deque
from datetime import UTC, datetime
from typing import Any, ClassVar

Json = dict[str, Any]


class Fault(Exception):
    """What kubefwd answers with an error, or logs."""

    def __init__(self, code: str, message: str, status: int = 409) -> None:
        super().__init__(message)
        self.code, self.status = code, status


def now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


class Log:
    """Writes coloured lines to stdout, even into a pipe, and keeps the last thousand."""

    LEVELS: ClassVar = {"info": (36, "INFO"), "warning": (33, "WARN"), "error": (31, "ERRO"),
              "fatal": (31, "FATA")}  # fmt: skip

    def __init__(self) -> None:
        self.kept: deque[Json] = deque(maxlen=1000)

    def say(self, message: str, level: str = "info") -> None:
        colour, word = self.LEVELS[level]
        clock = datetime.now().strftime("%H:%M:%S")  # noqa: DTZ005  # as kubefwd: local time
        sys.stdout.write(f"\x1b[{colour}m{word}\x1b[0m[{clock}] {message:<44} \n")
        sys.stdout.flush()
        self.kept.appendleft({"timestamp": now(), "level": level, "message": message})

    def caution(self, message: str) -> None:
        self.say(f"WARNING: {message}", "warning")

    def complain(self, message: str) -> None:
        self.say(message, "error")
