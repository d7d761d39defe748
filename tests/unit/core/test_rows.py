"""Rows: which there are, why one is red, and what its log is told."""

from dataclasses import replace

import pytest
from tests.unit.core.situations import being, broken, problem, read, row, seen, status, wish

from kubefwd_operator.core.conditions import Seen
from kubefwd_operator.core.links import Link
from kubefwd_operator.core.model import (
    AuthorityState,
    Desired,
    NamespaceSeen,
    Service,
    ServicePort,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rows import Light, Row, news, rows

WEB = row("web.a")
OK, PENDING, ERROR = Light.OK, Light.PENDING, Light.ERROR


def shown(desired: Desired, now: Seen) -> dict[str, Row]:
    return {each.name: each for each in rows(status(desired, now))}


def lights(desired: Desired, now: Seen) -> dict[str, Light]:
    return {name: each.light for name, each in shown(desired, now).items()}


@pytest.mark.parametrize(
    "now, light, reason",
    [
        pytest.param(seen(WEB), OK, Reason.READY, id="its service is forwarded"),
        pytest.param(seen(a=read()), OK, Reason.READY, id="it holds no service"),
        pytest.param(seen(a=NamespaceSeen()), PENDING, Reason.SYNCING, id="it is being read"),
        pytest.param(seen(a=read(WEB)), PENDING, Reason.STARTING, id="its service is being opened"),
        pytest.param(
            seen(row("web.a", state=ServiceState.WAITING, address="")),
            PENDING,
            Reason.STARTING,
            id="its service has no name yet",
        ),
        pytest.param(
            seen(row("web.a", Reason.NO_PODS, state=ServiceState.WAITING, ports=())),
            OK,
            Reason.READY,
            id="no pods are no fault",
        ),
        pytest.param(
            seen(row("web.a", Reason.POD_FAILING, state=ServiceState.WAITING, address="")),
            OK,
            Reason.READY,
            id="a failing pod is its own row's",
        ),
        pytest.param(
            seen(row("web.a", Reason.RECONNECTING, state=ServiceState.RECONNECTING)),
            OK,
            Reason.READY,
            id="pods that are replaced",
        ),
        pytest.param(
            seen(row("web.a", Reason.NOT_FORWARDABLE, state=ServiceState.NOT_FORWARDED)),
            OK,
            Reason.READY,
            id="a service that cannot be forwarded",
        ),
        pytest.param(
            seen(WEB, row("db.a", Reason.PORT_TAKEN)), ERROR, Reason.PORT_TAKEN, id="a service"
        ),
        pytest.param(
            seen(row("web.a", state=ServiceState.FAILED)),
            ERROR,
            Reason.INTERNAL_ERROR,
            id="a service that failed without a reason",
        ),
        pytest.param(
            seen(a=broken(Reason.FORBIDDEN)), ERROR, Reason.FORBIDDEN, id="it must not be read"
        ),
        pytest.param(
            seen(row("web.a", Reason.PORT_TAKEN), row("web.b")),
            ERROR,
            Reason.PORT_TAKEN,
            id="whatever another namespace does",
        ),
        pytest.param(
            seen(WEB, row("web.b", Reason.PORT_TAKEN)), OK, Reason.READY, id="another's is not ours"
        ),
    ],
)
def test_a_namespace_has_the_light_that_is_true(now: Seen, light: Light, reason: Reason) -> None:
    found = shown(wish("a"), now)["kubefwd:ns:a"]
    assert (found.light, found.reason) == (light, reason)
    assert found.sentences


def test_a_namespace_that_does_not_exist_is_red_for_whoever_asked_for_it() -> None:
    gone = seen(a=broken(Reason.NAMESPACE_NOT_FOUND))
    assert lights(wish("a", source=Source.ARGUMENT), gone) == {"kubefwd:ns:a": ERROR}
    assert lights(wish("a"), gone) == {"kubefwd:ns:a": OK}  # `tilt down` has deleted it


@pytest.mark.parametrize(
    "now, light, reason",
    [
        pytest.param(
            seen(WEB, authority=being(AuthorityState.WAITING)),
            ERROR,
            Reason.WAITING_FOR_AUTHORIZATION,
            id="a line to paste",
        ),
        pytest.param(
            seen(WEB, authority=being(AuthorityState.DENIED)),
            ERROR,
            Reason.AUTHORIZATION_DENIED,
            id="no root",
        ),
        pytest.param(
            seen(WEB, unreadable=problem(Reason.CLUSTER_UNREACHABLE)),
            ERROR,
            Reason.CLUSTER_UNREACHABLE,
            id="no cluster",
        ),
        pytest.param(
            seen(WEB, engine=(problem(Reason.HOSTS_NOT_WRITABLE),)),
            ERROR,
            Reason.HOSTS_NOT_WRITABLE,
            id="hosts file",
        ),
        pytest.param(
            seen(WEB, engine=(problem(Reason.ENGINE_FAILED),)),
            ERROR,
            Reason.ENGINE_FAILED,
            id="engine",
        ),
        pytest.param(
            seen(WEB, engine=(problem(Reason.ENGINE_RESTARTING),)),
            PENDING,
            Reason.ENGINE_RESTARTING,
            id="engine that comes back by itself",
        ),
    ],
)
def test_what_concerns_everything_is_told_once_and_holds_the_rest(
    now: Seen, light: Light, reason: Reason
) -> None:
    found = shown(wish("a"), now)
    assert {name: (each.light, each.reason) for name, each in found.items()} == {
        "kubefwd:status": (light, reason),
        "kubefwd:ns:a": (PENDING, reason),
    }
    assert found["kubefwd:ns:a"].waits_on == "kubefwd:status"


def test_a_question_that_somebody_sees_is_yellow() -> None:
    asking = seen(WEB, authority=being(AuthorityState.ASKING, Reason.WAITING_FOR_AUTHORIZATION))
    assert lights(wish("a"), asking) == {"kubefwd:status": PENDING, "kubefwd:ns:a": PENDING}


def test_a_question_that_is_being_asked_holds_the_rest_and_is_no_row() -> None:
    asking = seen(WEB, authority=being(AuthorityState.ASKING))
    found = shown(wish("a"), asking)
    assert {name: each.light for name, each in found.items()} == {"kubefwd:ns:a": PENDING}
    assert not found["kubefwd:ns:a"].waits_on


def test_what_is_paused_is_yellow_and_no_trouble() -> None:
    released = row("web.a", Reason.PAUSED, state=ServiceState.WAITING, address="", ports=())
    found = shown(replace(wish("a"), paused=True), seen(released))
    assert {name: each.light for name, each in found.items()} == {"kubefwd:ns:a": PENDING}
    assert found["kubefwd:ns:a"].reason == Reason.PAUSED
    assert "Resume" in found["kubefwd:ns:a"].sentences[0]


def test_a_row_that_is_red_or_green_waits_for_nothing() -> None:
    red = seen(row("web.a", Reason.PORT_TAKEN), engine=(problem(Reason.ENGINE_FAILED),))
    assert not shown(wish("a"), red)["kubefwd:ns:a"].waits_on
    green = seen(WEB, others=(problem(Reason.INTERNAL_ERROR),))
    assert not shown(wish("a"), green)["kubefwd:ns:a"].waits_on


@pytest.mark.parametrize("reason", [Reason.OWNERS_UNKNOWN, Reason.LIMIT_REACHED])
def test_what_is_wrong_with_the_engine_and_keeps_nothing_holds_nothing(reason: Reason) -> None:
    now = seen(WEB, engine=(problem(reason),))
    assert lights(wish("a"), now) == {"kubefwd:status": ERROR, "kubefwd:ns:a": OK}


def test_a_defect_of_ours_is_red_and_holds_nothing() -> None:
    now = seen(WEB, others=(problem(Reason.INTERNAL_ERROR),))
    assert lights(wish("a"), now) == {"kubefwd:status": ERROR, "kubefwd:ns:a": OK}


def test_everything_that_is_wrong_is_told() -> None:
    now = seen(
        WEB,
        authority=being(AuthorityState.DENIED),
        unreadable=problem(Reason.CLUSTER_UNREACHABLE),
        engine=(problem(Reason.OWNERS_UNKNOWN),),
    )
    found = shown(wish("a"), now)["kubefwd:status"]
    assert [sentence.partition(":")[0] for sentence in found.sentences] == [
        "AuthorizationDenied",
        "ClusterUnreachable",
        "OwnersUnknown",
    ]


def test_only_wanted_namespaces_have_rows_after_the_operators_own() -> None:
    now = seen(row("web.a"), row("web.b"), row("web.leaving"), engine=())
    found = rows(status(wish("b", "a"), now))
    assert [each.name for each in found] == ["kubefwd:ns:b", "kubefwd:ns:a"]
    assert all(each.order >= 10_000 for each in found)
    assert rows(status(wish(), seen())) == ()


def test_a_row_links_every_web_service_of_its_namespace() -> None:
    api = Service("a", "api", (ServicePort(8080, "http"), ServicePort(9000, "grpc")))
    web, db = Service("a", "web", (ServicePort(80),)), Service("a", "db", (ServicePort(5432),))
    now = seen(
        row("web.a"),
        row("api.a", ports=(8080, 9000)),
        row("db.a", ports=(5432,)),
        row("web.b"),
        a=NamespaceSeen((web, api, db), synced=True),
    )
    assert shown(wish("a", "b"), now)["kubefwd:ns:a"].links == (
        Link("http://api.a:8080", "api:8080"),
        Link("http://web.a", "web"),
    )


def test_a_row_with_hundreds_of_services_links_the_first_ones() -> None:
    now = seen(*(row(f"web{number:03}.a") for number in range(250)))
    found = shown(wish("a"), now)["kubefwd:ns:a"]
    assert [link.name for link in found.links] == [f"web{number:03}" for number in range(50)]
    assert found.sentences == ("Forwarding 250 services.",)


def test_a_sentence_holds_nothing_that_moves_a_cursor_and_indents_its_further_lines() -> None:
    said = broken(Reason.FORBIDDEN, "first:\nsecond \x1b[2Jthird\x07\r\nfourth")
    found = shown(wish("a"), seen(a=said))["kubefwd:ns:a"]
    assert found.sentences == ("Forbidden: first:\n  second [2Jthird\n  fourth",)


def test_many_causes_are_not_all_told() -> None:
    now = seen(*(row(f"web{number:03}.a", Reason.PORT_TAKEN) for number in range(100)))
    sentences = shown(wish("a"), now)["kubefwd:ns:a"].sentences
    assert len(sentences) == 11
    assert "kubefwd-operator status" in sentences[-1]


def test_what_a_row_says_fits_into_a_variable_of_an_environment() -> None:
    long = [problem(Reason.PORT_TAKEN, "\U0001f600" * 100_000)]
    services = (replace(row(f"web{number:03}.a"), problems=tuple(long)) for number in range(100))
    sentences = shown(wish("a"), seen(*services))["kubefwd:ns:a"].sentences
    assert len("\n".join(sentences).encode()) < 128 * 1024


def being_red(*sentences: str, name: str = "kubefwd:ns:a") -> Row:
    return Row(name, ERROR, "PortTaken", sentences)


GREEN = Row("kubefwd:ns:a", OK, "Ready", ("Forwarding 1 service.",))
TAKEN, LIMIT = "web.a PortTaken: by 4711.", "db.a LimitReached: there are too many."


@pytest.mark.parametrize(
    "before, now, told",
    [
        pytest.param(None, GREEN, [], id="a green row is no news"),
        pytest.param(GREEN, replace(GREEN, light=PENDING), [], id="nor is a pending one"),
        pytest.param(None, being_red(TAKEN), [TAKEN], id="a cause"),
        pytest.param(GREEN, being_red(TAKEN, LIMIT), [TAKEN, LIMIT], id="two causes"),
        pytest.param(being_red(TAKEN), being_red(TAKEN), [], id="the same"),
        pytest.param(
            being_red(TAKEN), being_red("web.a PortTaken: by 4712."), [], id="in other words"
        ),
        pytest.param(being_red(TAKEN), being_red(TAKEN, LIMIT), [LIMIT], id="one more"),
        pytest.param(
            being_red(TAKEN, LIMIT), being_red(LIMIT), ["web.a PortTaken: over"], id="one less"
        ),
        pytest.param(
            being_red(TAKEN), being_red(LIMIT), ["web.a PortTaken: over", LIMIT], id="another"
        ),
        pytest.param(being_red(TAKEN), GREEN, ["web.a PortTaken: over"], id="the end of red"),
        pytest.param(being_red(TAKEN), None, [], id="a namespace that nobody wants any more"),
        pytest.param(
            being_red("ClusterUnreachable: why.", name="kubefwd:status"),
            None,
            ["ClusterUnreachable: over"],
            id="the end of what concerned everything",
        ),
        pytest.param(
            being_red("WaitingForAuthorization: run a."),
            being_red("WaitingForAuthorization: run b."),
            ["WaitingForAuthorization: run b."],
            id="another line to run",
        ),
        pytest.param(
            being_red("WaitingForAuthorization: run a."),
            being_red("WaitingForAuthorization: run a."),
            [],
            id="the same line to run",
        ),
    ],
)
def test_a_log_is_told_a_cause_once_and_its_end(
    before: Row | None, now: Row | None, told: list[str]
) -> None:
    assert list(news(before, now)) == told


def test_a_service_of_a_namespace_with_a_longer_name_is_not_its_own() -> None:
    other = ServiceSeen("aa", "web", ServiceState.WAITING)
    assert lights(wish("a", "aa"), seen(WEB, other)) == {
        "kubefwd:ns:a": OK,
        "kubefwd:ns:aa": PENDING,
    }
