"""An exec credential plugin of the lab's own, that counts its calls and fails when told.

plugin = ExecPlugin(dev, cluster)
config = cluster.write_kubeconfig(..., credentials=plugin.user)
plugin.fail("login expired"); ...; plugin.work(); assert plugin.calls == 3
"""

import datetime as dt
import json
from dataclasses import dataclass
from pathlib import Path

from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.user import Dev

API = "client.authentication.k8s.io/v1"
SCRIPT = """#!/bin/sh
echo called >> "{folder}/calls"
if [ -e "{folder}/sleep" ]; then sleep "$(cat "{folder}/sleep")"; fi
if [ -e "{folder}/fails" ]; then cat "{folder}/fails" >&2; exit 1; fi
cat "{folder}/credential"
"""


@dataclass(frozen=True, slots=True)
class ExecPlugin:
    """One plugin in a folder of the developer's; it works from the start."""

    dev: Dev
    cluster: Cluster
    name: str = "plugin"

    def __post_init__(self) -> None:
        self.dev.write(f"{self.name}/plugin", SCRIPT.format(folder=self._folder), mode=0o755)
        self.give()

    @property
    def _folder(self) -> Path:
        return self.dev.home / self.name

    @property
    def user(self) -> Json:
        """The `user:` part of a kubeconfig that runs it."""
        command = str(self._folder / "plugin")
        interactive = {"interactiveMode": "Never"}
        return {"exec": {"apiVersion": API, "command": command, **interactive}}

    @property
    def calls(self) -> int:
        """How often it was run so far."""
        file = self._folder / "calls"
        return len(file.read_text().splitlines()) if file.exists() else 0

    def give(
        self, *, user: str = "admin", token: str | None = None, expires_in: float | None = None
    ) -> None:
        """Let it answer with a token of that user (or that very token), until so many seconds."""
        status = {"token": token or self.cluster.token(user)}
        if expires_in is not None:
            expiry = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=expires_in)
            status["expirationTimestamp"] = expiry.strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = {"apiVersion": API, "kind": "ExecCredential", "status": status}
        self.dev.write(f"{self.name}/credential", json.dumps(answer))

    def fail(self, words: str) -> None:
        """Let it fail with these words on stderr."""
        self.dev.write(f"{self.name}/fails", words + "\n")

    def hang(self, seconds: float) -> None:
        """Let every call take that long first; 0 ends it."""
        self.dev.write(f"{self.name}/sleep", str(seconds))

    def work(self) -> None:
        """Let it answer again."""
        (self._folder / "fails").unlink(missing_ok=True)
