"""Why a service's pods cannot answer, read off raw Pods. Pure.

A connection to pods that will not come up must be reset at once instead of being held. That is so
when there are pods and a container of every one of them waits for a reason that time alone does
not cure.
"""

from collections.abc import Iterable, Mapping
from typing import Any

FAILING = frozenset(
    {
        "CrashLoopBackOff",
        "ImagePullBackOff",
        "ErrImagePull",
        "ErrImageNeverPull",
        "ErrInvalidImageName",
        "InvalidImageName",
        "ImageInspectError",
        "RegistryUnavailable",
        "CreateContainerConfigError",
        "CreateContainerError",
        "RunContainerError",
        "PreStartHookError",
        "PostStartHookError",
    }
)


def failing(pods: Iterable[Mapping[str, Any]]) -> str:
    """Give the reason when there are pods and every one of them fails, else ""."""
    reasons = [_reason(pod) for pod in pods if _counts(pod)]
    return reasons[0] if reasons and all(reasons) else ""


def _counts(pod: Mapping[str, Any]) -> bool:
    """Leave out pods that are on their way out or have ended."""
    ended = (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    return not ended and not pod["metadata"].get("deletionTimestamp")


def _reason(pod: Mapping[str, Any]) -> str:
    status = pod.get("status") or {}
    for kind in ("initContainerStatuses", "containerStatuses"):
        for container in status.get(kind) or ():
            waiting = (container.get("state") or {}).get("waiting") or {}
            if waiting.get("reason") in FAILING:
                return str(waiting["reason"])
    return ""
