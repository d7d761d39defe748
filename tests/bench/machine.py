"""When and on what something was measured. Nothing in it names this machine or its folders."""

import datetime as dt
import os
import platform
import re
import subprocess
from pathlib import Path

from tests.lab import tools
from tests.lab.api import Json

VERSION_FILE = Path(__file__).parents[2] / "operator/kubefwd_operator/__init__.py"
GO_MOD = Path(tools.__file__).parent / "tools/lab/go.mod"
UNSTAMPED = "v0.0.0"
_VERSION = re.compile(r"v?\d+\.\d+\.\d+[\w.+-]*")
_ASK = {
    "tilt": ("version",),
    "kube-apiserver": ("--version",),
    "kubectl": ("version", "--client"),
    "kwok": ("--version",),
}


def load() -> list[float]:
    """Return the load averages of 1, 5 and 15 minutes."""
    return [round(each, 2) for each in os.getloadavg()]


def about() -> Json:
    """Return date, cores, kernel and versions."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "cores": os.cpu_count(),
        "machine": platform.machine(),
        "kernel": f"{platform.system()} {platform.release()}",
        "versions": {
            "kubefwd-operator": re.findall(r'"(.+)"', VERSION_FILE.read_text())[-1],
            "python": platform.python_version(),
            **{name: _version(name, arguments) for name, arguments in _ASK.items()},
        },
    }


def _version(name: str, arguments: tuple[str, ...]) -> str:
    program = tools.tilt_path() if name == "tilt" else tools.path(name)
    command = [str(program), *arguments]
    ran = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    found = _VERSION.search(ran.stdout + ran.stderr)
    said = found[0] if found else "unknown"
    return said if not said.startswith(UNSTAMPED) else _module("k8s.io/kubernetes")


def _module(name: str) -> str:
    """Return the version that the lab builds a module in: its binary was not stamped with it."""
    found = re.search(rf"{re.escape(name)} (v\S+)", GO_MOD.read_text())
    return found[1] if found else "unknown"
