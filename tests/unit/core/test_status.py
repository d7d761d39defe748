"""Status: rows, times and what stands beside, whatever is seen."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.situations import (
    AUTHORIZED,
    LATER,
    NOON,
    PROCESS,
    being,
    broken,
    problem,
    read,
    row,
    seen,
    status,
    wish,
)

from kubefwd_operator.core.conditions import Seen, Truth
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    NamespaceSeen,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import State
from kubefwd_operator.core.status import MAX_MESSAGE, Status, build

WEB = row("web.a")


@pytest.mark.parametrize(
    "stopped, says",
    [
        ((), "Nothing needs forwarding yet."),
        (("a", "b"), "Nothing needs forwarding: 2 namespaces stopped with the button."),
    ],
)
def test_ready_without_anything_says_why(stopped: tuple[str, ...], says: str) -> None:
    made = build(wish(), seen(), process=PROCESS, previous=None, now=NOON, stopped=stopped)
    assert (made.state, made.message, made.stopped) == (State.READY, says, stopped)


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
    denied = being(AuthorityState.DENIED, Reason.AUTHORIZATION_DENIED)
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
    assert timeless(alone) == timeless(before)
    other = status(wish("a"), seen(row("web.a", ports=(81,))), before, LATER)
    assert timeless(before) != timeless(other)


def timeless(status: Status) -> Status:
    conditions = tuple(replace(c, last_transition_time="") for c in status.conditions)
    return replace(status, conditions=conditions)


def test_an_endless_message_is_cut() -> None:
    endless = broken(Reason.FORBIDDEN, "x" * 10 * MAX_MESSAGE)
    result = status(wish("a"), seen(a=endless))
    texts = [result.message, *(c.message for c in result.conditions), result.namespaces[0].message]
    assert max(map(len, texts)) == MAX_MESSAGE
    assert result.namespaces[0].message.endswith("…")


def test_no_message_moves_a_cursor() -> None:
    """An ExternalName, say, is a text of the cluster's; commands keep their own lines."""
    said = "a\x1b[2Jb\x9bc\r\u202ed\nrun this"
    noted = replace(row("web.a"), problems=(Problem(Reason.NOT_FORWARDABLE, said),))
    result = status(wish("a"), seen(noted, a=broken(Reason.FORBIDDEN, said)))
    texts = {result.message, result.namespaces[0].message, result.services[0].message}
    texts |= {c.message for c in result.conditions if "run this" in c.message}
    assert {text.removeprefix("namespace a: ") for text in texts} == {"a[2Jbcd\nrun this"}


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
