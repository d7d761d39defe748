"""What the measures share: a cluster with 250 services, and a Tilt that forwards.

The namespace `many` is in the cluster before anything is measured, so that only the product's time
counts: Tilt brings it in by deploying one ConfigMap into it. Its 250 services stand on 25 pods.
`shop` has one service and is always deployed.
"""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import psutil
from tests.bench.probe import Address, answers, listening, named, wait
from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.fixtures import Lab
from tests.lab.forwarding import HOSTS, end_helpers, helpers, is_ready, operators
from tests.lab.tilt import Tilt

MANY, SERVICES, PODS = "many", 250, 25
WEB: Address = ("web.shop", 80)
PORT = 8080  # in every pod
MARKER = f"""
k8s_yaml(blob('''
apiVersion: v1
kind: ConfigMap
metadata: {{name: marker, namespace: {MANY}}}
'''))
"""


def workload(namespace: str, name: str) -> Json:
    """Return a Deployment of one pod, which answers over HTTP."""
    container = {"name": "main", "image": "main", "ports": [{"containerPort": PORT}]}
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"selector": {"matchLabels": labels}, "template": template},
    }


def service(namespace: str, name: str, app: str) -> Json:
    """Return a Service on port 80."""
    spec = {"selector": {"app": app}, "ports": [{"port": 80, "targetPort": PORT}]}
    metadata = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def namespace(name: str) -> Json:
    """Return a Namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def addresses() -> list[Address]:
    """Return the 250 names with their port, by the name that no resolver is asked for."""
    return [(f"svc-{number}.{MANY}.svc", 80) for number in range(SERVICES)]


@dataclass(slots=True)
class Place:
    """The lab, and what stands on it by now."""

    lab: Lab
    hosts: bytes = field(default_factory=HOSTS.read_bytes)  # as it was before anything of ours
    _tilt: Tilt | None = None
    _filled: bool = False
    _shop: str = ""

    @property
    def cluster(self) -> Cluster:
        """The cluster."""
        return self.lab.cluster()

    def fill(self) -> None:
        """Put the namespace `many` into the cluster."""
        if self._filled:
            return
        pods = [workload(MANY, f"app-{number}") for number in range(PODS)]
        services = [
            service(MANY, f"svc-{number}", f"app-{number % PODS}") for number in range(SERVICES)
        ]
        self.cluster.apply(namespace(MANY), [*pods, *services])
        self.cluster.pods.wait_ready(MANY, PODS)
        self._filled = True

    def tilt(self, **arguments: object) -> Tilt:
        """Start a Tilt with the extension that deploys `shop`; it answers when this returns."""
        tilt = self.lab.tilt(name="bench")
        documents = [namespace("shop"), workload("shop", "web"), service("shop", "web", "web")]
        deployed = f"k8s_yaml(encode_yaml_stream({documents!r}))\nk8s_resource('web')\n"
        tilt.add(self.lab.extension(**arguments) + deployed)
        tilt.start()
        wait(lambda: answers(WEB), "web.shop answers")
        return tilt

    @property
    def shared(self) -> Tilt:
        """The Tilt that most measures share."""
        if self._tilt is None:
            self._tilt = self.tilt()
            self._shop = self._tilt.tiltfile
        return self._tilt

    def add_many(self) -> None:
        """Let Tilt deploy into `many`, unless it has; return when all is listening and named."""
        self.fill()
        self.shared.write("Tiltfile", self._shop + MARKER)
        self.wait_many()

    def wait_many(self) -> float:
        """Wait until all of `many` is listening and named; return the monotonic time."""
        wait(lambda: named(MANY) == SERVICES, "250 services are named")
        return wait(lambda: listening() >= SERVICES, "250 services are listening")

    def remove_many(self) -> None:
        """Take `many` out of the Tiltfile; return when all of its names are gone."""
        self.shared.write("Tiltfile", self._shop)
        wait(lambda: not named(MANY) and listening() < SERVICES, "many is gone", 0.05)
        wait(lambda: is_ready(self.shared.status()), "all is well", 0.05)

    def stop_shared(self) -> None:
        """Stop the shared Tilt; the next use starts another."""
        if self._tilt is not None:
            stop(self._tilt)
            self._tilt = None


def deployed_at(tilt: Tilt, name: str) -> float:
    """Return when (epoch) Tilt had last deployed something into a namespace; raise LookupError."""
    for applied in tilt.list("kubernetesapplys"):
        status = applied.get("status", {})
        if f"namespace: {name}" in status.get("resultYAML", ""):
            return dt.datetime.fromisoformat(status["lastApplyTime"]).timestamp()
    raise LookupError(f"Tilt has deployed nothing into {name}")


def only_operator() -> psutil.Process:
    """Return the operator that runs."""
    (found,) = operators()
    return found


def stop(tilt: Tilt) -> None:
    """Stop a Tilt, and what lingers after it."""
    tilt.stop()
    end_helpers()
    wait(lambda: not helpers() and not operators(), "nothing of ours runs", 0.05)


@contextmanager
def forwarding(place: Place, **arguments: object) -> Iterator[Tilt]:
    """Run a Tilt of one measure's own, meanwhile."""
    tilt = place.tilt(**arguments)
    try:
        yield tilt
    finally:
        stop(tilt)
