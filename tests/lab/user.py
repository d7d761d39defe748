"""The developer of a scenario: who runs Tilt, has a password, and is asked for it by a real sudo.

In an isolated namespace that is the throw-away user `dev`, and the tests are root, so they may
change its sudoers and /etc/hosts at will. Elsewhere it is whoever runs the tests.
"""

import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab import inside, tools
from tests.lab.proc import Server

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
SUDOERS = Path("/etc/sudoers.d/kubefwd-lab")
PASSED_ON = ("LANG", "LC_ALL", "TZ", "TERM")


def isolated() -> bool:
    """Say whether this process runs in an isolated namespace of the lab."""
    return inside.MARK in os.environ


@dataclass(frozen=True, slots=True)
class Dev:
    """A user, its environment and its sudo."""

    name: str
    uid: int
    gid: int
    home: Path
    password: str = inside.PASSWORD

    # --- files -----------------------------------------------------------------------------

    def write(self, path: str | Path, text: str, mode: int = 0o644) -> Path:
        """Write a file of this user's; a relative path starts at its home."""
        file = self.home / path
        self.mkdir(file.parent)
        file.write_text(text)
        file.chmod(mode)
        self._own(file)
        return file

    def mkdir(self, path: str | Path) -> Path:
        """Make a folder of this user's, and those above it that are missing."""
        folder = self.home / path
        missing = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in missing:
            self._own(each)
        return folder

    def copy(self, source: Path, path: str | Path) -> Path:
        """Copy a folder of ours to this user's files."""
        target = self.mkdir(path)
        shutil.copytree(source, target, dirs_exist_ok=True, ignore=_no_leftovers)
        for each in [target, *target.rglob("*")]:
            self._own(each)
        return target

    def _own(self, path: Path) -> None:
        if os.geteuid() == 0:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    # --- processes -------------------------------------------------------------------------

    @property
    def environment(self) -> dict[str, str]:
        """Return a fresh login's environment: the lab's programs on PATH, and askpass."""
        found = [str(tools.path(name).parent) for name in ("kubectl",)]
        # bootstrap.sh takes the first Python of PATH that can make a venv.
        python = str(Path(sys.base_prefix) / "bin")
        return {
            **{name: os.environ[name] for name in PASSED_ON if name in os.environ},
            "HOME": str(self.home),
            "USER": self.name,
            "LOGNAME": self.name,
            "SHELL": "/bin/sh",
            "PATH": ":".join([SYSTEM_PATH, *found, python]),
            "SUDO_ASKPASS": str(self.askpass),
        }

    def _identity(self) -> dict[str, Any]:
        """Return how a child becomes this user; nothing when we are it already."""
        if os.geteuid() != 0 or self.uid == 0:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": [self.gid]}

    def run(
        self,
        *command: object,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
        given: str | None = None,
        timeout: float = 60,
        check: bool = True,
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as this user; raise CalledProcessError, with its output, if it fails."""
        ran: subprocess.CompletedProcess[str] = subprocess.run(
            [str(word) for word in command],
            env={**self.environment, **(env or {})},
            cwd=folder or self.home,
            input=given,
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
            **self._identity(),
        )
        if check and ran.returncode:
            raise AssertionError(f"{command} gave {ran.returncode}\n{ran.stdout}\n{ran.stderr}")
        return ran

    def serve(
        self,
        name: str,
        command: Sequence[object],
        log: Path,
        *,
        env: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> Server:
        """Start a server as this user."""
        return Server(
            name,
            command,
            log,
            env={**self.environment, **(env or {})},
            folder=folder or self.home,
            **self._identity(),
        )

    @contextmanager
    def background(
        self, *command: object, env: Mapping[str, str] | None = None
    ) -> Iterator[Server]:
        """Run a command of this user's meanwhile; it is stopped at the end."""
        log = self.mkdir(".lab") / "background.log"
        server = self.serve(str(command[0]), command, log, env=env)
        try:
            yield server
        finally:
            server.stop()

    # --- sudo ------------------------------------------------------------------------------

    @property
    def askpass(self) -> Path:
        """The program that `sudo -A` asks; it counts its calls."""
        return self.home / ".lab" / "askpass"

    @property
    def _calls(self) -> Path:
        return self.home / ".lab" / "askpass-calls"

    @property
    def prompts(self) -> int:
        """How often a password was asked for so far (sudo asks up to three times per command)."""
        return len(self._calls.read_text().splitlines()) if self._calls.exists() else 0

    @property
    def asked_at(self) -> float:
        """When a password was last asked for (Unix time); raises FileNotFoundError if never."""
        return self._calls.stat().st_mtime

    def answer_with(self, password: str | None) -> None:
        """Let askpass give this password from now on; None: it is cancelled."""
        answer = f"printf '%s\\n' '{password}'" if password is not None else "exit 1"
        self.ask_through(f'echo asked >> "{self._calls}"\n{answer}')

    def ask_through(self, body: str, interpreter: str = "/bin/sh") -> None:
        """Let askpass be this script; what it counts is up to it."""
        self.write(self.askpass, f"#!{interpreter}\n{body}\n", mode=0o755)

    def sudoers(self, *, allowed: bool = True, password: bool = True, use_pty: bool = True) -> None:
        """Write this user's sudo rule (isolated only): no caching, so that every prompt counts."""
        if not isolated():
            raise RuntimeError("sudoers are changed in an isolated namespace only")
        tag = "" if password else "NOPASSWD: "
        rule = f"{self.name} ALL=(ALL:ALL) {tag}ALL\n" if allowed else ""
        pty = "use_pty" if use_pty else "!use_pty"
        SUDOERS.write_text(f"Defaults timestamp_timeout=0\nDefaults {pty}\n{rule}")
        SUDOERS.chmod(0o440)

    def runtime_folder(self) -> Path:
        """Make /run/user/UID as a login session would (isolated only)."""
        folder = Path(f"/run/user/{self.uid}")
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o700)
        self._own(folder)
        return folder


@contextmanager
def without_sudo() -> Iterator[None]:
    """Hide every sudo and pkexec of the place (isolated only), as in a container that has none."""
    if not isolated():
        raise RuntimeError("programs are hidden in an isolated namespace only")
    folders = ("/usr/bin", "/usr/local/bin")
    places = [Path(folder, name) for folder in folders for name in ("sudo", "pkexec")]
    hidden = [place for place in places if place.exists()]
    for place in hidden:
        subprocess.run(["mount", "--bind", "/dev/null", place], check=True)
    yield
    for place in hidden:
        subprocess.run(["umount", place], check=True)


def _no_leftovers(_: str, names: list[str]) -> list[str]:
    dropped = {"__pycache__", ".git", ".venv", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
    return [name for name in names if name in dropped]


def developer() -> Dev:
    """Return `dev`, ready to sudo with its password, or outside a namespace the current user."""
    if not isolated():
        me = pwd.getpwuid(os.getuid())
        return Dev(me.pw_name, me.pw_uid, me.pw_gid, Path(me.pw_dir))
    dev = Dev(inside.NAME, inside.UID, inside.UID, inside.HOME)
    dev.answer_with(dev.password)
    if Path("/etc/sudoers.d").is_dir():
        dev.sudoers()
    return dev
