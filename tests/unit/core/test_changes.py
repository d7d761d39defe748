"""Changes: what is told, once, and what is not."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.situations import (
    AUTHORIZED,
    LATER,
    broken,
    problem,
    read,
    row,
    seen,
    status,
    wish,
)

from kubefwd_operator.core.changes import REFUSED, lines
from kubefwd_operator.core.conditions import Seen
from kubefwd_operator.core.model import (
    AuthoritySeen,
    AuthorityState,
    Desired,
    NamespaceSeen,
    Repaired,
    ServiceState,
    Source,
)
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason

WEB = row("web.a")
WEB_LINE = "web.a  http://web.a  127.18.0.3:80"
WAITING = AuthoritySeen(
    AuthorityState.WAITING, problem(Reason.WAITING_FOR_AUTHORIZATION, "Run this: /x authorize")
)
LOST = AuthoritySeen(AuthorityState.LOST)
ASKING = AuthoritySeen(AuthorityState.ASKING)
NOT_YET = row("web.a", ports=(), address="", state=ServiceState.WAITING)
WITHOUT_ROOT = row("web.a", Reason.AUTHORIZATION_LOST, ports=(), state=ServiceState.WAITING)
FLAPPING = row("web.a", Reason.NO_ENDPOINTS, state=ServiceState.WAITING)
LEFT_OUT = row("web.a", Reason.SKIPPED, ports=(), address="", state=ServiceState.NOT_FORWARDED)
STOPPED = row("web.a", Reason.NO_PODS, ports=(), state=ServiceState.WAITING)


def told(*situations: tuple[Desired, Seen]) -> list[str]:
    """What is told at the last of some situations."""
    last, said = None, []
    for desired, now in situations:
        current = status(desired, now, last, LATER)
        said, last = list(lines(last, current)), current
    return said


A = wish("a")
PAUSED = replace(A, paused=True)
HELD = replace(row("web.a", Reason.PAUSED, state=ServiceState.WAITING), names=(), ports=())

GOOD = (A, seen(WEB))


def test_what_is_said_of_policies_is_told_when_it_comes() -> None:
    fault = Fault("ForwardPolicy a/p", Problem(Reason.POLICY_INVALID, "It counts for nothing."))
    having = replace(seen(WEB), policies=(fault,))
    line = "ForwardPolicy a/p  PolicyInvalid: It counts for nothing."
    assert told(GOOD, (A, having)) == [line]
    assert told(GOOD, (A, having), (A, having)) == []
    assert told(GOOD, (A, having), GOOD) == []


def test_whoever_writes_wrong_policies_fills_no_log() -> None:
    many = tuple(Fault(f"ForwardPolicy a/p{n}", problem(Reason.POLICY_INVALID)) for n in range(100))
    said = told(GOOD, (A, replace(seen(WEB), policies=many)))
    assert len(said) == 11
    assert said[-1] == "And more of policies: `kubefwd-operator status` lists all 100."


def test_the_first_look_tells_everything_that_is_there() -> None:
    assert told((wish("a", "b"), seen(WEB, row("db.a", ports=(5432,)), row("web.b")))) == [
        "Authorized (sudo -A).",
        "The cluster of 'kind-dev' answers.",
        "namespace a  wanted (tilt)",
        "namespace b  wanted (tilt)",
        "db.a  127.18.0.3:5432",
        WEB_LINE,
        "web.b  http://web.b  127.18.0.3:80",
        "Ready: Forwarding 3 services of 2 namespaces.",
    ]


@pytest.mark.parametrize(
    "before, after, expected",
    [
        pytest.param(GOOD, GOOD, [], id="nothing"),
        pytest.param(GOOD, (A, seen(FLAPPING)), [], id="endpoints go"),
        pytest.param((A, seen(FLAPPING)), GOOD, [], id="endpoints come"),
        pytest.param(
            GOOD,
            (A, seen(row("web.a", address="127.18.0.9"))),
            [],
            id="a headless one's address follows",
        ),
        pytest.param(
            (A, seen(NOT_YET)),
            GOOD,
            [WEB_LINE, "Ready: Forwarding 1 service of 1 namespace."],
            id="the first service answers",
        ),
        pytest.param(
            (A, seen(NOT_YET, row("api.a"))),
            (A, seen(WEB, row("api.a"))),
            [WEB_LINE],
            id="another service answers",
        ),
        pytest.param(
            (A, seen(a=read(WEB))), (A, seen(NOT_YET)), [], id="a service that does not answer yet"
        ),
        pytest.param(
            GOOD,
            (A, seen(WEB, row("api.a", ports=(80, 9090)))),
            ["api.a  http://api.a  127.18.0.3:80,9090"],
            id="one more",
        ),
        pytest.param(
            GOOD,
            (A, seen(row("web.a", ports=(80, 443)))),
            ["web.a  http://web.a  127.18.0.3:80,443"],
            id="one more port",
        ),
        pytest.param((A, seen(WEB, row("api.a"))), GOOD, ["api.a  gone"], id="one less"),
        pytest.param(
            GOOD,
            (A, seen(STOPPED)),
            ["web.a  NoPods: What to do about NoPods."],
            id="without pods it stops listening",
        ),
        pytest.param((A, seen(STOPPED)), GOOD, [WEB_LINE], id="and listens again"),
        pytest.param(
            GOOD,
            (A, seen(row("web.a", Reason.POD_FAILING))),
            ["web.a  PodFailing: What to do about PodFailing."],
            id="pods fail",
        ),
        pytest.param((A, seen(row("web.a", Reason.POD_FAILING))), GOOD, [], id="and cease to"),
        pytest.param(
            GOOD,
            (A, seen(row("web.a", Reason.NAME_TAKEN))),
            ["web.a  NameTaken: What to do about NameTaken."],
            id="a problem",
        ),
        pytest.param(
            (A, seen(row("web.a", Reason.NAME_TAKEN))),
            GOOD,
            [WEB_LINE, "Ready: Forwarding 1 service of 1 namespace."],
            id="a problem is over",
        ),
        pytest.param(
            (A, seen(row("web.a", Reason.NAME_TAKEN))),
            (A, seen(row("web.a", Reason.PORT_TAKEN))),
            ["web.a  PortTaken: What to do about PortTaken."],
            id="another problem",
        ),
        pytest.param(GOOD, (A, seen(row("web.a", Reason.NAME_ELSEWHERE))), [], id="a notice"),
        pytest.param(
            GOOD,
            (A, seen(WEB, row("x.a", Reason.NOT_FORWARDABLE, address="", ports=()))),
            ["x.a  NotForwardable: What to do about NotForwardable."],
            id="what cannot be forwarded",
        ),
        pytest.param(
            GOOD,
            (A, seen(LEFT_OUT)),
            ["web.a  Skipped: What to do about Skipped."],
            id="what is left to the developer",
        ),
        pytest.param(
            (A, seen(NOT_YET)),
            (A, seen(LEFT_OUT)),
            ["Ready: Nothing needs forwarding yet."],
            id="left out from the start, as was asked",
        ),
        pytest.param(
            GOOD,
            (wish("a", "b"), seen(WEB, b=NamespaceSeen())),
            ["namespace b  wanted (tilt)"],
            id="one more namespace",
        ),
        pytest.param(
            (wish("a", "b"), seen(WEB, b=NamespaceSeen())),
            (wish("a", "b"), seen(WEB, b=read())),
            [],
            id="is read",
        ),
        pytest.param(
            (wish("a", "b"), seen(WEB, row("web.b"))),
            GOOD,
            ["namespace b  no longer forwarded"],
            id="a namespace goes, with its services",
        ),
        pytest.param(
            (wish("a", "b"), seen(WEB, b=read())),
            (wish("a", "b"), seen(WEB, b=broken(Reason.FORBIDDEN))),
            ["namespace b  Forbidden: What to do about Forbidden."],
            id="403",
        ),
        pytest.param(
            (wish("a", "b"), seen(WEB, b=broken(Reason.FORBIDDEN))),
            (wish("a", "b"), seen(WEB, b=read())),
            [
                "namespace b  Ready: 0 services",
                "Ready: Forwarding 1 service of 1 namespace.",
            ],
            id="403 is over",
        ),
        pytest.param(
            (A, seen(NOT_YET, authority=ASKING)),
            (A, seen(NOT_YET, authority=WAITING)),
            ["WaitingForAuthorization: Run this: /x authorize"],
            id="authorization is waited for",
        ),
        pytest.param(
            (A, seen(NOT_YET, authority=WAITING)),
            (
                A,
                seen(
                    NOT_YET,
                    authority=replace(
                        WAITING, problem=problem(Reason.WAITING_FOR_AUTHORIZATION, "Or this")
                    ),
                ),
            ),
            ["WaitingForAuthorization: Or this"],
            id="something else is to be run",
        ),
        pytest.param(
            (A, seen(NOT_YET, authority=WAITING)),
            (A, seen(NOT_YET, authority=ASKING)),
            [],
            id="asking again",
        ),
        pytest.param(
            (A, seen(NOT_YET, authority=WAITING)),
            GOOD,
            ["Authorized (sudo -A).", WEB_LINE, "Ready: Forwarding 1 service of 1 namespace."],
            id="authorized",
        ),
        pytest.param(
            GOOD,
            (A, seen(WITHOUT_ROOT, authority=LOST)),
            [
                (
                    "AuthorizationLost: The privileged helper has ended and its names are gone: "
                    "click Refresh to ask again."
                )
            ],
            id="what concerns all is told once",
        ),
        pytest.param(
            GOOD,
            (A, seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE))),
            ["ClusterUnreachable: What to do about ClusterUnreachable."],
            id="the cluster goes",
        ),
        pytest.param(
            (A, seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE, "in 3 s"))),
            (A, seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE, "in 2 s"))),
            [],
            id="details of the same trouble",
        ),
        pytest.param(
            (A, seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE))),
            GOOD,
            [
                "The cluster of 'kind-dev' answers.",
                "Ready: Forwarding 1 service of 1 namespace.",
            ],
            id="the cluster comes",
        ),
        pytest.param(
            GOOD,
            (A, seen(WEB, others=(problem(Reason.INTERNAL_ERROR),))),
            ["InternalError: What to do about InternalError."],
            id="an error of ours",
        ),
        pytest.param(
            (A, seen(WEB, others=(problem(Reason.INTERNAL_ERROR),))),
            GOOD,
            ["InternalError: over", "Ready: Forwarding 1 service of 1 namespace."],
            id="an error of ours is over",
        ),
        pytest.param(
            GOOD,
            (wish("a", generation=2), seen(WEB, generation=2)),
            ["Forwarding has started anew (generation 2)."],
            id="Refresh",
        ),
        pytest.param(
            (wish("a", generation=0), seen(WEB, generation=0)),
            GOOD,
            ["Forwarding has started anew (generation 1)."],
            id="the first Refresh",
        ),
        pytest.param(
            (wish("a", generation=2), seen(NOT_YET, generation=0)),
            (wish("a", generation=2), seen(WEB, generation=2)),
            [WEB_LINE, "Ready: Forwarding 1 service of 1 namespace."],
            id="an operator that starts after a Refresh",
        ),
        pytest.param(
            GOOD,
            (wish("a", generation=2), seen(generation=2, a=NamespaceSeen())),
            [],
            id="a Refresh before the cluster has been read again",
        ),
        pytest.param(
            (PAUSED, seen(HELD)),
            (replace(PAUSED, generation=2), seen(HELD, generation=2)),
            [],
            id="a Refresh while it is paused",
        ),
        pytest.param(
            GOOD,
            (wish("a", generation=2), seen(WEB)),
            [],
            id="a Refresh that has only been asked for",
        ),
    ],
)
def test_one_line_per_change(
    before: tuple[Desired, Seen], after: tuple[Desired, Seen], expected: list[str]
) -> None:
    assert told(before, after) == expected


def test_pause_is_told_when_every_name_is_gone_and_resume_when_they_are_back() -> None:
    said = "Paused: Nothing is forwarded: click Resume on `kubefwd:run` to go on."
    assert told(GOOD, (PAUSED, seen(WEB))) == []
    assert told(GOOD, (PAUSED, seen(WEB)), (PAUSED, seen(HELD))) == [said]
    assert told(GOOD, (PAUSED, seen(HELD)), (PAUSED, seen(HELD))) == []
    assert told((PAUSED, seen(HELD)), (A, seen(HELD)), GOOD) == [
        WEB_LINE,
        "Ready: Forwarding 1 service of 1 namespace.",
    ]


@pytest.mark.parametrize(
    "repaired, line",
    [
        pytest.param(Repaired(2, 12), "Repair hosts: 12 names are in /etc/hosts.", id="names"),
        pytest.param(Repaired(2, 1), "Repair hosts: 1 name is in /etc/hosts.", id="a name"),
        pytest.param(
            Repaired(2),
            "Repair hosts: no name of ours belongs into /etc/hosts now, and none is there.",
            id="no name",
        ),
        pytest.param(
            Repaired(2, 12, problem(Reason.HOSTS_NOT_WRITABLE)),
            "Repair hosts: not done. What to do about HostsNotWritable.",
            id="not done",
        ),
    ],
)
def test_what_became_of_a_repair_is_told_once(repaired: Repaired, line: str) -> None:
    def after(done: Repaired) -> tuple[Desired, Seen]:
        now = seen(WEB)
        return A, replace(now, engine=replace(now.engine, repaired=done))

    assert told(after(Repaired(1, 12)), after(repaired)) == [line]
    assert told(after(repaired), after(repaired)) == []
    assert told(after(repaired), GOOD, after(repaired)) == []


def test_a_rollout_under_way_is_not_told() -> None:
    for number in range(3):
        assert told(GOOD, *[(A, seen(FLAPPING)), GOOD] * number) == told(GOOD, *[GOOD] * 2 * number)


def test_a_start_ends_with_ready() -> None:
    start = (A, seen(authority=ASKING))
    assert (
        told(start, (A, seen(NOT_YET)), GOOD)[-1] == "Ready: Forwarding 1 service of 1 namespace."
    )


def test_another_engine_is_told() -> None:
    now = seen(WEB)
    assert told((A, now), (A, replace(now, engine=replace(now.engine, name="kubefwd")))) == [
        "The engine is now kubefwd."
    ]
    native = replace(now.engine, name="native", why="another user runs a kubefwd")
    kubefwd = replace(now, engine=replace(now.engine, name="kubefwd"))
    assert told((A, kubefwd), (A, replace(now, engine=native))) == [
        "The engine is now native: another user runs a kubefwd"
    ]


def test_the_source_of_a_namespace_is_told() -> None:
    wanted = wish("b", source=Source.ARGUMENT)
    assert "namespace b  wanted (argument)" in told((wanted, seen(b=NamespaceSeen())))


rows = st.builds(
    row,
    st.sampled_from(["web.a", "api.a", "web.b"]),
    st.sampled_from(Reason),
    state=st.sampled_from(ServiceState),
    ports=st.sampled_from([(), (80,), (80, 443)]),
    address=st.sampled_from(["", "127.18.0.3"]),
)
situations = st.builds(
    lambda wanted, services, authority, a: (
        wanted,
        seen(*services, authority=authority, **({"a": a} if a else {})),
    ),
    st.sampled_from([A, wish("a", "b"), wish(), wish("a", generation=2)]),
    st.lists(rows, max_size=3, unique_by=lambda service: (service.namespace, service.service)),
    st.sampled_from([AUTHORIZED, WAITING, LOST, ASKING]),
    st.sampled_from([None, NamespaceSeen(), broken(Reason.FORBIDDEN)]),
)


@given(situations)
def test_nothing_is_told_twice(situation: tuple[Desired, Seen]) -> None:
    assert told(situation, situation) == []


@given(situations, situations)
def test_every_line_is_one_line_and_said_once(
    before: tuple[Desired, Seen], after: tuple[Desired, Seen]
) -> None:
    said = told(before, after)
    assert len(said) == len(set(said))
    assert all(line and "\n" not in line for line in said)


def test_the_first_refusal_of_a_service_is_told_and_no_other() -> None:
    once, twice = replace(WEB, refused=1), replace(WEB, refused=2)
    assert told(GOOD, (A, seen(once))) == [f"web.a  {REFUSED}"]
    assert told(GOOD, (A, seen(once)), (A, seen(twice))) == []
