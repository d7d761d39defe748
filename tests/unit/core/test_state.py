"""State: the one word for every situation there is, and which goes before which."""

from dataclasses import replace

import pytest
from tests.unit.core.situations import (
    AUTHORIZED,
    KIND,
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
    AuthorityState,
    CatalogSeen,
    Desired,
    NamespaceSeen,
    Repaired,
    ServiceState,
    Source,
)
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import State

WEB = row("web.a")
PAUSED = replace(wish("a", "b"), paused=True)
HELD = replace(row("web.a", Reason.PAUSED, state=ServiceState.WAITING), names=(), ports=())


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
            wish(), seen(), State.READY, "Nothing needs forwarding yet.", id="nothing yet"
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
            "Nothing",
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
            seen(authority=being(AuthorityState.DENIED, Reason.AUTHORIZATION_DENIED)),
            State.AUTHORIZATION_DENIED,
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
            PAUSED, seen(HELD), State.PAUSED, "click Resume on `kubefwd:run`", id="paused"
        ),
        pytest.param(
            PAUSED, seen(WEB), State.STARTING, "Pausing: 1 service", id="names to be released"
        ),
        pytest.param(
            PAUSED,
            seen(HELD, b=broken(Reason.FORBIDDEN)),
            State.PAUSED,
            "Nothing is forwarded",
            id="paused, whatever is wrong with a part",
        ),
        pytest.param(
            PAUSED,
            seen(HELD, authority=being(AuthorityState.LOST)),
            State.AUTHORIZATION_LOST,
            "Refresh",
            id="root is lost while it is paused",
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
            "Nothing",
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


def test_a_namespace_is_paused_unless_something_is_wrong_with_it() -> None:
    result = status(PAUSED, seen(HELD, b=broken(Reason.FORBIDDEN)))
    assert [(each.ready, each.reason) for each in result.namespaces] == [
        (False, Reason.PAUSED),
        (False, Reason.FORBIDDEN),
    ]
    assert result.condition("Degraded").message == "namespace b: What to do about Forbidden."


def test_what_became_of_a_repair_stays_when_another_engine_takes_over() -> None:
    def repaired(number: int) -> Seen:
        now = seen(WEB)
        return replace(now, engine=replace(now.engine, repaired=Repaired(number, names=3)))

    first = status(wish("a"), repaired(2))
    assert first.repaired == Repaired(2, names=3)
    assert status(wish("a"), seen(WEB), first).repaired == Repaired(2, names=3)
    assert status(wish("a"), repaired(3), first).repaired == Repaired(3, names=3)


def test_the_cluster_of_another_wish_does_not_count() -> None:
    other = replace(KIND, context="kind-other")
    result = status(replace(wish("a"), cluster=other), seen(WEB))
    assert result.condition("ClusterReachable").status is Truth.UNKNOWN
    assert result.state is State.STARTING
