"""Which kubefwd may be run here, judged as the developer, before root is asked for anything.

Usable is one that takes a key to its API (1.25.15 and newer): older ones obey every local program
while they run as root. Builds from source call themselves 0.0.0, so the version says nothing; that
the program knows the variable KUBEFWD_API_KEY does (read in its source). Root looks again, and runs
only what has the content that was found here.
"""

import asyncio
import hashlib
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.engines.kubefwd.version import LONGEST_LINE, Answer, ask

OLDEST = (1, 25, 15)
MARK = b"KUBEFWD_API_KEY"
PIECE = 1 << 20
"""Bytes that are read at a time."""

MAX_BYTES = 256 << 20
"""What root copies."""

SECONDS = 5.0
"""For the program to say its version."""

_LONGEST_PATH = 1024
_NEWER = f"version {'.'.join(map(str, OLDEST))} or newer"
_RELEASES = "https://github.com/txn2/kubefwd/releases"
_INSTALL = f"install {_NEWER} (brew install kubefwd, or {_RELEASES})"
_ASKED = "when asked for its version (kubefwd version quiet)"
_NATIVE = "engine='native' needs none."


class _Unfit(Exception):
    """There is none to use; the message is a sentence that says why, and what to do."""


@dataclass(frozen=True, slots=True)
class _Place:
    """A program as it was named or found, and the file that this leads to."""

    found: str
    real: str

    def __str__(self) -> str:
        """Name both where they differ: people know the one, and have to change the other."""
        return self.found if self.found == self.real else f"{self.found} ({self.real})"


@dataclass(frozen=True, slots=True)
class Content:
    """What is in the file: its SHA-256 (hex), and whether it knows the key."""

    sha256: str
    knows_key: bool


async def find(
    path: str, environ: Mapping[str, str], seconds: float = SECONDS
) -> PinnedKubefwd | NoKubefwd:
    """Find the kubefwd at `path`, or, when that is empty, on the PATH of `environ`.

    It is run once, for `seconds` at most, to say its version. Raises nothing: whatever is wrong
    with the file or the program is in the sentence.
    """
    try:
        place = await asyncio.to_thread(_locate, path, environ)
        content = await asyncio.to_thread(_read, place)
        answer = await ask(place.real, environ, seconds)
        return PinnedKubefwd(place.real, content.sha256, judge(str(place), content, answer))
    except _Unfit as unfit:
        return NoKubefwd(f"{unfit} {_NATIVE}")


# --- the file --------------------------------------------------------------------------------


def _locate(path: str, environ: Mapping[str, str]) -> _Place:
    """Follow the links to the file itself (Homebrew links it): no change of a link moves the pin.

    Raises _Unfit.
    """
    found = path or shutil.which("kubefwd", path=environ.get("PATH", os.defpath)) or ""
    if not found:
        raise _Unfit(f"kubefwd is not on PATH: {_INSTALL}, or give the path of one.")
    _require_name(found)
    # Not Path.resolve, which raises RuntimeError on links in a circle before Python 3.13. What does
    # not exist is found out when it is opened.
    real = os.path.realpath(found)
    _require_name(real)
    return _Place(found, real)


def _require_name(path: str) -> None:
    """Refuse what root would not take on its command line. Pure. Raises _Unfit."""
    if len(path) > _LONGEST_PATH or not path.isprintable():
        raise _Unfit(
            f"{path[:LONGEST_LINE]!a} cannot be used as kubefwd: its path is longer than "
            f"{_LONGEST_PATH} characters, or has some that cannot be shown. Put it elsewhere."
        )
    if not Path(path).is_absolute():
        raise _Unfit(f"kubefwd: '{path}' is not an absolute path: give one, or have one on PATH.")


def _unusable(name: str, error: OSError) -> _Unfit:
    return _Unfit(
        f"{name} cannot be used as kubefwd ({error.strerror}): give the path of a program that you "
        "can read and run."
    )


def objection(info: os.stat_result, uid: int) -> str:
    """Say why a file is not to be run by `uid` or by root; empty when it may be. Pure."""
    rules = {
        "it is a directory: give the path of the program in it": stat.S_ISDIR(info.st_mode),
        "it is not a regular file: give the path of a program": not stat.S_ISREG(info.st_mode),
        "it belongs to another user: make a copy of your own": info.st_uid not in (0, uid),
        "everybody can change it: chmod o-w": bool(info.st_mode & stat.S_IWOTH),
        # Nothing is to run as root but through the helper.
        "it is set-uid root: chmod u-s": bool(info.st_mode & stat.S_ISUID) and info.st_uid != uid,
        "it is not executable: chmod +x": not info.st_mode & 0o111,
        f"it is larger than {MAX_BYTES >> 20} MiB: {_INSTALL}": info.st_size > MAX_BYTES,
    }
    return next((why for why, so in rules.items() if so), "")


def _read(place: _Place) -> Content:
    """Judge and read one open file, whatever becomes of its path meanwhile. Raises _Unfit."""
    try:
        # Opening a FIFO waits for somebody to write to it, unless told not to.
        fd = os.open(place.real, os.O_RDONLY | os.O_NONBLOCK)
        try:
            if why := objection(os.fstat(fd), os.geteuid()):
                raise _Unfit(f"{place} cannot be used as kubefwd: {why}.")
            return scan(_pieces(fd))
        finally:
            os.close(fd)
    except OSError as error:
        raise _unusable(str(place), error) from error


def _pieces(fd: int) -> Iterator[bytes]:
    """Read to the end, or as far as root would: what has grown beyond that meanwhile it refuses."""
    size = 0
    while size <= MAX_BYTES and (piece := os.read(fd, PIECE)):
        size += len(piece)
        yield piece


def scan(pieces: Iterable[bytes]) -> Content:
    """Hash a content, and look for the mark, which may lie across pieces of any size. Pure."""
    digest, knows, tail = hashlib.sha256(), False, b""
    for piece in pieces:
        digest.update(piece)
        joined = tail + piece
        knows = knows or MARK in joined
        tail = joined[-len(MARK) :]
    return Content(digest.hexdigest(), knows)


# --- file and program ------------------------------------------------------------------------


def judge(name: str, content: Content, answer: Answer) -> str:
    """Return the version of a program that may be used. Pure. Raises _Unfit."""
    if not content.knows_key:
        raise _Unfit(_too_old(name, answer))
    if answer.trouble:
        raise _Unfit(
            f"{name} {answer.trouble} {_ASKED}: is it kubefwd? Try that in a terminal, or "
            f"{_INSTALL}."
        )
    return answer.version


def _too_old(name: str, answer: Answer) -> str:
    """Say what is wrong with a program that does not know the key."""
    if answer.trouble:
        return (
            f"{name} is too old, or is not kubefwd: it does not know {MARK.decode()}, and it "
            f"{answer.trouble} {_ASKED}. To have kubefwd, {_INSTALL}."
        )
    if tuple(map(int, re.findall(r"\d+", answer.version)[:3])) >= OLDEST:
        return (
            f"{name} calls itself {answer.version}, but does not know {MARK.decode()}: it may be a "
            "script that starts kubefwd. Give the path of the program itself."
        )
    return (
        f"kubefwd {answer.version} at {name} is too old: {_NEWER} is needed (idle mode with an API "
        f"key). Upgrade it (brew upgrade kubefwd, or {_RELEASES})."
    )
