"""A kubectl exec plugin of the lab's own: counts its calls, and does as it is told.

As a module it is the handle: `ExecPlugin(folder)` tells it what to do and reads what it was asked.
As a program (standard library only, so that any Python and any user can run it) it is the plugin.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

V1 = "client.authentication.k8s.io/v1"


class ExecPlugin:
    """The handle of one plugin, whose orders and calls are files in `folder`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(0o777)  # it is run as another user
        self.folder = folder
        self._orders, self._calls = folder / "orders.json", folder / "calls.jsonl"
        self._calls.touch()
        self._calls.chmod(0o666)

    def user(
        self, api_version: str = V1, python: str = sys.executable, **more: object
    ) -> dict[str, Any]:
        """Spell the `user:` part of a kubeconfig that runs this plugin."""
        arguments = [str(Path(__file__).absolute()), str(self.folder)]
        told = {"apiVersion": api_version, "command": python, "args": arguments}
        return {"exec": {**told, "interactiveMode": "IfAvailable", **more}}

    def give_token(self, token: str, lives: float | None = None) -> None:
        """Give this token from now on, valid for `lives` seconds from each call."""
        self._order(status={"token": token}, lives=lives)

    def give_certificate(self, certificate: str, key: str, lives: float | None = None) -> None:
        """Give this client certificate (PEM) from now on."""
        status = {"clientCertificateData": certificate, "clientKeyData": key}
        self._order(status=status, lives=lives)

    def fail(self, message: str, code: int = 1) -> None:
        """Fail from now on, with these last words on stderr."""
        self._order(message=message, code=code)

    @property
    def calls(self) -> int:
        """How often it was run."""
        return len(self.asked())

    def asked(self) -> list[dict[str, Any]]:
        """The KUBERNETES_EXEC_INFO of each run, in order."""
        return [json.loads(line) for line in self._calls.read_text().splitlines()]

    def _order(self, **orders: object) -> None:
        fresh = self._orders.with_suffix(".new")
        fresh.write_text(json.dumps(orders))
        fresh.chmod(0o644)
        fresh.rename(self._orders)


def main(folder: Path, environment: Mapping[str, str]) -> int:
    """Be the plugin."""
    info = json.loads(environment["KUBERNETES_EXEC_INFO"])
    with (folder / "calls.jsonl").open("a") as calls:
        calls.write(json.dumps(info) + "\n")
    orders = json.loads((folder / "orders.json").read_text())
    if "message" in orders:
        sys.stderr.write(orders["message"] + "\n")
        return int(orders["code"])
    status = dict(orders["status"])
    if orders.get("lives") is not None:
        ends = datetime.now(UTC) + timedelta(seconds=orders["lives"])
        status["expirationTimestamp"] = ends.strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    answer = {"apiVersion": info["apiVersion"], "kind": "ExecCredential", "status": status}
    sys.stdout.write(json.dumps(answer))
    return 0


if __name__ == "__main__":
    import os

    sys.exit(main(Path(sys.argv[1]), os.environ))
