"""Puts a copy of what root runs where only root can change it, and takes it away again.

Run as a program by root, and by nobody else:

    /usr/bin/python3 -I -S -B -X pycache_prefix=/dev/null installer.py install [--kubefwd PATH
        --sha256 HEX]
    /usr/bin/python3 -I -S -B -X pycache_prefix=/dev/null installer.py uninstall

One file, Python 3.9 and the standard library only, like all that root runs: with these flags a
program that is a file has nothing of its folder on its path. The copy goes to PLACE as a whole: it
is made beside it, and takes its place by rename. The rest of the package imports PLACE and
`judge_owner`, so that what is written here and what is believed there follow one rule.
"""

import hashlib
import os
import re
import shutil
import stat
import sys
import syslog
from collections.abc import Iterator, Sequence
from pathlib import Path

PLACE = {
    "darwin": "/Library/PrivilegedHelperTools/kubefwd-operator",  # Homebrew owns /usr/local there
}.get(sys.platform, "/usr/local/lib/kubefwd-operator")
"""Where the copy is: the folder `root`, and if it was asked for, `kubefwd` and its SHA-256."""

ROOT, KUBEFWD, DIGEST = "root", "kubefwd", "kubefwd.sha256"

_ARGUMENTS = re.compile(
    r"(?:install(?:\0--kubefwd\0(/[^\0]{1,1023})\0--sha256\0([0-9a-f]{64}))?|uninstall)"
)
_MAX_SOURCE, _MAX_KUBEFWD = 1 << 20, 256 << 20
_MAX_LINKS = 40


class Refused(Exception):
    """Nothing was changed; the message is a sentence that says why, and what to do."""


# --- whose a path is ---------------------------------------------------------------------------


def judge_owner(path: str) -> str:
    """Say why root must not run this file, or "".

    Every directory, link and file on the way to it has to be root's and writable by root alone.
    """
    for place in on_the_way(Path(path)):
        try:
            found = place.lstat()
        except OSError as error:
            return f"{place} cannot be used ({error.strerror})."
        if found.st_uid != 0:
            return f"{place} does not belong to root."
        if not stat.S_ISLNK(found.st_mode) and found.st_mode & 0o022:
            return f"{place} can be changed by others than root."
    return ""


def on_the_way(path: Path) -> Iterator[Path]:
    """Yield all that is passed when `path` is opened, links and what they lead to included."""
    todo, here, links = [*reversed(path.parts[1:])], Path("/"), 0
    yield here
    while todo:
        name = todo.pop()
        there = here.parent if name == ".." else here / name
        yield there
        if not there.is_symlink() or links > _MAX_LINKS:
            here = there
            continue
        links += 1
        target = there.readlink()
        todo += reversed(target.parts[1:] if target.is_absolute() else target.parts)
        here = Path("/") if target.is_absolute() else here


def _require_roots(folder: Path) -> None:
    if fault := judge_owner(str(folder)):
        raise Refused(
            f"{fault} What is installed in {folder} could be replaced by others: give that to root "
            "alone (chown root, chmod go-w) and try again. Nothing was changed."
        )


# --- doing it ----------------------------------------------------------------------------------


def install(place: Path, source: Path, kubefwd: str = "", sha256: str = "") -> None:
    """Replace what is in `place` by a copy of the folder `source`, and of kubefwd if named.

    Raises Refused or OSError; `place` is then as it was.
    """
    _make_parent(place.parent)
    _require_folder(place)
    new = _aside(place, "new")
    try:
        (new / ROOT).mkdir(parents=True)
        for path in sources(source):
            copy = new / ROOT / path.relative_to(source)
            copy.parent.mkdir(exist_ok=True)
            _copy(str(path), copy, _MAX_SOURCE, 0o644)
        if kubefwd:
            _install_kubefwd(new, kubefwd, sha256)
        for folder in (new, *(path for path in new.rglob("*") if path.is_dir())):
            folder.chmod(0o755)
        old = _aside(place, "old")
        if place.exists():
            place.rename(old)
        new.rename(place)
        _ = _aside(place, "old")
    finally:
        shutil.rmtree(new, ignore_errors=True)


def uninstall(place: Path) -> bool:
    """Remove `place`; say whether there was one. Raises Refused or OSError."""
    if not place.parent.exists():
        return False
    _require_roots(place.parent)
    _require_folder(place)
    _ = _aside(place, "new")
    old = _aside(place, "old")
    if not place.exists():
        return False
    place.rename(old)
    shutil.rmtree(old)
    return True


def sources(folder: Path) -> "list[Path]":
    """Return the modules of a folder, those below it too; no link is followed."""
    found = [
        Path(at) / name
        for at, _, names in os.walk(folder)
        if not at.endswith("__pycache__")
        for name in names
        if name.endswith(".py")
    ]
    return sorted(found)


def _make_parent(parent: Path) -> None:
    missing = [folder for folder in (parent, *parent.parents) if not folder.exists()]
    _require_roots(missing[-1].parent if missing else parent)
    for folder in reversed(missing):
        folder.mkdir()
        folder.chmod(0o755)


def _require_folder(place: Path) -> None:
    if place.is_symlink() or (place.exists() and not place.is_dir()):
        raise Refused(f"{place} is not a folder: remove it and try again. Nothing was changed.")


def _aside(place: Path, what: str) -> Path:
    """Return a name beside `place` that is free: what an interrupted run has left is removed."""
    path = place.parent / f".{place.name}.{what}"
    if path.exists():
        shutil.rmtree(path)
    return path


def _install_kubefwd(new: Path, kubefwd: str, sha256: str) -> None:
    found = _copy(kubefwd, new / KUBEFWD, _MAX_KUBEFWD, 0o755)
    if found != sha256:
        raise Refused(f"{kubefwd} has changed meanwhile: try again. Nothing was changed.")
    (new / DIGEST).write_text(f"{sha256}\n")
    (new / DIGEST).chmod(0o644)


def _copy(source: str, target: Path, limit: int, mode: int) -> str:
    """Copy what one open file holds, whatever becomes of its path. Return its SHA-256."""
    digest, size = hashlib.sha256(), 0
    with open(_open(source, programs=bool(mode & 0o111)), "rb") as file, target.open("xb") as copy:
        while piece := file.read(1 << 20):
            size += len(piece)
            if size > limit:
                raise Refused(f"{source} is larger than {limit >> 20} MiB. Nothing was changed.")
            digest.update(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    target.chmod(mode)
    return digest.hexdigest()


def _open(path: str, programs: bool) -> int:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        raise Refused(
            f"{path} cannot be read, or is a link ({error.strerror}). Nothing was changed."
        ) from None
    mode = os.fstat(fd).st_mode
    if not stat.S_ISREG(mode) or (programs and not mode & 0o111):
        os.close(fd)
        what = "an executable file" if programs else "a regular file"
        raise Refused(f"{path} is not {what}. Nothing was changed.")
    return fd


# --- the program -------------------------------------------------------------------------------


def main(arguments: Sequence[str], place: Path, source: Path) -> str:
    """Do what the arguments say. Return a sentence about it; raise Refused or OSError."""
    match = _ARGUMENTS.fullmatch("\0".join(arguments))
    if not match:
        raise Refused("usage: install [--kubefwd PATH --sha256 HEX] | uninstall")
    if arguments[0] == "uninstall":
        return f"{place} is removed." if uninstall(place) else f"There is nothing in {place}."
    install(place, source, match[1] or "", match[2] or "")
    more = f", with kubefwd ({match[1]}, SHA-256 {match[2]})" if match[1] else ""
    return f"The helper is installed in {place}{more}."


if __name__ == "__main__":
    flags = (sys.flags.isolated, sys.flags.no_site, sys.dont_write_bytecode, sys.pycache_prefix)
    if flags != (1, 1, True, os.devnull):
        sys.exit("It must be started as python3 -I -S -B -X pycache_prefix=/dev/null.")
    if os.geteuid() != 0:
        sys.exit("It must be started as root.")
    os.umask(0o022)
    syslog.openlog("kubefwd-operator", syslog.LOG_PID, syslog.LOG_AUTHPRIV)
    try:
        said = main(sys.argv[1:], Path(PLACE), Path(__file__).resolve().parent / ROOT)
    except (Refused, OSError) as problem:
        syslog.syslog(f"for uid {os.environ.get('SUDO_UID', '0')}: refused: {problem}")
        sys.exit(f"kubefwd-operator: {problem}")
    syslog.syslog(f"for uid {os.environ.get('SUDO_UID', '0')}: {said}")
    print(said)  # noqa: T201 - its output
