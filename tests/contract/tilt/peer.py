"""A real Tilt with local resources only (no cluster needed), and the real operator beside it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.lab import tools
from tests.lab.api import Api, from_kubeconfig
from tests.lab.proc import Server, free_port, wait_for
from tests.lab.tilt import GROUP, HEADLESS

from kubefwd_operator.tilt.session import TiltAccess, TiltLocation, read_access

OPERATOR = Path(__file__).parents[3] / "operator"
STAND_INS = "tests.contract.tilt.stand_ins"
"""`handlers` with parts that only note what they are told."""

BUTTON = """
v1alpha1.ui_button(name='kubefwd:refresh', text='Refresh', location=
    v1alpha1.ui_component_location(component_type='Resource', component_id='main'))
"""
REFRESH = f"{GROUP}/uibuttons/kubefwd:refresh"
MAPS = f"{GROUP}/configmaps"
TILTFILE = "local_resource('main', serve_cmd='exec sleep 1000')\n" + BUTTON


class Tilt:
    """One `tilt up` in a folder of its own, which several may share as their home."""

    def __init__(self, home: Path, port: int | None = None) -> None:
        self.home, self.port = home, port or free_port()
        self.folder = home / f"project {self.port}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.context = f"tilt-{self.port}"
        self.server: Server | None = None

    @property
    def env(self) -> dict[str, str]:
        """What a child of this Tilt would find, as far as it matters."""
        return {
            "PATH": os.pathsep.join((str(tools.path("tilt").parent), os.environ["PATH"])),
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            **HEADLESS,
            "KUBECONFIG": str(self.home / "the developer's"),
        }

    def start(self, tiltfile: str = TILTFILE) -> "Tilt":
        (self.folder / "Tiltfile").write_text(tiltfile)
        command = [tools.path("tilt"), "up", "--stream", "--port", str(self.port)]
        log = self.folder / "tilt.log"
        self.server = Server("tilt", command, log, env=self.env, folder=self.folder)
        self.server.wait_healthy(lambda: "Successfully loaded Tiltfile" in self.output)
        # Tilt makes what the Tiltfile declares a moment after it has loaded it.
        if BUTTON in tiltfile:
            wait_for(lambda: self.api.exists(REFRESH), "the button")
        return self

    @property
    def output(self) -> str:
        assert self.server is not None
        return self.server.output

    @property
    def api(self) -> Api:
        found = from_kubeconfig(self.home / ".tilt-dev/config", self.context)
        assert found is not None, f"no entry {self.context}"
        return found

    def object(self, kind: str, name: str) -> dict[str, Any]:
        return self.api.get(f"{GROUP}/{kind}/{name}")

    def status(self) -> dict[str, Any] | None:
        """The ConfigMap that the operator publishes, parsed; None while there is none."""
        path = f"{MAPS}/kubefwd:status"
        if not self.api.exists(path):
            return None
        document: dict[str, Any] = json.loads(self.api.get(path)["data"]["status.json"])
        return document

    def click(self, time: str) -> None:
        """Click as anybody may who has the API."""
        self.api.merge(f"{REFRESH}/status", {"status": {"lastClickedAt": time}})

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()


def access_to(tilt: Tilt, config: Path | None = None) -> TiltAccess:
    """Read how to reach it off its own entry, or off one that leads elsewhere."""
    return read_access(TiltLocation((config or tilt.home / ".tilt-dev/config",), tilt.port))


def operator_env(tilt: Tilt, more: Mapping[str, str] | None = None) -> dict[str, str]:
    repository = str(OPERATOR.parent)
    return {
        **tilt.env,
        "TILT_PORT": str(tilt.port),
        "PYTHONPATH": os.pathsep.join((str(OPERATOR), repository)),
        "PYTHONUNBUFFERED": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        **(more or {}),
    }


def kopf_run(module: str = STAND_INS) -> list[str]:
    """The command line of design section 2, with this interpreter's Kopf."""
    arguments = ["-m", "kopf", "run", "-A", "--standalone", "-m", module]
    return [sys.executable, *arguments]


def start_operator(
    tilt: Tilt, more: Mapping[str, str] | None = None, module: str = STAND_INS, name: str = "kopf"
) -> Server:
    """Start it beside Tilt, not under it."""
    log = tilt.folder / f"{name}.log"
    return Server(name, kopf_run(module), log, env=operator_env(tilt, more), folder=tilt.folder)


def says(server: Server, text: str) -> None:
    """Wait until it has written the text, or fail with what it wrote instead."""
    try:
        wait_for(lambda: text in server.output or server.exit_code is not None, text)
    finally:
        assert text in server.output, server.output


def run_cli(
    tilt: Tilt, *arguments: str, python: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    """The command line, as it is installed."""
    program = [sys.executable, *python, "-c", "from kubefwd_operator.cli import main; main()"]
    env = operator_env(tilt)
    return subprocess.run(
        [*program, *arguments], env=env, capture_output=True, text=True, timeout=60, check=False
    )
