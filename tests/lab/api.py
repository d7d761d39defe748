"""A Kubernetes-like API as JSON: the cluster's and Tilt's, for the lab and for assertions.

It is the lab's own client, so that a defect in the operator's client cannot hide itself.
"""

import base64
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import yaml

Json = dict[str, Any]


class ApiError(Exception):
    """The API answered with an error; `code` is the HTTP status (0: no answer at all)."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


@dataclass(frozen=True, slots=True)
class Api:
    """One API server, and who asks."""

    server: str
    ca: str  # PEM
    token: str

    def tls(self) -> ssl.SSLContext:
        """Return what a client of its own needs to trust the server."""
        context = ssl.create_default_context(cadata=self.ca)
        # Tilt's self-signed certificate lacks what 3.13's strictness asks for.
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT
        return context

    def request(
        self, method: str, path: str, body: object = None, kind: str = "application/json"
    ) -> httpx.Response:
        """Make one request; raise ApiError with code 0 when there is no answer."""
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": kind}
        try:
            with httpx.Client(verify=self.tls(), timeout=30, trust_env=False) as client:
                return client.request(method, self.server + path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise ApiError(0, f"{method} {path}: {error!r}") from error

    def _json(self, method: str, path: str, body: object = None, **more: str) -> Json:
        response = self.request(method, path, body, **more)
        if response.is_error:
            raise ApiError(response.status_code, f"{method} {path}: {response.text}")
        answer: Json = response.json()
        return answer

    def get(self, path: str) -> Json:
        """Return one object or list."""
        return self._json("GET", path)

    def items(self, path: str) -> list[Json]:
        """Return the objects of a list."""
        found: list[Json] = self.get(path).get("items") or []
        return found

    def create(self, path: str, body: Json) -> Json:
        """POST one object."""
        return self._json("POST", path, body)

    def merge(self, path: str, body: Json) -> Json:
        """Merge-patch one object (a path that ends in /status patches its status)."""
        return self._json("PATCH", path, body, kind="application/merge-patch+json")

    def put(self, path: str, body: Json) -> Json:
        """Replace one object, or its status, as it was read; 409 when it has changed since."""
        return self._json("PUT", path, body)

    def delete(self, path: str) -> None:
        """Delete one object; one that is not there is as good."""
        response = self.request("DELETE", path)
        if response.is_error and response.status_code != httpx.codes.NOT_FOUND:
            raise ApiError(response.status_code, response.text)

    def exists(self, path: str) -> bool:
        """Say whether it is there."""
        return self.request("GET", path).is_success

    def ok(self, path: str) -> bool:
        """Say whether a health address says exactly `ok`."""
        try:
            return self.request("GET", path).text == "ok"
        except ApiError:
            return False


def from_kubeconfig(file: Path, context: str) -> Api | None:
    """Return the API of a context with a token, or None while the file has no such context."""
    try:
        config = yaml.safe_load(file.read_text())
        named = {
            kind: {each["name"]: each[kind] for each in config[f"{kind}s"]}
            for kind in ("context", "cluster", "user")
        }
        chosen = named["context"][context]
        cluster, user = named["cluster"][chosen["cluster"]], named["user"][chosen["user"]]
        ca = base64.b64decode(cluster["certificate-authority-data"]).decode()
        return Api(cluster["server"], ca, user["token"])
    except (FileNotFoundError, yaml.YAMLError, LookupError, TypeError, ValueError):
        return None  # Tilt truncates in place, so any part of a file can be seen
