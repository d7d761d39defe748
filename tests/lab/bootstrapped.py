"""The venv that operator/bootstrap.sh makes, made once per machine for every scenario.

Inside a namespace there is no network, and pip takes half a minute. So bootstrap.sh runs once as
`dev`, in a namespace that keeps the network; what it left in `dev`'s cache is kept in the lab's
cache, keyed by the requirements, and each scenario sees it copy-on-write at the same path.
"""

import fcntl
import hashlib
import os
import shutil
import sys
import time
from pathlib import Path

from tests.lab import inside, tools

OPERATOR = Path(__file__).parents[2] / "operator"
KEEP = ("venvs",)  # the package is copied by each scenario: it is what changes all day


def _key() -> str:
    digest = hashlib.sha256((OPERATOR / "requirements.txt").read_bytes())
    digest.update(f"{sys.base_prefix} {os.path.realpath('/usr/bin/python3')}".encode())
    return digest.hexdigest()[:16]


def prepare(say: tools.Say = tools.say_to_stderr) -> Path:
    """Return the prepared cache folder; raise ToolError with bootstrap.sh's words if it fails."""
    ready = tools.cache_root() / f"bootstrap-{_key()}"
    if ready.exists():
        return ready
    ready.parent.mkdir(parents=True, exist_ok=True)
    with ready.with_name("bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not ready.exists():
            _make(ready, say)
    return ready


def _make(ready: Path, say: tools.Say) -> None:
    from tests.lab.isolate import namespace

    say("lab: making the operator's venv, once for these requirements")
    began, half = time.monotonic(), ready.with_name(f".{ready.name}")
    shutil.rmtree(half, ignore_errors=True)
    half.mkdir()
    if os.geteuid() == 0:
        os.chown(half, inside.UID, inside.UID)
    log = ready.with_name("bootstrap.log")
    log.unlink(missing_ok=True)
    # bootstrap.sh takes the first Python of PATH that can make a venv; ours can.
    path = f"/usr/local/bin:/usr/bin:/bin:{sys.base_prefix}/bin"
    env = {"HOME": str(inside.HOME), "PATH": path, "XDG_CACHE_HOME": ""}
    # A copy: the checkout may be edited while pip works, and bootstrap.sh would notice.
    copy = ready.with_name("bootstrap-source")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(OPERATOR, copy, ignore=shutil.ignore_patterns("__pycache__"))
    command = ["sh", str(copy / "bootstrap.sh")]
    with namespace(
        command, log=log, env=env, network=True, as_dev=True, preparing=str(half)
    ) as process:
        process.wait()
    if process.returncode:
        tail = "\n".join(log.read_text(errors="replace").splitlines()[-20:])
        raise tools.ToolError(f"operator/bootstrap.sh failed ({process.returncode}):\n{tail}")
    for leftover in half.iterdir():
        if leftover.name not in KEEP:
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()
    half.replace(ready)
    say(f"lab: making the operator's venv: done in {time.monotonic() - began:.0f} s")
