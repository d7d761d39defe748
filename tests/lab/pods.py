"""The cluster's pods, for tests: their backends, their readiness, waiting for them."""

import sys
from pathlib import Path
from typing import Any

import httpx
from tests.lab.api import Api, Json
from tests.lab.endpoint import Endpoint
from tests.lab.proc import Server, wait_for

CHECKOUT = Path(__file__).parents[2]


class Pods:
    """What tests do with pods, and the process that answers in them."""

    def __init__(self, api: Api, endpoint: Endpoint, control_port: int) -> None:
        self._api, self._endpoint = api, endpoint
        self._control = f"http://127.0.0.1:{control_port}"

    def start_backends(self, folder: Path, logs: Path) -> Server:
        """Start the process of all backends of this cluster (`backends.py`)."""
        return Server(
            "backends",
            [
                *(sys.executable, "-m", "tests.lab.backends"),
                *("--server", self._api.server, "--ca", folder / "pki" / "ca.crt"),
                *("--token", self._api.token, "--endpoint", self._endpoint.url),
                *("--control", self._control.rsplit(":", 1)[1]),
            ],
            logs / "backends.log",
            folder=CHECKOUT,
        )

    def backends_are_up(self) -> bool:
        """Say whether the backends' process answers."""
        try:
            self.backends()
        except httpx.TransportError:
            return False
        return True

    def backends(self) -> dict[str, Json]:
        """Return `NAMESPACE/POD:PORT` -> kind, address, uid, connections, open, requests."""
        with httpx.Client(trust_env=False, timeout=10) as client:
            found: dict[str, Json] = client.get(self._control).raise_for_status().json()
            return found

    def find(self, namespace: str, selector: str = "") -> list[Json]:
        """Return the pods of a namespace (with `app=web`, say)."""
        query = f"?labelSelector={selector}" if selector else ""
        return self._api.items(f"/api/v1/namespaces/{namespace}/pods{query}")

    def names(self, namespace: str, selector: str = "") -> list[str]:
        """Return the names of the pods of a namespace."""
        return [pod["metadata"]["name"] for pod in self.find(namespace, selector)]

    def wait_ready(self, namespace: str, count: int = 1, selector: str = "") -> list[str]:
        """Wait for exactly `count` pods, all Ready and with a backend; return their names."""

        def ready() -> list[str]:
            pods = self.find(namespace, selector)
            backed = {key.rsplit(":", 1)[0] for key in self.backends()}
            names = [pod["metadata"]["name"] for pod in pods if is_ready(pod)]
            fine = [name for name in names if f"{namespace}/{name}" in backed]
            return fine if len(fine) == count == len(pods) else []

        return wait_for(ready, f"{count} pods are ready in {namespace} {selector}")

    def set_ready(self, namespace: str, pod: str, *, ready: bool) -> None:
        """Change the readiness of a pod, as a readiness probe would."""
        status = "True" if ready else "False"
        conditions = [{"type": kind, "status": status} for kind in ("Ready", "ContainersReady")]
        self.patch_status(namespace, pod, {"conditions": conditions})

    def patch_status(self, namespace: str, pod: str, status: dict[str, Any]) -> None:
        """Strategic-merge-patch the status of a pod (conditions merge by their type)."""
        answer = self._api.request(
            "PATCH",
            f"/api/v1/namespaces/{namespace}/pods/{pod}/status",
            {"status": status},
            "application/strategic-merge-patch+json",
        )
        answer.raise_for_status()


def is_ready(pod: Json) -> bool:
    """Say whether the pod's Ready condition is True and it is not being deleted."""
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True" and "deletionTimestamp" not in pod["metadata"]
