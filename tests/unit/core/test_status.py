"""Status: one word, four conditions and two tables, made of every situation there is."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.situations import (
    AUTHORIZED,
    KIND,
    LATER,
    NOON,
    PROCESS,
    broken,
    problem,
    read,
    row,
    seen,
    status,
    wish,
)

from kubefwd_operator.core.conditions import GLOBAL, Seen, Truth
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    CatalogSeen,
    Desired,
    NamespaceSeen,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.status import MAX_MESSAGE, State, unchanged

WEB = row("web.a")


def being(state: AuthorityState, reason: Reason | None = None) -> AuthoritySeen:
    return AuthoritySeen(state, problem(reason) if reason else None)


@pytest.mark.parametrize(
    "desired, now, state, says",
    [
        pytest.param(
            wish("a"), seen(WEB), State.READY, "1 service of 1 namespace.", id="all is well"
        ),
        pytest.param(
            wish("a", "b"),
            seen(WEB, row("web.b"), row("api.b")),
            State.READY,
            "3 services of 2 namespaces.",
            id="several",
        ),
        pytest.param(
            wish(), seen(), State.READY, "nothing that Tilt has deployed", id="nothing yet"
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", Reason.NO_ENDPOINTS, state=ServiceState.WAITING)),
            State.READY,
            "1 service",
            id="pods are not ours",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", Reason.POD_FAILING, state=ServiceState.FAILED)),
            State.READY,
            "1 service",
            id="crash loops are not ours",
        ),
        pytest.param(
            wish("a"),
            seen(
                WEB,
                row("ext.a", Reason.NOT_FORWARDABLE, state=ServiceState.NOT_FORWARDED, address=""),
            ),
            State.READY,
            "1 service of",
            id="what cannot be forwarded is not counted",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, row("x.a", Reason.SHADOWS_PUBLIC_NAME)),
            State.READY,
            "2",
            id="a notice",
        ),
        pytest.param(
            wish("a"),
            seen(
                row(
                    "web.a",
                    Reason.WAITING_FOR_AUTHORIZATION,
                    state=ServiceState.WAITING,
                    address="",
                )
            ),
            State.STARTING,
            "Opening 1 service",
            id="authorized, but the engine has not heard of it",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a"), a=read(row("web.a"), row("api.a"), row("db.a"))),
            State.STARTING,
            "Opening 2 services, first api.a.",
            id="the engine has not come to some",
        ),
        pytest.param(
            wish("default"),
            seen(default=read(row("kubernetes.default"))),
            State.READY,
            "nothing",
            id="the API server's own service is never forwarded",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", Reason.LIMIT_REACHED, state=ServiceState.WAITING, address="")),
            State.DEGRADED,
            "LimitReached",
            id="nameless for good",
        ),
        pytest.param(
            wish("a"),
            seen(authority=being(AuthorityState.ASKING)),
            State.STARTING,
            "Asking",
            id="asking",
        ),
        pytest.param(
            wish("a"), seen(a=NamespaceSeen()), State.STARTING, "Connecting", id="reading"
        ),
        pytest.param(
            wish("a", "b"),
            seen(WEB, b=NamespaceSeen()),
            State.STARTING,
            "services of b.",
            id="one more",
        ),
        pytest.param(
            wish("a", generation=2),
            seen(WEB),
            State.STARTING,
            "anew",
            id="a Refresh has not got there",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", state=ServiceState.WAITING, address="", ports=())),
            State.STARTING,
            "Opening 1 service, first web.a.",
            id="being opened",
        ),
        pytest.param(
            replace(wish("a"), cluster=None),
            seen(),
            State.STARTING,
            "Tilt is still",
            id="no connection yet",
        ),
        pytest.param(
            wish("a"),
            replace(seen(WEB), catalog=CatalogSeen()),
            State.STARTING,
            "Connecting to 'kind-dev'",
            id="the catalog has not begun",
        ),
        pytest.param(
            wish("a"),
            seen(authority=being(AuthorityState.WAITING)),
            State.WAITING_FOR_AUTHORIZATION,
            "kubefwd-operator authorize",
            id="waiting for authorization",
        ),
        pytest.param(
            wish("a"),
            seen(authority=being(AuthorityState.WAITING, Reason.AUTHORIZATION_DENIED)),
            State.WAITING_FOR_AUTHORIZATION,
            "What to do about AuthorizationDenied.",
            id="wrong password",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, authority=being(AuthorityState.LOST)),
            State.AUTHORIZATION_LOST,
            "click Refresh",
            id="helper gone",
        ),
        pytest.param(
            wish("a"),
            seen(authority=being(AuthorityState.SUPERSEDED)),
            State.SUPERSEDED,
            "Another operator",
            id="superseded",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, authority=replace(AUTHORIZED, problem=problem(Reason.HOSTS_NOT_WRITABLE))),
            State.HOSTS_NOT_WRITABLE,
            "What to do",
            id="hosts not writable, says the authority",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, engine=(problem(Reason.HOSTS_NOT_WRITABLE),)),
            State.HOSTS_NOT_WRITABLE,
            "What to do",
            id="hosts not writable, says the engine",
        ),
        pytest.param(
            Desired(),
            seen(others=(problem(Reason.NO_CLUSTER),)),
            State.NO_CLUSTER,
            "What to do",
            id="no cluster",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE)),
            State.CLUSTER_UNREACHABLE,
            "What to do",
            id="cluster unreachable",
        ),
        pytest.param(
            wish("a"),
            seen(a=NamespaceSeen(), unreadable=problem(Reason.CREDENTIALS_EXPIRED)),
            State.CREDENTIALS_EXPIRED,
            "What to do",
            id="credentials expired",
        ),
        pytest.param(
            wish("a"),
            seen(unreadable=problem(Reason.CREDENTIALS_UNSUPPORTED)),
            State.CREDENTIALS_UNSUPPORTED,
            "What to do",
            id="credentials unsupported",
        ),
        pytest.param(
            wish("a"),
            seen(unreadable=problem(Reason.CREDENTIALS_FAILED)),
            State.CREDENTIALS_FAILED,
            "What to do",
            id="credentials failed",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, engine=(problem(Reason.ENGINE_UNAVAILABLE),)),
            State.ENGINE_UNAVAILABLE,
            "What to do",
            id="engine unavailable",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, others=(problem(Reason.TILT_UNREACHABLE),)),
            State.TILT_UNREACHABLE,
            "What to do",
            id="Tilt unreachable",
        ),
        pytest.param(
            wish("a", "b"),
            seen(WEB, b=broken(Reason.FORBIDDEN)),
            State.DEGRADED,
            "namespace b: What to do about Forbidden.",
            id="403 on one namespace",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", Reason.PORT_TAKEN, state=ServiceState.FAILED)),
            State.DEGRADED,
            "web.a: What to do about PortTaken.",
            id="a port is taken",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", Reason.NAME_TAKEN)),
            State.DEGRADED,
            "web.a: ",
            id="a name is taken",
        ),
        pytest.param(
            wish("a"),
            seen(row("web.a", state=ServiceState.FAILED)),
            State.DEGRADED,
            "see the log",
            id="failed without a reason",
        ),
        pytest.param(
            wish("a"),
            seen(WEB, others=(problem(Reason.INTERNAL_ERROR),)),
            State.DEGRADED,
            "What to do about InternalError.",
            id="an error of ours",
        ),
        pytest.param(
            wish("a", source=Source.ARGUMENT),
            seen(a=broken(Reason.NAMESPACE_NOT_FOUND)),
            State.DEGRADED,
            "namespace a",
            id="an argument that does not exist",
        ),
        pytest.param(
            wish("a"),
            seen(a=broken(Reason.NAMESPACE_NOT_FOUND)),
            State.READY,
            "nothing",
            id="after tilt down",
        ),
    ],
)
def test_the_single_word(desired: Desired, now: Seen, state: State, says: str) -> None:
    result = status(desired, now)
    assert result.state == state
    assert says in result.message
    ready = result.condition("Ready")
    assert (ready.status, ready.reason) == (
        Truth.TRUE if state is State.READY else Truth.FALSE,
        state,
    )
    assert ready.message == result.message


EVERYTHING_WRONG = seen(
    row("web.a", Reason.PORT_TAKEN),
    authority=being(AuthorityState.WAITING),
    unreadable=problem(Reason.CLUSTER_UNREACHABLE),
    engine=(problem(Reason.ENGINE_UNAVAILABLE),),
    b=NamespaceSeen(),
)


@pytest.mark.parametrize(
    "now, state",
    [
        pytest.param(
            EVERYTHING_WRONG, State.WAITING_FOR_AUTHORIZATION, id="root before the cluster"
        ),
        pytest.param(
            replace(EVERYTHING_WRONG, authority=AUTHORIZED),
            State.CLUSTER_UNREACHABLE,
            id="then the cluster",
        ),
        pytest.param(
            replace(EVERYTHING_WRONG, authority=being(AuthorityState.SUPERSEDED)),
            State.SUPERSEDED,
            id="before all: superseded",
        ),
        pytest.param(
            replace(EVERYTHING_WRONG, problems=(problem(Reason.NO_CLUSTER),)),
            State.NO_CLUSTER,
            id="without a cluster nothing else matters",
        ),
        pytest.param(
            replace(seen(row("web.a", Reason.PORT_TAKEN), b=NamespaceSeen())),
            State.STARTING,
            id="starting first",
        ),
    ],
)
def test_of_several_states_the_first_is_shown(now: Seen, state: State) -> None:
    assert status(wish("a", "b"), now).state == state


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
            seen(authority=being(AuthorityState.WAITING, Reason.AUTHORIZATION_DENIED)),
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


def test_one_problem_leaves_the_rows_of_others_alone() -> None:
    result = status(wish("a", "b"), seen(row("web.a", Reason.PORT_TAKEN), row("web.b")))
    one, other = result.services
    assert (one.reason, one.message) == (Reason.PORT_TAKEN, "What to do about PortTaken.")
    assert (other.reason, other.message) == ("", "")


def test_a_row_gives_the_fault_before_notices_and_says_all() -> None:
    (service,) = status(
        wish("a"), seen(row("web.a", Reason.NAME_ELSEWHERE, Reason.PORT_TAKEN))
    ).services
    assert service.reason == Reason.PORT_TAKEN
    assert service.message == "What to do about PortTaken. What to do about NameElsewhere."


def test_rows_are_in_the_order_of_namespaces() -> None:
    now = seen(row("web.a"), row("web.gone"), row("web.b"), row("api.b"))
    result = status(wish("b", "a"), now)
    assert [service.key for service in result.services] == ["api.b", "web.b", "web.a", "web.gone"]
    assert [namespace.name for namespace in result.namespaces] == ["b", "a"]


@pytest.mark.parametrize(
    "namespace, ready, reason, says",
    [
        pytest.param(read(WEB), True, Reason.READY, "1 service", id="one"),
        pytest.param(read(WEB, row("api.a")), True, Reason.READY, "2 services", id="two"),
        pytest.param(NamespaceSeen(), False, Reason.SYNCING, "Reading", id="being read"),
        pytest.param(
            broken(Reason.FORBIDDEN), False, Reason.FORBIDDEN, "What to do", id="forbidden"
        ),
        pytest.param(
            replace(read(WEB), problem=problem(Reason.FORBIDDEN)),
            False,
            Reason.FORBIDDEN,
            "What to do",
            id="forbidden after it was read",
        ),
    ],
)
def test_namespace_rows(namespace: NamespaceSeen, ready: bool, reason: Reason, says: str) -> None:
    (shown,) = status(wish("a"), seen(a=namespace)).namespaces
    assert (shown.name, shown.source, shown.ready, shown.reason) == (
        "a",
        Source.TILT,
        ready,
        reason,
    )
    assert says in shown.message


def test_a_row_links_to_what_speaks_http() -> None:
    result = status(wish("a"), seen(row("web.a"), row("db.a", ports=(5432,))))
    assert [service.url for service in result.services] == ["", "http://web.a"]


def test_what_stands_beside() -> None:
    result = status(wish("a"), seen(WEB, generation=7))
    assert (result.generation, result.engine, result.cluster) == (7, "native", "kind-dev")
    assert (result.authorization, result.way) == (AuthorityState.AUTHORIZED, "sudo -A")
    assert result.process == PROCESS
    assert "sudo -A" in result.condition("HelperReady").message
    with pytest.raises(KeyError):
        result.condition("Nice")


def test_a_time_is_carried_over_while_the_status_of_its_condition_stays() -> None:
    waiting = status(wish("a"), seen(WEB, authority=being(AuthorityState.WAITING)))
    denied = being(AuthorityState.WAITING, Reason.AUTHORIZATION_DENIED)
    still = status(wish("a"), seen(WEB, authority=denied), waiting, LATER)
    assert still.condition("HelperReady").reason is Reason.AUTHORIZATION_DENIED
    assert still.condition("HelperReady").last_transition_time == NOON
    ready = status(wish("a"), seen(WEB), still, LATER)
    assert ready.condition("HelperReady").last_transition_time == LATER
    assert ready.condition("Ready").last_transition_time == LATER
    assert ready.condition("Degraded").last_transition_time == NOON


def test_the_same_situation_is_the_same_value_at_any_time() -> None:
    before = status(wish("a"), seen(WEB))
    assert status(wish("a"), seen(WEB), before, LATER) == before
    alone = status(wish("a"), seen(WEB), None, LATER)
    assert alone != before
    assert unchanged(alone, before)
    assert not unchanged(before, status(wish("a"), seen(row("web.a", ports=(81,))), before, LATER))


def test_an_endless_message_is_cut() -> None:
    endless = broken(Reason.FORBIDDEN, "x" * 10 * MAX_MESSAGE)
    result = status(wish("a"), seen(a=endless))
    texts = [result.message, *(c.message for c in result.conditions), result.namespaces[0].message]
    assert max(map(len, texts)) == MAX_MESSAGE
    assert result.namespaces[0].message.endswith("…")


def test_many_faults_are_told_in_part() -> None:
    rows = [row(f"s{number}.a", Reason.PORT_TAKEN) for number in range(9)]
    message = status(wish("a"), seen(*rows)).condition("Degraded").message
    assert message.count("PortTaken") == 5
    assert "And 4 more" in message


def test_every_global_reason_is_a_state_or_within_one() -> None:
    within = {Reason.AUTHORIZATION_DENIED, Reason.HELPER_UNAVAILABLE}
    assert {reason.value for reason in GLOBAL - within} <= {state.value for state in State}


rows = st.builds(
    ServiceSeen,
    namespace=st.sampled_from("ab"),
    service=st.sampled_from("xyz"),
    state=st.sampled_from(ServiceState),
    address=st.sampled_from(["", "127.18.0.3"]),
    ports=st.lists(st.sampled_from([80, 5432]), unique=True).map(tuple),
    problems=st.lists(st.sampled_from(Reason).map(problem), max_size=2).map(tuple),
)
anything_seen = st.builds(
    seen,
    authority=st.builds(
        AuthoritySeen,
        st.sampled_from(AuthorityState),
        st.one_of(st.none(), st.sampled_from(Reason).map(problem)),
    ),
    unreadable=st.one_of(st.none(), st.sampled_from(Reason).map(problem)),
    engine=st.lists(st.sampled_from(Reason).map(problem), max_size=2).map(tuple),
    a=st.one_of(st.just(NamespaceSeen()), st.just(read(WEB)), st.sampled_from(Reason).map(broken)),
)


@given(anything_seen, st.lists(rows, max_size=4, unique_by=lambda s: (s.namespace, s.service)))
def test_any_situation_has_a_status_that_is_ready_only_without_faults(
    now: Seen, services: list[ServiceSeen]
) -> None:
    now = replace(now, engine=replace(now.engine, services=tuple(services)))
    result = status(wish("a"), now)
    assert result.message
    if result.state is State.READY:
        assert result.condition("HelperReady").status is Truth.TRUE
        assert result.condition("Degraded").status is Truth.FALSE
        assert result.condition("ClusterReachable").status is not Truth.FALSE
    assert status(wish("a"), now, result, LATER) == result


def test_the_cluster_of_another_wish_does_not_count() -> None:
    other = replace(KIND, context="kind-other")
    result = status(replace(wish("a"), cluster=other), seen(WEB))
    assert result.condition("ClusterReachable").status is Truth.UNKNOWN
    assert result.state is State.STARTING
