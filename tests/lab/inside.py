"""Process 1 of an isolated namespace: makes the place, runs one command in it, reaps, ends.

The place: a private copy of /etc with its own /etc/hosts and its own host name, a private /run,
loopback as the only network, and a throw-away user `dev` with a password. Folders that `dev` must
reach although they lie under a closed one (/root is 0700) appear at their own paths, while the
closed folder shows nothing else. All of it are mounts of this namespace: they end with it, and
nothing on the machine is changed.
"""

import fcntl
import json
import os
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

NAME, UID, PASSWORD = "dev", 34567, "correct horse"
HOST = "lab"
SCRATCH = Path(
    "/mnt"
)  # exists everywhere (FHS); covered by a tmpfs, so the home is always the same
HOME = SCRATCH / "home" / NAME
BOOTSTRAP_CACHE = HOME / ".cache" / "kubefwd-operator"
MARK = "KUBEFWD_LAB_INSIDE"  # set in the environment of whatever runs inside
COVERED = (SCRATCH, Path("/run"))

HOSTS = f"""127.0.0.1 localhost
127.0.1.1 {HOST}
::1 localhost ip6-localhost ip6-loopback
# a line of the developer's own, which must survive everything
192.0.2.7 printer.example  printer
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What is asked of `main`, as JSON in a file."""

    command: Sequence[str]
    env: dict[str, str]
    folder: str
    hold: str  # an empty folder, to be covered
    reachable: Sequence[str]
    network: bool = False  # True: the machine's own network stays
    as_dev: bool = False
    prepared: str = ""  # a folder to show, copy-on-write, as the user's bootstrap cache
    preparing: str = ""  # a folder to show, for writing, as the user's bootstrap cache

    def write(self, file: Path) -> Path:
        """Write it where `main` reads it."""
        file.write_text(json.dumps(asdict(self)))
        return file


def _run(*command: str | Path, given: str | None = None) -> None:
    ran = subprocess.run(command, input=given, text=True, capture_output=True, check=False)
    if ran.returncode:
        words = " ".join(str(word) for word in command)
        raise SystemExit(f"lab: {words} failed ({ran.returncode}): {ran.stderr.strip()}")


def _tmpfs(at: Path) -> None:
    _run("mount", "-t", "tmpfs", "-o", "mode=0755", "lab", at)


def _bind(source: Path, at: Path) -> None:
    at.mkdir(parents=True, exist_ok=True)
    _run("mount", "--rbind", source, at)


def closed_ancestor(path: Path) -> Path | None:
    """Return the outermost folder above `path` that others may not enter."""
    for folder in reversed(path.parents):
        if folder.exists() and not folder.stat().st_mode & 0o001:
            return folder
    return None


def covers(reachable: Iterable[Path]) -> tuple[Path, ...]:
    """Return the folders to cover with an empty one: scratch, /run and the closed ones."""
    closed = {ancestor for path in reachable if (ancestor := closed_ancestor(path))}
    return (*COVERED, *sorted(closed))


def make_reachable(hold: Path, reachable: Sequence[Path]) -> None:
    """Cover what must be covered; what is reachable underneath appears at its own path again."""
    covered = covers(reachable)
    kept = {}
    for number, path in enumerate(reachable):
        if any(path.is_relative_to(cover) for cover in covered):
            kept[path] = hold / str(number)
            _bind(path, kept[path])
    for cover in covered:
        _tmpfs(cover)
    for path, held in kept.items():
        _bind(held, path)


def private_etc(hold: Path) -> None:
    """Give this namespace its own /etc; a rename over /etc/hosts works in it (a folder's mount)."""
    copy = hold / "etc"
    _run("cp", "-a", "/etc", copy)
    _run("mount", "--bind", copy, "/etc")
    socket.sethostname(HOST)
    Path("/etc/hostname").write_text(HOST + "\n")
    Path("/etc/hosts").write_text(HOSTS)


def loopback_up() -> None:
    """Set the flags UP and RUNNING on lo."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        request = struct.pack("16sh14x", b"lo", 0x41)
        fcntl.ioctl(any_socket, 0x8914, request)  # SIOCSIFFLAGS


def make_user() -> None:
    """Make `dev`; it may sudo with its password, which is asked for every time."""
    HOME.parent.mkdir(parents=True, exist_ok=True)
    _run("groupadd", "--gid", str(UID), NAME)
    identity = ("--uid", str(UID), "--gid", str(UID))
    _run("useradd", *identity, "--create-home", "--home-dir", HOME, "--shell", "/bin/sh", NAME)
    _run("chpasswd", given=f"{NAME}:{PASSWORD}\n")
    HOME.chmod(0o755)


def show_bootstrap_cache(place: Place) -> None:
    """Put the prepared venv where bootstrap.sh looks for it."""
    if not (place.prepared or place.preparing):
        return
    BOOTSTRAP_CACHE.mkdir(parents=True)
    for folder in (BOOTSTRAP_CACHE.parent, BOOTSTRAP_CACHE):
        os.chown(folder, UID, UID)
    if place.preparing:
        _bind(Path(place.preparing), BOOTSTRAP_CACHE)
        return
    layers = [SCRATCH / "upper", SCRATCH / "work"]
    for folder in layers:
        folder.mkdir()
        os.chown(folder, UID, UID)
    options = f"lowerdir={place.prepared},upperdir={layers[0]},workdir={layers[1]}"
    overlay = ("mount", "-t", "overlay", "-o", options, "lab", BOOTSTRAP_CACHE)
    if subprocess.run(overlay, capture_output=True, check=False).returncode:
        shutil.rmtree(BOOTSTRAP_CACHE)  # a kernel without overlays: a copy, some seconds
        _run("cp", "-a", place.prepared, BOOTSTRAP_CACHE)


def make(place: Place) -> None:
    """Make the whole place."""
    hold = Path(place.hold)
    _tmpfs(hold)
    private_etc(hold)
    make_reachable(hold, [Path(path) for path in place.reachable])
    if not place.network:
        loopback_up()
    make_user()
    show_bootstrap_cache(place)


def run(place: Place) -> int:
    """Run the command and reap every orphan until it ends; return its exit code."""
    # Ctrl-C is for the command. (A handler, not SIG_IGN, which the command would inherit, as it
    # would from `nohup make test`.)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    dev: dict[str, Any] = {"user": UID, "group": UID, "extra_groups": [UID]}
    user = dev if place.as_dev else {}
    process = subprocess.Popen(place.command, env=place.env, cwd=place.folder, **user)
    for pid, status in _ended():
        if pid == process.pid:
            return os.waitstatus_to_exitcode(status)
    return 1


def _ended() -> Iterator[tuple[int, int]]:
    while True:
        yield os.wait()


def main() -> None:
    """Read the place from the file that argv names."""
    place = Place(**json.loads(Path(sys.argv[1]).read_text()))
    make(place)
    code = run(place)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
