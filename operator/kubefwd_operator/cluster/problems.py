"""From an error of the cluster to the Problem that the status shows. Pure."""

from kubefwd_operator.core.errors import (
    ClusterError,
    CredentialsError,
    CredentialsExpired,
    CredentialsUnsupported,
    Forbidden,
    NotFound,
)
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason


class InternalError(ClusterError):
    """Something that was not foreseen; the log has the traceback."""


_REASONS: tuple[tuple[type[ClusterError], Reason], ...] = (
    (CredentialsUnsupported, Reason.CREDENTIALS_UNSUPPORTED),
    (CredentialsExpired, Reason.CREDENTIALS_EXPIRED),
    (CredentialsError, Reason.CREDENTIALS_FAILED),
    (Forbidden, Reason.FORBIDDEN),
    (InternalError, Reason.INTERNAL_ERROR),
)


def problem_of(error: ClusterError) -> Problem:
    """Give the reason of an error, most special first, and its own words."""
    reason = next((reason for kind, reason in _REASONS if isinstance(error, kind)), None)
    return Problem(reason or Reason.CLUSTER_UNREACHABLE, str(error))


def whole_cluster(error: ClusterError) -> bool:
    """Tell whether an error of one list concerns the whole cluster."""
    return not isinstance(error, Forbidden | NotFound | InternalError)


def of_namespace(
    name: str,
    *,
    services: ClusterError | None,
    slices: ClusterError | None,
    pods: ClusterError | None,
    missing: bool,
) -> Problem | None:
    """Judge the errors of one namespace's lists; those of the whole cluster are not its own."""
    services, slices, pods = (
        None if error is None or whole_cluster(error) else error
        for error in (services, slices, pods)
    )
    if services:
        return problem_of(services)
    if slices and pods:
        return Problem(problem_of(slices).reason, f"{slices} Nor pods, which would do: {pods}")
    if slices and not isinstance(slices, NotFound):  # an old cluster knows none: nothing to remedy
        return Problem(
            problem_of(slices).reason,
            f"{slices} Until then pods are looked up by each service's selector, which works.",
        )
    if missing:
        return Problem(
            Reason.NAMESPACE_NOT_FOUND,
            f"The cluster has no namespace {name!r}: create it, or correct its name. It is picked "
            "up when it appears.",
        )
    return None
