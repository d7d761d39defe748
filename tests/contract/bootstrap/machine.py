"""A developer's machine as bootstrap.sh sees it: a home, a PATH of our choosing, the extension.

Everything is real: the script, pip, the requirements, uv. Only what stands on PATH is chosen, and
pip's cache is shared, so that a venv costs seconds. Home and extension stand in paths with spaces.
"""

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

CHECKOUT = Path(__file__).parents[3]

TOOLS = """
    basename cat chmod cp cut date dirname env find flock grep id ls mkdir mktemp mv rm sed sh
    sha256sum sleep sort touch tr uname
"""
"""What every Unix has on PATH (flock: every Linux)."""

DEADLINE = 300.0
"""Seconds for a whole venv on a slow machine and a cold pip cache."""


@dataclass(slots=True)
class Machine:
    """One developer's home with one copy of the extension."""

    home: Path
    extension: Path
    tools: Path
    path: list[Path] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def cache(self) -> Path:
        """Where the operator lives on Linux."""
        return self.home / ".cache" / "kubefwd-operator"

    @property
    def venvs(self) -> list[Path]:
        """Every folder that holds or will hold a venv."""
        return sorted(path for path in (self.cache / "venvs").iterdir() if path.is_dir())

    @property
    def packages(self) -> list[Path]:
        """Every copy of the package."""
        found = (self.cache / "packages").iterdir()
        return sorted(path for path in found if not path.name.startswith("."))

    def env(self) -> dict[str, str]:
        """Give the environment that Tilt would hand over, with pip's settings and ours."""
        kept = {key: value for key, value in os.environ.items() if key.startswith(("PIP_", "UV_"))}
        path = os.pathsep.join(map(str, [*self.path, self.tools]))
        return kept | {"HOME": str(self.home), "PATH": path, "LANG": "C.UTF-8"} | self.variables

    def argv(self, *arguments: str) -> list[str]:
        """Spell the command as the Tiltfile does."""
        return ["sh", str(self.extension / "operator" / "bootstrap.sh"), *arguments]

    def bootstrap(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run it to its end, and give what it said (both streams in one, as in Tilt's log)."""
        return subprocess.run(
            self.argv(*arguments),
            env=self.env(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=DEADLINE,
        )

    @contextmanager
    def started(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Run it in a process group of its own, as Tilt does, and end that group at the end."""
        with subprocess.Popen(
            self.argv(*arguments),
            env=self.env(),
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)

    def change_package(self, text: str) -> None:
        """Change a file of the package, as pulling the extension would."""
        path = self.extension / "operator" / "kubefwd_operator" / "__init__.py"
        path.write_text(path.read_text() + f"\n# {text}\n")

    def change_requirements(self) -> None:
        """Change the requirements file without changing what it asks for."""
        path = self.extension / "operator" / "requirements.txt"
        path.write_text(path.read_text() + "# another hash\n")

    def serve(self, handlers: str) -> None:
        """Replace the handlers that Kopf loads, so that --run needs no Tilt."""
        path = self.extension / "operator" / "kubefwd_operator" / "handlers.py"
        path.write_text(handlers)


def make(folder: Path, tools: Path, python: Path, source: Path = CHECKOUT) -> Machine:
    """Lay out a machine in `folder`, with that Python on PATH and the extension of `source`."""
    extension = folder / "tilt extensions" / "kubefwd"
    home = folder / "the home"
    home.mkdir(parents=True)
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(source / "operator", extension / "operator", ignore=ignore)
    variables = {"PIP_CACHE_DIR": pip_cache()}
    return Machine(home, extension, tools, [python], variables)


@lru_cache
def pip_cache() -> str:
    """Where this user's pip keeps what it downloaded."""
    argv = [sys.executable, "-m", "pip", "cache", "dir"]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()


def link_tools(folder: Path) -> Path:
    """Make a PATH entry that has the Unix tools and no Python, whatever else /usr/bin holds."""
    folder.mkdir(parents=True)
    for name in TOOLS.split():
        found = shutil.which(name)
        if found:
            (folder / name).symlink_to(found)
    return folder


def script(path: Path, text: str) -> Path:
    """Write a program into a folder, and give the folder as a PATH entry."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path.parent


def base_python() -> str:
    """Give the interpreter behind this venv, which can make venvs itself."""
    version = f"python3.{sys.version_info.minor}"
    return str(Path(sys.base_prefix).resolve() / "bin" / version)


def python_folder(path: Path) -> Path:
    """Make a PATH entry with a Python that can make a venv."""
    name = f"python3.{sys.version_info.minor}"
    return script(path / name, f"exec '{base_python()}' \"$@\"")
