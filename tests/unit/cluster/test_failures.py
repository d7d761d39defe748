"""What is said when the cluster fails, as tables."""

import pytest

from kubefwd_operator.cluster.failures import Asked, Gone, host_of, of_dial, of_status
from kubefwd_operator.cluster.problems import InternalError, of_namespace, problem_of, whole_cluster
from kubefwd_operator.core import errors
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason

SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"

ASKED = {
    "list": ("/api/v1/namespaces/shop/services", {}, Asked("list", "services", "shop")),
    "watch": (
        "/api/v1/namespaces/shop/services",
        {"watch": "true"},
        Asked("watch", "services", "shop"),
    ),
    "get": ("/api/v1/namespaces/shop/services/web", {}, Asked("get", "services", "shop")),
    "sub-resource": (
        "/api/v1/namespaces/shop/pods/web-1/portforward",
        {},
        Asked("get", "pods/portforward", "shop"),
    ),
    "group": (SLICES, {}, Asked("list", "endpointslices.discovery.k8s.io", "shop")),
    "namespace itself": ("/api/v1/namespaces/shop", {}, Asked("get", "namespaces")),
    "namespaces": ("/api/v1/namespaces", {}, Asked("list", "namespaces")),
    "something else": ("/version", {}, Asked("get", "/version")),
}


@pytest.mark.parametrize("path, query, expected", ASKED.values(), ids=ASKED)
def test_what_was_asked(path: str, query: dict[str, str], expected: Asked) -> None:
    assert Asked.of(path, query) == expected


CAN_I = {
    "list": (
        Asked("list", "services", "shop"),
        "dev",
        "kubectl auth can-i list services --namespace shop --context dev",
    ),
    "sub-resource": (
        Asked("get", "pods/portforward", "shop"),
        "dev",
        "kubectl auth can-i get pods --subresource=portforward --namespace shop --context dev",
    ),
    "a context with a space is quoted": (
        Asked("list", "services"),
        "my dev",
        "kubectl auth can-i list services --context 'my dev'",
    ),
}


@pytest.mark.parametrize("asked, context, expected", CAN_I.values(), ids=CAN_I)
def test_the_command_to_check_with(asked: Asked, context: str, expected: str) -> None:
    assert asked.can_i(context) == expected


STATUSES = {
    400: (errors.ClusterError, "400 Bad Request"),
    403: (errors.Forbidden, "does not let you list services in namespace 'shop'"),
    404: (errors.NotFound, "no such services"),
    410: (Gone, "list again"),
    429: (errors.ClusterUnreachable, "429 Too Many Requests"),
    500: (errors.ClusterUnreachable, "500 Internal Server Error"),
    503: (errors.ClusterUnreachable, "503 Service Unavailable"),
    599: (errors.ClusterUnreachable, "599"),
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status(status: int) -> None:
    kind, words = STATUSES[status]
    error = of_status(status, Asked("list", "services", "shop"), context="dev", host="k8s:6443")
    assert type(error) is kind
    assert words in str(error)


DIALS = {
    400: errors.DialError,
    403: errors.Forbidden,
    404: errors.NotFound,
    429: errors.ClusterUnreachable,
    500: errors.DialError,
    502: errors.DialError,
}


@pytest.mark.parametrize("status", DIALS)
def test_a_refused_dial(status: int) -> None:
    asked = Asked("get", "pods/portforward", "shop")
    assert type(of_dial(status, asked, context="dev", host="k8s")) is DIALS[status]


@pytest.mark.parametrize(
    "server, expected",
    [
        ("https://k8s:6443", "k8s:6443"),
        ("https://user:hush@k8s/prefix", "k8s"),
        ("https://[::1]:6443", "[::1]:6443"),
    ],
)
def test_the_server_in_a_message(server: str, expected: str) -> None:
    assert host_of(server) == expected


PROBLEMS = {
    "unreachable": (errors.ClusterUnreachable("x"), Reason.CLUSTER_UNREACHABLE, True),
    "anything else": (errors.ClusterError("x"), Reason.CLUSTER_UNREACHABLE, True),
    "credentials": (errors.CredentialsError("x"), Reason.CREDENTIALS_FAILED, True),
    "expired": (errors.CredentialsExpired("x"), Reason.CREDENTIALS_EXPIRED, True),
    "unsupported": (errors.CredentialsUnsupported("x"), Reason.CREDENTIALS_UNSUPPORTED, True),
    "forbidden": (errors.Forbidden("x"), Reason.FORBIDDEN, False),
    "internal": (InternalError("x"), Reason.INTERNAL_ERROR, False),
}


@pytest.mark.parametrize("error, reason, whole", PROBLEMS.values(), ids=PROBLEMS)
def test_the_reason_of_an_error(error: errors.ClusterError, reason: Reason, whole: bool) -> None:
    assert problem_of(error) == Problem(reason, "x")
    assert whole_cluster(error) is whole


NO, DOWN, OLD = errors.Forbidden("No."), errors.ClusterUnreachable("Down."), errors.NotFound("404.")

NAMESPACES = {
    "all is well": ((None, None, None, False), None, ""),
    "services forbidden": ((NO, None, None, False), Reason.FORBIDDEN, "No."),
    "services forbidden counts more": ((NO, NO, NO, True), Reason.FORBIDDEN, "No."),
    "slices forbidden": ((None, NO, None, False), Reason.FORBIDDEN, "which works"),
    "slices and pods forbidden": ((None, NO, NO, False), Reason.FORBIDDEN, "Nor pods"),
    "slices unknown to an old cluster, pods do": ((None, OLD, None, False), None, ""),
    "slices unknown and pods forbidden": (
        (None, OLD, NO, False),
        Reason.CLUSTER_UNREACHABLE,
        "Nor pods",
    ),
    "the cluster's own trouble is not the namespace's": ((DOWN, DOWN, DOWN, False), None, ""),
    "missing": ((None, None, None, True), Reason.NAMESPACE_NOT_FOUND, "no namespace 'shop'"),
}


@pytest.mark.parametrize("state, reason, words", NAMESPACES.values(), ids=NAMESPACES)
def test_the_problem_of_a_namespace(
    state: tuple[
        errors.ClusterError | None, errors.ClusterError | None, errors.ClusterError | None, bool
    ],
    reason: Reason | None,
    words: str,
) -> None:
    services, slices, pods, missing = state
    found = of_namespace("shop", services=services, slices=slices, pods=pods, missing=missing)
    assert (found and found.reason) == reason
    assert words in (found.message if found else "")
