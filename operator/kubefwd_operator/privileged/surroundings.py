"""What the ways to root need to know of this machine, looked up before each round of trying.

The ways themselves are pure functions of this value. Programs that run as root are taken from
fixed places only, and only when nobody but root can change them: not from PATH, and not the
developer's own Python, which another user may not even reach.
"""

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.installer import judge_owner
from kubefwd_operator.privileged import desktop as desktops
from kubefwd_operator.privileged import flavour as flavours
from kubefwd_operator.privileged import installed, trust
from kubefwd_operator.privileged.command import command
from kubefwd_operator.privileged.desktop import Desktop
from kubefwd_operator.privileged.flavour import Flavour
from kubefwd_operator.privileged.process import Child

INTERPRETERS = ("/usr/bin/python3", "/run/current-system/sw/bin/python3")
"""Where a system keeps its own Python; the second is NixOS."""

ROOT_FOLDER = str(Path(__file__).resolve().parent.parent / "root")
"""The folder that root runs. It is handed to Python by path and never imported here."""

ADAPTER = str(Path(__file__).resolve().with_name("askpass.sh"))
"""What makes an askpass program of a dialog; it runs as the developer."""

_OLDEST = (3, 9)
_NEW_ENOUGH = f"import sys; sys.exit(sys.version_info < {_OLDEST})"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """This machine, as seen by the ways to root.

    `interpreter` and `sudo` are empty when there is none that root may run; `fault` then says why
    no way at all can work. `askpass` (the developer's) and `dialog` (found here, and asked through
    `adapter`) are empty when there is none to use, and `askpass_fault` and `dialog_fault` say why.
    `osascript` and `pkexec` are empty like `sudo`. `authorize` is the CLI's command line, `typed`
    into any terminal by a person. `kubefwd` is the one that root may run, None with the native
    engine; `hostnames` are the suffixes that hostnames of policies may have beside the free ones.
    """

    instance: str
    uid: int
    environ: Mapping[str, str]
    authorize: tuple[str, ...]
    root_folder: str = ROOT_FOLDER
    interpreter: str = INTERPRETERS[0]
    sudo: str = ""
    askpass: str = ""
    askpass_fault: str = ""
    dialog: str = ""
    dialog_fault: str = ""
    adapter: str = ADAPTER
    desktop: Desktop = desktops.SOME
    osascript: str = ""
    pkexec: str = ""
    flavour: Flavour = flavours.UNKNOWN
    fault: str = ""
    kubefwd: PinnedKubefwd | None = None
    hostnames: tuple[str, ...] = ()
    outdated: str = ""

    def helper(self, uid: int | None = None) -> tuple[str, ...]:
        """Return the helper's command line; see command.py."""
        what = (self.kubefwd, self.hostnames)
        return command(self.interpreter, self.root_folder, self.instance, uid, *what)


async def look(
    instance: str,
    environ: Mapping[str, str],
    kubefwd: PinnedKubefwd | None = None,
    hostnames: tuple[str, ...] = (),
) -> Surroundings:
    """Look around. Takes a few milliseconds: the interpreter is run once to see its version."""
    interpreter, fault = await _interpreter()
    sudo = trust.roots_program(trust.SUDOS)
    copy = await asyncio.to_thread(installed.find, ROOT_FOLDER)
    askpass = environ.get("SUDO_ASKPASS", "")
    askpass_fault = trust.judge_askpass(askpass, os.geteuid(), os.getgid())
    desktop = _desktop(environ)
    dialog, dialog_fault = _dialog(desktop, environ)
    return Surroundings(
        instance=instance,
        uid=os.geteuid(),
        environ=environ,
        authorize=_authorize(instance, kubefwd, hostnames),
        root_folder=copy.root_folder or ROOT_FOLDER,
        interpreter=interpreter,
        sudo=sudo,
        askpass="" if askpass_fault else askpass,
        askpass_fault=askpass_fault,
        dialog=dialog,
        dialog_fault=dialog_fault,
        desktop=desktop,
        osascript=trust.roots_program(trust.OSASCRIPTS),
        pkexec=trust.roots_program(trust.PKEXECS),
        flavour=await _flavour(sudo),
        fault=fault,
        kubefwd=copy.instead_of(kubefwd),
        hostnames=hostnames,
        outdated=copy.unfit(kubefwd),
    )


def _authorize(
    instance: str, kubefwd: PinnedKubefwd | None, hostnames: tuple[str, ...]
) -> tuple[str, ...]:
    pin = () if kubefwd is None else ("--kubefwd", kubefwd.path)
    more = ("--hostnames", ",".join(hostnames)) if hostnames else ()
    return (f"{sys.prefix}/bin/kubefwd-operator", "authorize", "--instance", instance, *pin, *more)


def _desktop(environ: Mapping[str, str]) -> Desktop:
    console = Path("/dev/console")
    at_console = console.exists() and console.stat().st_uid == os.geteuid()
    return desktops.judge(environ, sys.platform, os.uname().release, at_console=at_console)


def _dialog(here: Desktop, environ: Mapping[str, str]) -> tuple[str, str]:
    if fault := trust.judge_asker(ADAPTER, os.geteuid(), os.getgid()):
        return "", f"{ADAPTER} {fault}"
    return desktops.dialog(here, lambda name: _find_dialog(name, environ.get("PATH", "")))


def _find_dialog(name: str, path: str) -> str:
    """Find it on PATH, or where distributions keep it; only what may see a password."""
    places = (shutil.which(name, path=path) or "", *desktops.ASIDE.get(name, ()))
    uid, gid = os.geteuid(), os.getgid()
    return next((one for one in places if not trust.judge_asker(one, uid, gid)), "")


async def _flavour(sudo: str) -> Flavour:
    said: list[str] = []
    if sudo:
        _ = await _code(sudo, "--version", heard=said.append)
    return flavours.read(said)


async def _interpreter() -> tuple[str, str]:
    """Find the system's Python: its path and "", or a path for messages and what is wrong."""
    faults = []
    for path in INTERPRETERS:
        fault = judge_owner(path) or await _runs(path)
        if not fault:
            return path, ""
        faults.append(fault)
    return INTERPRETERS[0], (
        f"The privileged helper needs the system's own Python 3.9 or newer: {faults[0]} "
        + _install_hint(sys.platform)
    )


def _install_hint(platform: str) -> str:
    if platform == "darwin":
        return "Install it with: xcode-select --install"
    return f"Install it with the system's package manager, as {INTERPRETERS[0]}."


async def _runs(path: str) -> str:
    """Run it as root would. macOS ships a stub that opens a dialog, so ask about it first."""
    if sys.platform == "darwin" and await _code("/usr/bin/xcode-select", "-p") != 0:
        return "the command line tools that it comes with are not installed."
    if await _code(path, "-I", "-S", "-c", _NEW_ENOUGH) != 0:
        return f"{path} does not run, or is older than {'.'.join(map(str, _OLDEST))}."
    return ""


async def _code(*argv: str, heard: Callable[[str], None] = lambda _: None) -> int:
    try:
        return await Child(argv, {}, heard).ended()
    except OSError:
        return 127
