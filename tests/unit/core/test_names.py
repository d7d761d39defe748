"""Names: who is called what, and what is said to whoever goes without."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubefwd_operator.core import names
from kubefwd_operator.core.model import Desired, DesiredNamespace, Source
from kubefwd_operator.core.names import HostsEntry, Placed, Published, publish, spell
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason

SUFFIXES = (".svc", ".svc.cluster.local")


def desired(*namespaces: str, source: Source = Source.TILT, bare: bool = True) -> Desired:
    wanted = tuple(DesiredNamespace(name, source) for name in namespaces)
    return Desired(namespaces=wanted, bare_names=bare)


def service(key: str, *addresses: str, pods: dict[str, str] | None = None) -> Placed:
    name, _, namespace = key.partition(".")
    return Placed(namespace, name, addresses or ("127.18.0.1",), tuple((pods or {}).items()))


def resolve(published: Published) -> dict[str, set[str]]:
    """What the hosts file would answer."""
    found: dict[str, set[str]] = {}
    for entry in published.entries:
        for name in spell(entry):
            found.setdefault(name, set()).add(entry.ip)
    return found


def forms(published: Published, key: str) -> list[str]:
    name, _, namespace = key.partition(".")
    return list(published.names[(namespace, name)])


def reasons(published: Published, key: str) -> list[Reason]:
    return [problem.reason for problem in problems(published, key)]


def problems(published: Published, key: str) -> tuple[Problem, ...]:
    name, _, namespace = key.partition(".")
    return published.problems[(namespace, name)]


@pytest.mark.parametrize(
    "wish, key, expected, noted",
    [
        pytest.param(
            desired("storefront"), "web.storefront", ["web", "web.storefront"], [], id="ordinary"
        ),
        pytest.param(
            desired("storefront", bare=False),
            "web.storefront",
            ["web.storefront"],
            [],
            id="no bare names",
        ),
        pytest.param(
            desired("dev"),
            "web.dev",
            ["web", "web.dev"],
            [Reason.SHADOWS_PUBLIC_NAME],
            id="public, by Tilt",
        ),
        pytest.param(
            desired("dev", source=Source.ARGUMENT),
            "web.dev",
            ["web", "web.dev"],
            [Reason.SHADOWS_PUBLIC_NAME],
            id="public, by argument",
        ),
        pytest.param(
            desired("dev", source=Source.BUTTON),
            "web.dev",
            ["web", "web.dev"],
            [Reason.SHADOWS_PUBLIC_NAME],
            id="public, by button",
        ),
        pytest.param(
            desired("dev", source=Source.POLICY),
            "web.dev",
            [],
            [Reason.SHADOWS_PUBLIC_NAME],
            id="public, by policy",
        ),
        pytest.param(
            desired("storefront", source=Source.POLICY),
            "web.storefront",
            ["web.storefront"],
            [],
            id="ordinary, by policy: no bare name, which may be a company's own",
        ),
        pytest.param(
            desired("com", source=Source.ARGUMENT),
            "web.com",
            ["web"],
            [Reason.NAME_REFUSED],
            id="never com",
        ),
        pytest.param(desired("corp"), "web.corp", ["web"], [Reason.NAME_REFUSED], id="never corp"),
        pytest.param(
            desired("a"),
            "localhost.a",
            ["localhost.a"],
            [Reason.NAME_REFUSED],
            id="localhost has no bare",
        ),
        pytest.param(
            desired("a"), "dev.a", ["dev", "dev.a"], [], id="a service called like a domain"
        ),
    ],
)
def test_forms_of_one_service(
    wish: Desired, key: str, expected: list[str], noted: list[Reason]
) -> None:
    published = publish([service(key)], wish)
    assert forms(published, key) == [*expected, *(key + suffix for suffix in SUFFIXES)]
    assert reasons(published, key) == noted


def test_the_first_namespace_in_order_has_the_bare_name() -> None:
    published = publish(
        [service("web.a", "127.18.0.1"), service("web.b", "127.18.0.2")], desired("b", "a")
    )
    found = resolve(published)
    assert found["web"] == {"127.18.0.2"}
    assert found["web.a"] == {"127.18.0.1"}
    assert reasons(published, "web.b") == []
    (problem,) = problems(published, "web.a")
    assert problem.reason is Reason.NAME_ELSEWHERE
    assert "'web' belongs to namespace 'b'" in problem.message
    assert "Use 'web.a'" in problem.message
    assert "`namespaces`" in problem.message


def test_without_bare_names_nobody_is_told_of_a_conflict() -> None:
    published = publish([service("web.a"), service("web.b")], desired("b", "a", bare=False))
    assert "web" not in resolve(published)
    assert not any(published.problems.values())


def test_the_bare_name_passes_on_when_its_owner_goes() -> None:
    before = publish(
        [service("web.a", "127.18.0.1"), service("web.b", "127.18.0.2")], desired("a", "b")
    )
    after = publish([service("web.b", "127.18.0.2")], desired("a", "b"))
    assert resolve(before)["web"] == {"127.18.0.1"}
    assert resolve(after)["web"] == {"127.18.0.2"}


def test_services_of_other_namespaces_are_left_out() -> None:
    published = publish([service("web.a"), service("web.gone")], desired("a"))
    assert {entry.namespace for entry in published.entries} == {"a"}
    assert ("gone", "web") not in published.names


def test_a_headless_service_has_all_addresses_and_its_pods_one_each() -> None:
    db = service(
        "db.a", "127.18.0.1", "127.18.0.2", pods={"db-0": "127.18.0.1", "db-1": "127.18.0.2"}
    )
    found = resolve(publish([db], desired("a")))
    for name in ("db", "db.a", "db.a.svc", "db.a.svc.cluster.local"):
        assert found[name] == {"127.18.0.1", "127.18.0.2"}
    for name in ("db-0.db", "db-0.db.a", "db-0.db.a.svc", "db-0.db.a.svc.cluster.local"):
        assert found[name] == {"127.18.0.1"}
    assert found["db-1.db.a"] == {"127.18.0.2"}
    assert "db-0" not in found


@pytest.mark.parametrize(
    "services, wish, name, owner",
    [
        pytest.param(
            [
                service("db.a", "127.18.0.1", pods={"web": "127.18.0.1"}),
                service("web.db", "127.18.0.9"),
            ],
            desired("a", "db"),
            "web.db",
            "127.18.0.9",
            id="a pod's bare name yields to a service's short one",
        ),
        pytest.param(
            [
                service("y.svc", "127.18.0.1", pods={"x": "127.18.0.1"}),
                service("x.y", "127.18.0.9"),
            ],
            desired("svc", "y"),
            "x.y.svc",
            "127.18.0.9",
            id="a pod's short name yields to a service's long one",
        ),
    ],
)
def test_one_name_never_means_two_services(
    services: list[Placed], wish: Desired, name: str, owner: str
) -> None:
    assert resolve(publish(services, wish))[name] == {owner}


@pytest.mark.parametrize(
    "source, suffix, published",
    [
        pytest.param(Source.TILT, "app", True, id="public domain, invited"),
        pytest.param(Source.POLICY, "app", False, id="public domain, not invited"),
        pytest.param(Source.ARGUMENT, "com", False, id="refused by root"),
    ],
)
def test_bare_names_of_pods_obey_the_rules_of_short_ones(
    source: Source, suffix: str, published: bool
) -> None:
    headless = service(f"{suffix}.a", pods={"web-0": "127.18.0.1"})
    found = resolve(publish([headless], desired("a", source=source)))
    assert (f"web-0.{suffix}" in found) is published
    assert f"web-0.{suffix}.a" in found


@pytest.mark.parametrize(
    "source, says",
    [
        pytest.param(Source.TILT, "hides an internet name", id="published"),
        pytest.param(Source.POLICY, "is not published", id="withheld"),
    ],
)
def test_a_public_name_is_explained_with_the_long_form(source: Source, says: str) -> None:
    (problem,) = problems(publish([service("web.dev")], desired("dev", source=source)), "web.dev")
    assert says in problem.message
    assert "'.dev'" in problem.message
    assert "Use 'web.dev.svc.cluster.local'" in problem.message


def guests(*namespaces: str) -> Desired:
    """Wish for `a`, and for namespaces that only policies bring in."""
    by_policy = [DesiredNamespace(name, Source.POLICY) for name in namespaces]
    return Desired(namespaces=(DesiredNamespace("a", Source.TILT), *by_policy), bare_names=True)


def test_a_namespace_that_a_policy_brings_in_takes_no_pods_name() -> None:
    """A service `web-0` of a namespace `db`, made by somebody who is after `web-0.db`."""
    db = service("db.a", "127.18.0.1", pods={"web-0": "127.18.0.1"})
    published = publish([db, service("web-0.db", "127.18.0.66")], guests("db"))
    assert resolve(published)["web-0.db"] == {"127.18.0.1"}
    assert forms(published, "web-0.db") == ["web-0.db.svc", "web-0.db.svc.cluster.local"]
    assert reasons(published, "web-0.db") == [Reason.NAME_ELSEWHERE]


def test_a_namespace_that_a_policy_brings_in_pushes_nothing_out() -> None:
    db = service("db.a", pods={"db-0": "127.18.0.1"})
    many = [service(f"s{number:04}.b") for number in range(names.MAX_ENTRIES)]
    published = publish([db, *many], guests("b"))
    assert reasons(published, "db.a") == []
    assert "db-0.db" in forms(published, "db.a")
    assert reasons(published, "s4095.b") == [Reason.LIMIT_REACHED]


def test_a_service_without_addresses_has_no_names() -> None:
    published = publish([Placed("a", "web", ())], desired("a"))
    assert published.entries == ()
    assert forms(published, "web.a") == []


def test_entries_beyond_the_helpers_limit_are_dropped_and_said() -> None:
    many = [service(f"s{number:04}.a") for number in range(names.MAX_ENTRIES + 3)]
    published = publish([*many, service("web.b")], desired("a", "b"))
    assert len(published.entries) == names.MAX_ENTRIES
    assert forms(published, "web.b") == []
    assert reasons(published, "web.b") == [Reason.LIMIT_REACHED]
    assert reasons(published, "s4095.a") == []
    assert reasons(published, "s4096.a") == [Reason.LIMIT_REACHED]
    assert "`exclude`" in problems(published, "web.b")[-1].message


def test_pods_feel_the_limit_before_services() -> None:
    pods = {f"p{number}": "127.18.0.1" for number in range(names.MAX_ENTRIES)}
    published = publish([service("db.a", pods=pods), service("web.b")], desired("a", "b"))
    assert reasons(published, "web.b") == []
    assert reasons(published, "db.a") == [Reason.LIMIT_REACHED]


def test_long_names_are_bounded_by_their_weight() -> None:
    many = [service(f"s{number:04}{'x' * 58}.{'n' * 63}") for number in range(4096)]
    entries = publish(many, desired("n" * 63)).entries
    weight = sum(len(entry.service) + len(entry.namespace) for entry in entries)
    assert 3000 < len(entries) < 4096
    assert weight + 100 * len(entries) < 2**20


labels = st.sampled_from(
    ["a", "b", "svc", "db", "web", "dev", "com", "cluster", "local", "localhost"]
)
placed = st.builds(
    lambda namespace, name, pods, number: Placed(
        namespace,
        name,
        (f"127.18.1.{number}",),
        tuple((pod, f"127.18.2.{number}") for pod in sorted(pods)),
    ),
    labels,
    labels,
    st.frozensets(labels, max_size=3),
    st.integers(1, 254),
)


@given(
    st.lists(placed, max_size=12, unique_by=lambda service: service.key),
    st.lists(labels, unique=True),
    st.sampled_from(Source),
    st.booleans(),
)
def test_names_are_unambiguous_whatever_things_are_called(
    services: list[Placed], namespaces: list[str], source: Source, bare: bool
) -> None:
    published = publish(services, desired(*namespaces, source=source, bare=bare))
    owners: dict[str, set[tuple[str, str, str]]] = {}
    for entry in published.entries:
        for name in spell(entry):
            owners.setdefault(name, set()).add((entry.namespace, entry.service, entry.pod))
            if not name.endswith(SUFFIXES):
                assert not names.refused(name)
    assert all(len(owner) == 1 for owner in owners.values())
    assert publish(reversed(services), desired(*namespaces, source=source, bare=bare)) == published


@given(
    st.lists(placed, max_size=12, unique_by=lambda service: service.key),
    st.lists(labels, unique=True),
    st.sampled_from(Source),
)
def test_whoever_is_told_to_have_a_name_has_it(
    services: list[Placed], namespaces: list[str], source: Source
) -> None:
    published = publish(services, desired(*namespaces, source=source))
    for key, own in published.problems.items():
        here = (f"{key[1]}.{key[0]}", f"namespace '{key[0]}'")
        for problem in own:
            assert problem.clash, problem
            has, without = problem.clash.has in here, problem.clash.without in here
            assert has is not without
            assert (problem.clash.over in published.names[key]) is has


@given(st.lists(placed, max_size=12, unique_by=lambda service: service.key))
def test_every_service_keeps_its_long_forms(services: list[Placed]) -> None:
    namespaces = sorted({service.namespace for service in services})
    published = publish(services, desired(*namespaces))
    for item in services:
        long = f"{item.service}.{item.namespace}.svc.cluster.local"
        assert long in published.names[item.key]


def test_entries_are_in_the_order_of_namespaces() -> None:
    published = publish([service("web.a"), service("api.b"), service("api.a")], desired("b", "a"))
    keys = [(entry.namespace, entry.service) for entry in published.entries]
    assert keys == [("b", "api"), ("a", "api"), ("a", "web")]
    assert all(isinstance(entry, HostsEntry) for entry in published.entries)
