"""Where the person sits: whether a dialog would be seen, and which program can show one.

Everything is judged from values that the caller has read, so that every kind of desktop is a row in
a test. A dialog is shown only where it will be seen: over SSH that is a forwarded display, never
the far machine's own screen.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

DIALOGS = ("ssh-askpass", "ksshaskpass", "zenity", "kdialog")
"""Programs that ask for a password under Linux, in the order in which they are taken."""

READY_MADE = ("ssh-askpass", "ksshaskpass")
"""Those that sudo can ask as they are; for the others there is askpass.sh."""

ASIDE = {
    "ssh-askpass": (
        "/usr/lib/ssh/ssh-askpass",
        "/usr/lib/ssh/x11-ssh-askpass",
        "/usr/libexec/openssh/ssh-askpass",
        "/usr/libexec/openssh/gnome-ssh-askpass",
        "/usr/lib/openssh/gnome-ssh-askpass",
    )
}
"""Where distributions keep one that is not on PATH."""

OSASCRIPT = "/usr/bin/osascript"


@dataclass(frozen=True, slots=True)
class Desktop:
    """What surrounds us. `fault` is half a sentence on why no dialog would be seen, or ""."""

    ssh: bool = False
    wsl: bool = False
    macos: bool = False
    fault: str = ""


SOME = Desktop()
"""One of which nothing is known: a dialog would be seen there."""


def judge(environ: Mapping[str, str], platform: str, release: str, *, at_console: bool) -> Desktop:
    """Judge by environment, platform, the kernel's release and (macOS) who has the console."""
    ssh = bool(environ.get("SSH_CONNECTION") or environ.get("SSH_TTY"))
    wsl = platform == "linux" and "microsoft" in release.lower()
    macos = platform == "darwin"
    fault = _macos_fault(ssh, at_console) if macos else _display_fault(environ, ssh, wsl)
    return Desktop(ssh, wsl, macos, fault)


def _macos_fault(ssh: bool, at_console: bool) -> str:
    if ssh:
        return "a dialog would not be seen over SSH"
    return "" if at_console else "this user does not have the screen"


def _display_fault(environ: Mapping[str, str], ssh: bool, wsl: bool) -> str:
    display = environ.get("DISPLAY", "")
    if ssh:
        # `ssh -X` gives localhost:10.0; `:0` is the screen of this machine, where nobody may sit.
        seen = bool(display) and not display.startswith((":", "unix:", "/"))
        return "" if seen else "a dialog would not be seen over SSH"
    if display or environ.get("WAYLAND_DISPLAY"):
        return ""
    return "this WSL has no display (WSLg)" if wsl else "there is no display"


def dialog(here: Desktop, find: Callable[[str], str]) -> tuple[str, str]:
    """Choose the program: its path and "", or "" and why there is none.

    `find` gives the path of a program that may see a password, or "".
    """
    if here.fault:
        return "", here.fault
    names = (OSASCRIPT,) if here.macos else DIALOGS
    found = next(filter(None, map(find, names)), "")
    return found, "" if found else f"there is none of {', '.join(names)} to ask with"
