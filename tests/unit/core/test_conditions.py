"""Conditions: four judgements, each with a reason and what to do."""

import pytest
from tests.unit.core.situations import (
    being,
    broken,
    problem,
    row,
    seen,
    status,
    wish,
)

from kubefwd_operator.core.conditions import GLOBAL, Seen, Truth
from kubefwd_operator.core.model import AuthorityState
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import State

WEB = row("web.a")


@pytest.mark.parametrize(
    "kind, now, truth, reason",
    [
        pytest.param("HelperReady", seen(WEB), Truth.TRUE, Reason.READY, id="helper there"),
        pytest.param(
            "HelperReady",
            seen(authority=being(AuthorityState.WAITING)),
            Truth.FALSE,
            Reason.WAITING_FOR_AUTHORIZATION,
            id="helper waited for",
        ),
        pytest.param(
            "HelperReady",
            seen(authority=being(AuthorityState.DENIED)),
            Truth.FALSE,
            Reason.AUTHORIZATION_DENIED,
            id="helper denied",
        ),
        pytest.param(
            "HelperReady",
            seen(authority=being(AuthorityState.LOST)),
            Truth.FALSE,
            Reason.AUTHORIZATION_LOST,
            id="helper lost",
        ),
        pytest.param(
            "HelperReady",
            seen(WEB, engine=(problem(Reason.HOSTS_NOT_WRITABLE),)),
            Truth.FALSE,
            Reason.HOSTS_NOT_WRITABLE,
            id="helper cannot write names",
        ),
        pytest.param("ClusterReachable", seen(WEB), Truth.TRUE, Reason.READY, id="cluster answers"),
        pytest.param(
            "ClusterReachable",
            seen(a=broken(Reason.FORBIDDEN)),
            Truth.TRUE,
            Reason.READY,
            id="a cluster that refuses answers",
        ),
        pytest.param(
            "ClusterReachable", seen(), Truth.UNKNOWN, Reason.STARTING, id="cluster not yet asked"
        ),
        pytest.param(
            "ClusterReachable",
            seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE)),
            Truth.FALSE,
            Reason.CLUSTER_UNREACHABLE,
            id="cluster gone",
        ),
        pytest.param("NamespacesSynced", seen(WEB), Truth.TRUE, Reason.READY, id="read"),
        pytest.param("NamespacesSynced", seen(), Truth.FALSE, Reason.SYNCING, id="being read"),
        pytest.param(
            "NamespacesSynced",
            seen(a=broken(Reason.FORBIDDEN)),
            Truth.FALSE,
            Reason.FORBIDDEN,
            id="forbidden",
        ),
        pytest.param("Degraded", seen(WEB), Truth.FALSE, Reason.READY, id="nothing wrong"),
        pytest.param(
            "Degraded",
            seen(row("web.a", Reason.NAME_TAKEN)),
            Truth.TRUE,
            Reason.NAME_TAKEN,
            id="a name taken",
        ),
        pytest.param(
            "Degraded",
            seen(row("web.a", Reason.NAME_ELSEWHERE)),
            Truth.FALSE,
            Reason.READY,
            id="a notice",
        ),
        pytest.param(
            "Degraded",
            seen(row("web.a", Reason.WAITING_FOR_AUTHORIZATION)),
            Truth.FALSE,
            Reason.READY,
            id="what concerns all is not told per service",
        ),
    ],
)
def test_conditions(kind: str, now: Seen, truth: Truth, reason: Reason) -> None:
    condition = status(wish("a"), now).condition(kind)
    assert (condition.status, condition.reason) == (truth, reason)
    assert condition.message


def test_no_namespace_is_no_reason_to_wait_for_the_cluster() -> None:
    result = status(wish(), seen())
    assert result.condition("ClusterReachable").status is Truth.UNKNOWN
    assert result.state is State.READY


def test_many_faults_are_told_in_part() -> None:
    rows = [row(f"s{number}.a", Reason.PORT_TAKEN) for number in range(9)]
    message = status(wish("a"), seen(*rows)).condition("Degraded").message
    assert message.count("PortTaken") == 5
    assert "And 4 more" in message


def test_every_global_reason_is_a_state_or_within_one() -> None:
    within = {Reason.HELPER_UNAVAILABLE}
    assert {reason.value for reason in GLOBAL - within} <= {state.value for state in State}
