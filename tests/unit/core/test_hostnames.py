"""Hostnames of policies: who gets one, who goes without, and what no policy gets."""

from types import MappingProxyType

import pytest

from kubefwd_operator.core.model import Desired, DesiredNamespace, Source
from kubefwd_operator.core.names import MAX_HOSTNAMES, Placed, Published, publish, spell
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Rules, ServiceRule


def wish(
    hostnames: dict[str, tuple[str, ...]],
    *allowed: str,
    source: Source = Source.TILT,
    namespaces: tuple[str, ...] = ("storefront", "billing"),
) -> Desired:
    """Wish for hostnames by `service.namespace`."""
    rules: dict[str, dict[str, ServiceRule]] = {}
    for key, names in hostnames.items():
        service, _, namespace = key.partition(".")
        rule = ServiceRule(service, hostnames=names, by=f"ForwardPolicy {namespace}/p")
        rules.setdefault(namespace, {})[service] = rule
    return Desired(
        namespaces=tuple(DesiredNamespace(name, source) for name in namespaces),
        rules=MappingProxyType({name: Rules(services=own) for name, own in rules.items()}),
        allow_hostnames=allowed,
    )


def placed(key: str, *ips: str, pods: tuple[tuple[str, str], ...] = ()) -> Placed:
    service, _, namespace = key.partition(".")
    return Placed(namespace, service, ips or ("127.18.0.1",), pods)


def hostnames(published: Published) -> dict[str, str]:
    """By hostname, the address that it leads to."""
    return {name: entry.ip for entry in published.entries for name in entry.hostnames}


def notes(published: Published, key: str) -> list[Problem]:
    service, _, namespace = key.partition(".")
    return list(published.problems[(namespace, service)])


WEB, PAY = placed("web.storefront", "127.18.0.1"), placed("pay.billing", "127.18.0.2")


def test_a_hostname_stands_beside_the_names_of_the_cluster() -> None:
    published = publish([WEB, PAY], wish({"web.storefront": ("shop.test", "a.localhost")}))
    assert hostnames(published) == {"shop.test": "127.18.0.1", "a.localhost": "127.18.0.1"}
    assert published.names[("storefront", "web")][-3:] == (
        "web.storefront.svc.cluster.local",
        "shop.test",
        "a.localhost",
    )
    assert notes(published, "web.storefront") == []


@pytest.mark.parametrize(
    "name, allowed, given",
    [
        pytest.param("bank.com", (), False, id="a bank's"),
        pytest.param("www.bank.com", ("bank.com",), True, id="a bank's, if the developer says so"),
        pytest.param("bank.com", ("bank.com",), False, id="the domain itself"),
        pytest.param("evilbank.com", ("bank.com",), False, id="another domain with that ending"),
        pytest.param("github.com", (), False, id="a public name"),
        pytest.param("wpad.test", (), False, id="what browsers ask for proxies"),
        pytest.param("localhost", (), False, id="localhost"),
        pytest.param("pay.billing.svc.cluster.local", (), False, id="another service's long form"),
    ],
)
def test_a_hostname_is_given_only_where_it_may_end(
    name: str, allowed: tuple[str, ...], given: bool
) -> None:
    published = publish([WEB], wish({"web.storefront": (name,)}, *allowed))
    assert (name in hostnames(published)) is given
    if not given:
        (note,) = notes(published, "web.storefront")
        assert note.reason is Reason.NAME_REFUSED
        assert "ForwardPolicy storefront/p" in note.message
        assert "`allow_hostnames`" in note.message


def test_of_two_services_the_first_in_order_has_it() -> None:
    claims = wish({"pay.billing": ("a.test",), "web.storefront": ("a.test",)})
    published = publish([PAY, WEB], claims)
    assert hostnames(published) == {"a.test": "127.18.0.1"}
    (note,) = notes(published, "pay.billing")
    assert note.reason is Reason.NAME_ELSEWHERE
    assert "namespace 'storefront', which comes first" in note.message
    assert notes(published, "web.storefront") == []


def test_a_name_of_the_cluster_is_no_policys_to_give() -> None:
    """`web.test` is the short form of a service in the namespace `test`."""
    claims = wish({"pay.billing": ("web.test",)}, namespaces=("billing", "test"))
    published = publish([PAY, placed("web.test", "127.18.0.3")], claims)
    assert hostnames(published) == {}
    assert [note.reason for note in notes(published, "pay.billing")] == [Reason.NAME_ELSEWHERE]


def test_its_own_short_form_is_not_given_twice() -> None:
    published = publish(
        [placed("web.test")], wish({"web.test": ("web.test",)}, namespaces=("test",))
    )
    names = [name for entry in published.entries for name in spell(entry)]
    assert names.count("web.test") == 1


def test_a_headless_service_has_it_at_every_address_and_its_pods_have_it_not() -> None:
    db = placed("db.storefront", "127.18.0.5", "127.18.0.6", pods=(("db-0", "127.18.0.5"),))
    published = publish([db], wish({"db.storefront": ("db.test",)}))
    assert [entry.ip for entry in published.entries if entry.hostnames] == [
        "127.18.0.5",
        "127.18.0.6",
    ]


def test_hostnames_cannot_push_out_the_names_of_the_cluster() -> None:
    """5,000 services, each with eight hostnames as long as they may be."""
    keys = [f"s{number:04}.storefront" for number in range(5000)]
    long = ".".join(["a" * 60] * 3)
    claims = {key: tuple(f"h{n}.{key.split('.')[0]}.{long}.test" for n in range(8)) for key in keys}
    services = [placed(key, f"127.18.{n // 250}.{n % 250 + 1}") for n, key in enumerate(keys)]
    with_them = publish(services, wish(claims))
    without = publish(services, wish({}))
    bare = [entry._replace(hostnames=()) for entry in with_them.entries]
    assert bare == list(without.entries)
    assert 0 < len(hostnames(with_them)) <= MAX_HOSTNAMES
    assert Reason.NAME_REFUSED in [note.reason for note in notes(with_them, "s4000.storefront")]


def test_hostnames_that_are_refused_cost_no_more_than_others() -> None:
    """Each is told in a sentence, and weighed in each update."""
    keys = [f"s{number:04}.storefront" for number in range(2000)]
    claims = {key: tuple(f"h{n}.bank.com" for n in range(8)) for key in keys}
    published = publish([placed(key) for key in keys], wish(claims))
    found = [note.reason for key in keys for note in notes(published, key)]
    assert len(found) == MAX_HOSTNAMES + 2000 - MAX_HOSTNAMES // 8
    assert set(found) == {Reason.NAME_REFUSED}, "which is no fault of the forwarding"


@pytest.mark.parametrize("source", list(Source))
def test_a_namespace_that_a_policy_brings_in_has_no_name_of_this_machine(source: Source) -> None:
    """Programs that the developer runs answer as `app.localhost`, without a line in any file."""
    published = publish([WEB], wish({"web.storefront": ("app.localhost", "a.test")}, source=source))
    assert ("app.localhost" in hostnames(published)) is (source is not Source.POLICY)
    assert "a.test" in hostnames(published)
    if source is Source.POLICY:
        (note,) = notes(published, "web.storefront")
        assert note.reason is Reason.NAME_REFUSED
        assert "List 'storefront' in the argument `namespaces`" in note.message


HOSTILE = (*("com", "github", "localhost", "wpad", "dev"), "kubernetes", "svc", "local")


@pytest.mark.parametrize("namespace", HOSTILE)
@pytest.mark.parametrize("service", [*HOSTILE, "www", "mail", "jira"])
def test_a_namespace_that_a_policy_brings_in_has_no_public_and_no_bare_name(
    namespace: str, service: str
) -> None:
    claims = wish(
        {f"{service}.{namespace}": ("bank.com", "localhost", "a.b.test")},
        source=Source.POLICY,
        namespaces=(namespace,),
    )
    published = publish([placed(f"{service}.{namespace}")], claims)
    names = set(published.names[(namespace, service)])
    long = {f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local"}
    assert long | {"a.b.test"} <= names
    assert names - long - {"a.b.test"} <= {f"{service}.{namespace}"}
    if namespace in ("com", "dev", "local", "localhost"):
        assert f"{service}.{namespace}" not in names
