"""A machine of its own for real sudo: private /etc and /run, a throw-away user with a password.

Namespaces made by `unshare`, entered by `nsenter`; nothing of the real /etc is touched, and
everything in it ends with it. Needs root; the tests skip loudly without.
"""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[3]
PASSWORD = "correct horse"
USER = "kfdev"
_SUDOERS = """\
Defaults env_reset
Defaults timestamp_timeout=0
Defaults {pty}use_pty
root ALL=(ALL:ALL) ALL
{rule}
"""


def missing() -> str:
    """Why these tests cannot run here, or ""."""
    if os.geteuid() != 0:
        return "real sudo needs a machine on which we are root"
    tools = ("unshare", "nsenter", "setpriv", "sudo", "useradd", "chpasswd")
    return ", ".join(f"{tool} is missing" for tool in tools if not shutil.which(tool))


class Machine:
    """The namespaces, the user in them, and how sudo is set up at the moment."""

    def __init__(self, pid: int, folder: Path) -> None:
        self._pid = pid
        self.folder = folder
        self.home = folder / "home"
        self.calls = self.home / "askpass.calls"
        self.askpass = self.home / "ask pass"

    def argv(self, argv: Sequence[str], user: str = "root") -> list[str]:
        """A command as it has to be started from outside to run inside."""
        switch = ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups", "--"]
        enter = ["nsenter", "-t", str(self._pid), "-m", "-n", "-p", "--"]
        return [*enter, *(switch if user != "root" else []), *argv]

    def run(self, *argv: str, given: str = "") -> str:
        """Run as root inside; what it wrote."""
        done = subprocess.run(
            self.argv(argv), input=given, capture_output=True, text=True, timeout=30, check=True
        )
        return done.stdout

    def read(self, path: str) -> str:
        """A file as it is inside."""
        return self.run("cat", path)

    def sudoers(self, rule: str, pty: bool = True) -> None:
        """Set up sudo: `rule` is the user's line, empty for a user who may not."""
        text = _SUDOERS.format(pty="" if pty else "!", rule=rule)
        self.run("sh", "-c", "umask 0337; rm -f /etc/sudoers; cat > /etc/sudoers", given=text)
        self.run("visudo", "-c", "-q")

    def answer(self, password: str) -> None:
        """What the askpass program answers from now on; its counter starts anew."""
        self.calls.write_text("")
        script = f'echo "$1" >> {shlex.quote(str(self.calls))}\necho {shlex.quote(password)}\n'
        self.script(script)

    def script(self, body: str) -> None:
        """The askpass program itself."""
        self.askpass.write_text(f"#!/bin/sh\n{body}")
        for path in (self.calls, self.askpass):
            path.touch()
            os.chown(path, self.home.stat().st_uid, self.home.stat().st_gid)
        self.askpass.chmod(0o700)

    def asked(self) -> int:
        """How often a password was asked for since `answer`."""
        return len(self.calls.read_text().splitlines())

    def helpers(self) -> list[psutil.Process]:
        """Worker and guardian, and no sudo."""
        return self.processes("/usr/bin/python3", "pycache_prefix")

    def processes(self, *words: str) -> list[psutil.Process]:
        """What runs inside and begins with the first word and contains the others."""
        found = []
        for process in _inside(self._pid):
            with suppress(psutil.Error):
                argv = " ".join(process.cmdline())
                if argv.startswith(words[0]) and all(word in argv for word in words):
                    found.append(process)
        return found


def _inside(pid: int) -> Iterator[psutil.Process]:
    wanted = Path(f"/proc/{pid}/ns/pid").readlink()
    for process in psutil.process_iter():
        try:
            if Path(f"/proc/{process.pid}/ns/pid").readlink() == wanted:
                yield process
        except OSError:
            continue


def _prepare(folder: Path) -> str:
    """Make the shell script that sets the machine up from inside its namespaces."""
    targets = [path for path in (Path(sys.base_prefix), Path(sys.prefix), ROOT) if _hider(path)]
    hiders = {str(_hider(path)) for path in targets}
    lines = [
        "set -e",
        "mount --make-rprivate /",
        f"cp -a /etc {folder}/etc && mount --bind {folder}/etc /etc",
        "mount -t tmpfs -o mode=755 tmpfs /run",
        "ip link set lo up",
        f"useradd --home-dir {folder}/home --create-home --shell /bin/sh {USER}",
        f"echo '{USER}:{PASSWORD}' | chpasswd",
    ]
    # The developer of this machine may be root, at home behind 0700: what Python is made of, and
    # this checkout, have to be within the user's reach without changing a mode.
    for number, path in enumerate(targets):
        lines.append(f"mkdir /run/hold{number} && mount --bind {path} /run/hold{number}")
    lines += [f"mount -t tmpfs -o mode=755 tmpfs {hider}" for hider in hiders]
    for number, path in enumerate(targets):
        lines.append(f"mkdir -p {path} && mount --bind /run/hold{number} {path}")
    return "\n".join([*lines, "echo ready", "cat", "exit"])


def _hider(path: Path) -> Path | None:
    """Find the outermost directory above `path` that others may not pass."""
    above = [parent for parent in path.resolve().parents if not parent.stat().st_mode & 0o001]
    return above[-1] if above else None


@contextmanager
def started() -> Iterator[Machine]:
    """Start a machine, for as long as the block runs."""
    folder = Path(tempfile.mkdtemp(prefix="kfop-"))
    folder.chmod(0o755)
    argv = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"]
    script = ["bash", "-c", _prepare(folder)]
    # It ends with our end of its stdin, even when the tests are killed.
    with subprocess.Popen(
        [*argv, *script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n", "the namespaces cannot be made"
            (inner,) = psutil.Process(process.pid).children()
            yield Machine(inner.pid, folder)
        finally:
            process.kill()
    shutil.rmtree(folder)
