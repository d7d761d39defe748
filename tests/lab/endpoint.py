"""The lab's side of its port-forward endpoint: where each pod's bytes go, and what goes wrong."""

from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import quote

import httpx

Fault = Literal["", "refuse", "hang", "reset"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The control port of one endpoint (tools/lab/table.go)."""

    url: str

    def _request(self, method: str, key: str, body: object = None) -> httpx.Response:
        with httpx.Client(trust_env=False, timeout=10) as client:
            answer = client.request(method, f"{self.url}/{quote(key)}", json=body)
            return answer.raise_for_status()

    def table(self) -> dict[str, dict[str, Any]]:
        """Return `NAMESPACE/POD:PORT` -> address, fault, delayMs, opened, open."""
        found: dict[str, dict[str, Any]] = self._request("GET", "").json()
        return found

    def keys(self, namespace: str, pod: str, port: int | None = None) -> list[str]:
        """Return the keys of a pod that have a target now."""
        exact = f"{namespace}/{pod}:{port}" if port else f"{namespace}/{pod}"
        return [
            key
            for key in self.table()
            if key == exact or (not port and key.startswith(exact + ":"))
        ]

    def fault(
        self, namespace: str, pod: str, fault: Fault, port: int | None = None, delay: float = 0
    ) -> None:
        """Make port-forwards to a pod (or one port of it) fail, or wait `delay` seconds first.

        refuse: nothing listens in the pod. hang: no byte comes back. reset: the pod's side resets.
        An empty fault makes it well again. Raises KeyError for a pod that has no target.
        """
        found = self.keys(namespace, pod, port)
        if not found:
            raise KeyError(f"{namespace}/{pod}: the endpoint has no target for it")
        for key in found:
            body = {"address": self.table()[key]["address"], "fault": fault}
            self._request("PUT", key, {**body, "delayMs": int(delay * 1000)})

    def drop(self, namespace: str, pod: str) -> None:
        """End what is open to a pod, without a word on the error stream."""
        for key in self.keys(namespace, pod):
            self._request("POST", key)
