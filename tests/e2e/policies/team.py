"""What a team writes into the cluster, and the kind that it takes."""

from pathlib import Path
from typing import Any

from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.proc import wait_for
from tests.lab.tilt import Tilt

CRDS = Path(__file__).parents[3] / "crds"
PATH = "/apis/kubefwd-operator.dev/v1alpha1"


def install(cluster: Cluster) -> None:
    """Install the kind as the README says."""
    cluster.kubectl("apply", "-f", str(CRDS))
    wait_for(lambda: cluster.api.exists(f"{PATH}/forwardpolicies"), "the kind is served")


def policy(namespace: str, name: str = "team", **spec: object) -> Json:
    """A ForwardPolicy."""
    return {
        "apiVersion": "kubefwd-operator.dev/v1alpha1",
        "kind": "ForwardPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": spec,
    }


def service(name: str, **more: object) -> dict[str, Any]:
    """What a policy says of one service, as its spec."""
    return {"services": [{"name": name, **more}]}


def drop(cluster: Cluster, namespace: str, name: str = "team") -> None:
    """Take a policy away."""
    cluster.api.delete(f"{PATH}/namespaces/{namespace}/forwardpolicies/{name}")


def wait_told(tilt: Tilt, item: str, reason: str) -> str:
    """Wait until the status says that of an object; return the sentence."""

    def rows(status: Json) -> list[str]:
        fits = (item, reason)
        return [
            row["message"] for row in status["policies"] if (row["object"], row["reason"]) == fits
        ]

    return rows(tilt.wait_status(rows))[0]
