"""The table of conflicts: what of the services' problems is in it, and what comes together."""

import pytest
from tests.unit.core.situations import problem, row, seen, status, wish

from kubefwd_operator.core.clashes import contested, in_hosts_file, other_tilts
from kubefwd_operator.core.conflicts import Conflict, conflicts
from kubefwd_operator.core.model import Desired, DesiredNamespace, ServiceSeen, ServiceState, Source
from kubefwd_operator.core.names import Placed, publish
from kubefwd_operator.core.problem import ClashKind, Problem
from kubefwd_operator.core.reason import Reason


def service(key: str, *problems: Problem) -> ServiceSeen:
    name, _, namespace = key.partition(".")
    return ServiceSeen(namespace, name, ServiceState.READY, problems=problems)


def named(*keys: str, pods: tuple[str, ...] = (), **sources: Source) -> tuple[Conflict, ...]:
    """The conflicts of services that get names; namespaces are in the order of `sources`."""
    wanted = tuple(DesiredNamespace(name, source) for name, source in sources.items())
    placed = []
    for key in keys:
        name, _, namespace = key.partition(".")
        here = tuple((pod, "127.18.0.1") for pod in pods)
        placed.append(Placed(namespace, name, ("127.18.0.1",), here))
    published = publish(placed, Desired(namespaces=wanted))
    return conflicts(
        service(f"{each.service}.{each.namespace}", *published.problems[each.key])
        for each in placed
    )


TILT, POLICY = Source.TILT, Source.POLICY


@pytest.mark.parametrize(
    "found, kind, over, has, without, remedy",
    [
        pytest.param(
            named("web.a", "web.b", a=TILT, b=TILT),
            ClashKind.SAME_NAME,
            ("web",),
            "namespace 'a'",
            "namespace 'b'",
            "list 'b' first in the argument `namespaces`",
            id="the same service in two namespaces",
        ),
        pytest.param(
            named("web.a", "db.a", "web.b", "db.b", a=TILT, b=TILT),
            ClashKind.SAME_NAME,
            ("web", "db"),
            "namespace 'a'",
            "namespace 'b'",
            "list 'b' first",
            id="two services of two namespaces are one row",
        ),
        pytest.param(
            named("web.dev", "db.dev", dev=TILT),
            ClashKind.PUBLIC_NAME,
            ("web.dev", "db.dev"),
            "namespace 'dev'",
            "the internet",
            "list 'dev' in the argument `exclude`",
            id="a namespace called like a public domain",
        ),
        pytest.param(
            named("web.dev", dev=POLICY),
            ClashKind.PUBLIC_NAME,
            ("web.dev",),
            "the internet",
            "namespace 'dev'",
            "list 'dev' in the argument `namespaces`",
            id="the same, and only a policy asked for it",
        ),
        pytest.param(
            named("github.com", com=TILT),
            ClashKind.PUBLIC_NAME,
            ("github.com",),
            "the internet or the local network",
            "github.com",
            "Use 'github.com.svc'",
            id="a name that nobody gets",
        ),
        pytest.param(
            named("localhost.a", a=TILT),
            ClashKind.MACHINE,
            ("localhost",),
            "this machine",
            "localhost.a",
            "Use 'localhost.a'",
            id="a name of the machine's",
        ),
    ],
)
def test_names_of_this_tilt(
    found: tuple[Conflict, ...],
    kind: ClashKind,
    over: tuple[str, ...],
    has: str,
    without: str,
    remedy: str,
) -> None:
    (row,) = found
    assert (row.kind, row.over, row.has, row.without) == (kind, over, has, without)
    assert remedy in row.remedy


def test_a_service_that_lacks_all_its_names_to_one_rival_is_one_row() -> None:
    names = ("web", "web.a", "web.a.svc")
    lost = [other_tilts(name, "web.a", "Taken.", "7.tilt-2") for name in names]
    (found,) = conflicts([service("web.a", *lost)])
    assert found.over == names
    assert (found.has, found.without) == ("the Tilt 'tilt-2' of user 7", "web.a")


def test_each_rival_is_a_row_of_its_own() -> None:
    found = conflicts(
        [
            service("web.a", other_tilts("web", "web.a", "Taken.", "7.tilt-2")),
            service("web.a", other_tilts("web.a", "web.a", "Taken.", "8.tilt-2")),
            service("db.a", other_tilts("db", "db.a", "Taken.", "7.tilt-2")),
            service("db.a", contested("db.a", "db.a", "7.tilt-2")),
            service("db.a", in_hosts_file("db.a.svc", "db.a", "Taken.", "")),
        ]
    )
    assert [(row.over[0], row.without) for row in found] == [
        ("web", "web.a"),
        ("web.a", "web.a"),
        ("db", "db.a"),
        ("db.a", "the Tilt 'tilt-2' of user 7"),
        ("db.a.svc", "db.a"),
    ]


def test_kinds_stay_together() -> None:
    mine = service("web.a", in_hosts_file("web", "web.a", "Taken.", "192.0.2.7"))
    theirs = service("web.b", other_tilts("web.b", "web.b", "Taken.", "7.tilt-2"))
    assert [row.kind for row in conflicts([mine, theirs, mine])] == [
        ClashKind.OTHER_TILT,
        ClashKind.HOSTS_FILE,
    ]


def test_what_nobody_else_has_is_no_conflict() -> None:
    assert conflicts([row("web.a", Reason.NO_PODS), row("db.a")]) == ()
    assert conflicts([service("web.a", problem(Reason.LIMIT_REACHED))]) == ()


def test_the_status_has_them() -> None:
    clashing = service("web.a", in_hosts_file("web", "web.a", "Taken.", "192.0.2.7"))
    (found,) = status(wish("a"), seen(clashing)).conflicts
    assert found.has == "your own line in /etc/hosts, 192.0.2.7"
    assert status(wish("a"), seen(row("web.a"))).conflicts == ()
