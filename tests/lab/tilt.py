"""A real `tilt up` of the scenario's developer, and what tests ask of it.

Every Tilt has a port and a context of its own in the developer's ~/.tilt-dev/config, so several
run side by side. Facts: tilt 3, 6, 7, 11.
"""

import datetime as dt
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tests.lab import tools
from tests.lab.api import Api, ApiError, Json, from_kubeconfig
from tests.lab.eventual import eventually
from tests.lab.proc import Server, free_port, listening
from tests.lab.user import Dev

CHECKOUT = Path(__file__).parents[2]
GROUP = "/apis/tilt.dev/v1alpha1"
RESOURCE = "kubefwd:run"
HEADLESS = {
    "TILT_DISABLE_ANALYTICS": "1",
    "TILT_CLOUD_ADDRESS": "localhost:1",
    "TILT_WEB_MODE": "prod",
}


def extension(folder: Path = CHECKOUT, **arguments: object) -> str:
    """Return the two lines of a Tiltfile that load the extension from a folder.

    Arguments become `--name=value`; a list is repeated, True and False are spelled as Tilt does.
    """
    words = [
        f"--{name}={str(each).lower() if isinstance(each, bool) else each}"
        for name, value in arguments.items()
        for each in (value if isinstance(value, (list, tuple)) else [value])
    ]
    return (
        f"v1alpha1.extension_repo(name='kubefwd', url='file://{folder}')\n"
        "v1alpha1.extension(name='kubefwd:config', repo_name='kubefwd', repo_path='.',"
        f" args={words!r})\n"
    )


class Tilt:
    """One project folder of the developer's, and the Tilt that is up in it."""

    def __init__(
        self,
        dev: Dev,
        folder: Path,
        logs: Path,
        kubeconfig: Path,
        *,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.dev, self.folder, self.kubeconfig = dev, folder, kubeconfig
        self.port = port or free_port()
        self.log = logs / f"tilt-{self.port}.log"
        self._env = {**HEADLESS, "KUBECONFIG": str(kubeconfig), **(env or {})}
        self._server: Server | None = None
        self._api: Api | None = None  # of the last run: port and token change at each start
        self._before = 0  # length of the log when this run began
        self._asked = 0  # how often the password had been asked for by then

    # --- life ------------------------------------------------------------------------------

    @property
    def context(self) -> str:
        """The name of its entry in Tilt's kubeconfig."""
        return "tilt-default" if self.port == 10350 else f"tilt-{self.port}"

    @property
    def home(self) -> Path:
        """The home of whoever runs it, where it keeps its kubeconfig and certificates."""
        return self.dev.home

    @property
    def instance(self) -> str:
        """The operator's instance id under this Tilt."""
        return f"tilt-{self.port}"

    @property
    def url(self) -> str:
        """The address of its page."""
        return f"http://localhost:{self.port}/"

    @property
    def pid(self) -> int:
        """The process id of `tilt up`."""
        return self._running().pid

    def _running(self) -> Server:
        if self._server is None:
            raise RuntimeError("this Tilt is not up")
        return self._server

    def start(self, *arguments: str) -> "Tilt":
        """`tilt up`; return when its apiserver answers (the Tiltfile may still be loading)."""
        self._begin("up", "--stream", *arguments).wait_healthy(self._answers)
        return self

    def ci(self, *arguments: str) -> "Tilt":
        """`tilt ci`, which ends by itself: see `exited`."""
        self._begin("ci", *arguments)
        return self

    def _begin(self, *arguments: str) -> Server:
        self._before, self._asked = len(self.output), self.dev.prompts
        command = [tools.tilt_path(), *arguments, "--port", str(self.port)]
        self._server = self.dev.serve("tilt", command, self.log, env=self._env, folder=self.folder)
        return self._server

    def _answers(self) -> bool:
        api = from_kubeconfig(self._config, self.context)
        if api is None or not api.ok("/readyz") or not listening(self.port):
            return False
        self._api = api  # the file is rewritten in place when another Tilt starts
        return True

    @property
    def _config(self) -> Path:
        return self.dev.home / ".tilt-dev" / "config"

    def stop(self, grace: float = 15.0) -> int | None:
        """SIGTERM, as Ctrl-C does; return its exit code (None: it was not up)."""
        server, self._server = self._server, None
        return server.stop(grace) if server else None

    def kill(self) -> None:
        """SIGKILL: Tilt cannot end its children."""
        server, self._server = self._server, None
        if server:
            server.kill()

    def exited(self, within: float = 60.0) -> int:
        """Wait until Tilt has ended by itself; return its exit code."""
        code = self._running().wait_exited(within)
        self._server = None
        return code

    @property
    def prompts(self) -> int:
        """How often the password was asked for since this run began."""
        return self.dev.prompts - self._asked

    # --- its other commands ----------------------------------------------------------------

    def run(self, *arguments: str, check: bool = True, timeout: float = 60) -> str:
        """Run `tilt ARGUMENTS` in the project's folder against this Tilt; return its output."""
        env = {**self._env, "TILT_PORT": str(self.port)}
        command = [tools.tilt_path(), *arguments]
        ran = self.dev.run(*command, env=env, folder=self.folder, check=check, timeout=timeout)
        return ran.stdout + ran.stderr

    def down(self) -> str:
        """`tilt down`: deletes from the cluster what the Tiltfile deploys."""
        return self.run("down")

    def write(self, path: str, text: str) -> Path:
        """Write a file of the project; Tilt reloads when it is a Tiltfile.

        Wait for something that Tilt has deployed before: with its first load it replaces its file
        watches (filewatch/controller.go), and a change around then may go unnoticed (seen).
        """
        return self.dev.write(self.folder / path, text)

    @property
    def tiltfile(self) -> str:
        """The text of its Tiltfile."""
        return (self.folder / "Tiltfile").read_text()

    def add(self, text: str) -> None:
        """Write more at the end of the Tiltfile."""
        self.write("Tiltfile", self.tiltfile + text)

    # --- what it says ----------------------------------------------------------------------

    @property
    def output(self) -> str:
        """Everything that every run of it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def run_output(self) -> str:
        """What this run has written so far."""
        return self.output[self._before :]

    def wait_log(self, text: str, timeout: float = 60.0) -> str:
        """Wait for a text in the log of this run; return the log."""

        def said() -> str:
            assert text in self.run_output, f"{text!r} is not in:\n{self.run_output[-3000:]}"
            return self.run_output

        return eventually(said, timeout)

    # --- its objects -----------------------------------------------------------------------

    @property
    def api(self) -> Api:
        """Return the client of its apiserver; raise ApiError before its first start."""
        if self._api is None:
            raise ApiError(0, f"Tilt on port {self.port} was never up")
        return self._api

    def get(self, plural: str, name: str) -> Json:
        """Return one object of Tilt's (`get("uiresources", "kubefwd:run")`)."""
        return self.api.get(f"{GROUP}/{plural}/{quote(name)}")

    def list(self, plural: str) -> Sequence[Json]:
        """Return all objects of a kind."""
        return self.api.items(f"{GROUP}/{plural}")

    def status(self) -> Json:
        """Return the operator's status.json; raise while there is none."""
        data: Json = json.loads(self.get("configmaps", "kubefwd:status")["data"]["status.json"])
        return data

    def wait_status(self, fits: Callable[[Json], Any], timeout: float = 60.0) -> Json:
        """Wait for a status that fits; the error shows the last one and the end of the log."""

        def fitting() -> Json:
            status = self.status()
            assert fits(status), f"does not fit: {json.dumps(status, indent=1)[:4000]}"
            return status

        try:
            return eventually(fitting, timeout)
        except AssertionError as error:
            raise AssertionError(f"{error}\n--- {self.log} ---\n{self.output[-3000:]}") from None

    def click(self, button: str, **inputs: tuple[str, str]) -> None:
        """Click a button as the page does, by its status, with the browser's clock.

        Inputs by name, as (kind, value): `namespace=("text", "billing")`.
        """
        now = dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        path = f"{GROUP}/uibuttons/{quote(button)}/status"
        filled = [{"name": name, kind: {"value": text}} for name, (kind, text) in inputs.items()]
        self.api.merge(path, {"status": {"lastClickedAt": now, "inputs": filled}})

    def disable(self, resource: str) -> None:
        """Disable a resource that is enabled: Tilt deletes what it deployed.

        Returns when Tilt has logged it. It forgets in the same step that the resource was built
        (uiresources/reducers.go); enabled before that, it would deploy nothing.
        """
        logged = f'Resource "{resource}" disabled'
        before = self.run_output.count(logged)
        self.run("disable", resource)
        eventually(lambda: self.run_output.count(logged) > before)

    def enable(self, resource: str) -> None:
        """Enable a resource again."""
        self.run("enable", resource)

    def wait_deployed(self, resource: str, timeout: float = 60.0) -> None:
        """Wait until Tilt says that a resource is up to date and its pods are ready."""

        def deployed() -> bool:
            status = self.get("uiresources", resource)["status"]
            seen = (status.get("updateStatus"), status.get("runtimeStatus"))
            assert seen in {("ok", "ok"), ("ok", "not_applicable")}, (seen, self.run_output[-2000:])
            return True

        eventually(deployed, timeout)

    def operator_pid(self) -> int:
        """Return the process id of the operator (the serve_cmd of kubefwd:run)."""

        def running() -> int:
            for command in self.list("cmds"):
                annotations = command["metadata"].get("annotations", {})
                serves = annotations.get("tilt.dev/owner-kind") == "CmdServer"
                if serves and annotations.get("tilt.dev/resource") == RESOURCE:
                    return int((command.get("status", {}).get("running") or {}).get("pid", 0))
            return 0

        return eventually(running)
