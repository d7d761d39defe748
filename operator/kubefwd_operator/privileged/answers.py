"""What a program on the way to root meant when it came to nothing, judged by what it said.

A person who cancels, or gives wrong passwords, has answered, and is not asked by another program.
So whatever is not known to mean something else counts as that answer: the mistake of asking nobody
again is mended by a click, the one of asking twice is not. That is why every phrase below is a
program's own, and why these programs are run with English messages.

Phrases: sudo 1.9 (measured and read), sudo-rs (read), pkexec of polkit 126 (read), osascript
(Apple's error numbers), GTK and Qt without a display.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum


class Answer(StrEnum):
    """What came out of a way that asks a person."""

    REFUSED = "refused"
    """Somebody said no, or did not know the password."""
    FORBIDDEN = "forbidden"
    """The rules of this machine do not give root to this user in this way."""
    BROKEN = "broken"
    """This way does not work here; nobody was asked."""


_FORBIDDEN = (
    "is not in the sudoers file",
    "is not allowed to",
    "may not run sudo",
    "i'm afraid i can't do that",
)

_BROKEN = (
    "no askpass program",
    "sudo: unable to run",
    "sudo: unable to execute",
    "error in the askpass program",
    "sudo: effective uid is not 0",
    "no new privileges",
    "must be owned by uid 0",
    "must have a tty",
    "unrecognized option",
    "unrecognized argument",
    "invalid option",
    "invalid argument",
    "cannot open display",
    "could not connect to display",
    "no authentication agent",
    "no session for cookie",
    "error getting authority",
    "no user interaction allowed",
)


def judge(said: Iterable[str]) -> Answer:
    """Judge the last lines that a program said before it ended without root."""
    text = "\n".join(said).lower()
    if any(phrase in text for phrase in _BROKEN):
        return Answer.BROKEN
    if any(phrase in text for phrase in _FORBIDDEN):
        return Answer.FORBIDDEN
    return Answer.REFUSED


def in_english(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the environment with English messages and everything else of the locale as it was."""
    spoken = {key: value for key, value in environ.items() if key not in ("LC_ALL", "LANGUAGE")}
    if everything := environ.get("LC_ALL"):
        spoken["LC_CTYPE"] = everything
    return spoken | {"LC_MESSAGES": "C"}
