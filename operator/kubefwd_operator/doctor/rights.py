"""What the developer may do in a namespace, as the cluster's own RBAC answers.

A 403 on endpointslices is lived with where pods can be listed (they are picked by selector then).
WebSockets to a pod are a `get` of pods/portforward; kubefwd's are a `create`, which Kubernetes 1.35
and newer ask for WebSockets as well (AuthorizePodWebsocketUpgradeCreatePermission).
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from kubefwd_operator.cluster.failures import Asked
from kubefwd_operator.doctor.finding import Finding, Level, ok

REVIEWS = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

_SERVICES, _SLICES = "services", "endpointslices.discovery.k8s.io"
_PODS, _FORWARD = "pods", "pods/portforward"


@dataclass(frozen=True, slots=True)
class Right:
    """One verb on one resource, spelled as in `failures.Asked`."""

    verb: str
    resource: str

    def review(self, namespace: str) -> dict[str, Any]:
        """Make the question for the cluster."""
        name, _, sub = self.resource.partition("/")
        resource, _, group = name.partition(".")
        attributes = {"namespace": namespace, "verb": self.verb, "group": group,
                      "resource": resource, "subresource": sub}  # fmt: skip
        return {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": attributes},
        }


RIGHTS = (
    Right("list", _SERVICES),
    Right("watch", _SERVICES),
    Right("list", _SLICES),
    Right("watch", _SLICES),
    Right("list", _PODS),
    Right("watch", _PODS),
    Right("get", _FORWARD),
    Right("create", _FORWARD),
)


def judge_rights(
    namespace: str, denied: Collection[Right], *, context: str, engine: str = ""
) -> list[Finding]:
    """Judge what is denied in a namespace; `engine` is the one that forwards, if any."""
    verbs = {
        resource: [right.verb for right in RIGHTS if right in denied and right.resource == resource]
        for resource in (_SERVICES, _SLICES, _PODS, _FORWARD)
    }
    levels = {
        _SERVICES: Level.FAIL,
        _SLICES: Level.FAIL if verbs[_PODS] else Level.WARN,
        _FORWARD: _forwarding(verbs[_FORWARD], engine),
    }
    found = [
        _denied(namespace, resource, verbs[resource], level, context)
        for resource, level in levels.items()
        if verbs[resource]
    ]
    allowed = f"In {namespace} you may list services and endpointslices and forward to pods."
    return found or [ok(allowed)]


def _forwarding(verbs: list[str], engine: str) -> Level:
    """One verb of the two is enough for one engine on some version of Kubernetes."""
    needed = "create" if engine == "kubefwd" else "get"
    return Level.FAIL if needed in verbs else Level.WARN


_NOTES = {
    (_SLICES, Level.WARN): ": pods are picked by the services' selectors instead",
    (_FORWARD, Level.WARN): ": an engine, or a newer Kubernetes, may need it",
}


def _denied(namespace: str, resource: str, verbs: list[str], level: Level, context: str) -> Finding:
    words = " and ".join(verbs)
    note = _NOTES.get((resource, level), "")
    check = Asked(verbs[0], resource, namespace).can_i(context)
    return Finding(
        level,
        f"In {namespace} you may not {words} {resource}{note}.",
        f"Ask whoever runs the cluster for {words} on {resource} there. Check with: {check}",
    )
