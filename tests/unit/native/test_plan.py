"""What should be open and named: a table of services."""

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.native.kit import pod, seen, service, wish

from kubefwd_operator.core.addresses import candidates
from kubefwd_operator.core.forwardable import refusal, wanted
from kubefwd_operator.core.model import (
    CatalogSeen,
    ClusterRef,
    DesiredNamespace,
    Endpoint,
    Service,
    ServicePort,
    Source,
)
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.leases import LeaseKey, assign, hostnames, leases
from kubefwd_operator.engines.native.plan import CROWDED, MAX_GUESTS, Plan, Steps, plan, steps
from kubefwd_operator.engines.native.target import Target

HTTP = ServicePort(80, "http", target="web")
METRICS = ServicePort(9090, "metrics", target=9090)
DNS = ServicePort(53, "dns", "UDP")


def planned(
    *services: Service, departed: tuple[LeaseKey, ...] = (), idle: tuple[tuple[str, str], ...] = ()
) -> tuple[Plan, Mapping[LeaseKey, str]]:
    addresses = assign("lab", leases(services, departed), {})
    namespaces = dict.fromkeys(each.namespace for each in services)
    return plan(wish(*namespaces), seen(*services), addresses, idle, departed), addresses


def places(made: Plan, addresses: Mapping[LeaseKey, str]) -> dict[str, Target]:
    """Listeners by who owns the address: `web:80`, `db/db-0:5432`."""
    owners = {ip: "/".join(filter(None, key[1:])) for key, ip in addresses.items()}
    return {f"{owners[ip]}:{port}": target for (ip, port), target in made.listen.items()}


@pytest.mark.parametrize(
    "of, expected",
    [
        pytest.param(
            service("web", pod("web-1")),
            {"web:80": Target("shop-a", "web")},
            id="one port without a name",
        ),
        pytest.param(
            service("web", pod("web-1", http=8080, metrics=9090), ports=(HTTP, METRICS)),
            {
                "web:80": Target("shop-a", "web", "http"),
                "web:9090": Target("shop-a", "web", "metrics"),
            },
            id="several ports by name",
        ),
        pytest.param(
            service("dns", pod("dns-1"), ports=(DNS, HTTP)),
            {"dns:80": Target("shop-a", "dns", "http")},
            id="TCP beside UDP",
        ),
        pytest.param(
            service("web"),
            {"web:80": Target("shop-a", "web")},
            id="no pod yet",
        ),
        pytest.param(
            service(
                "db",
                pod("db-0", hostname="db-0", http=8080),
                pod("db-1", hostname="db-1", http=8081),
                ports=(HTTP,),
                headless=True,
            ),
            {
                "db/db-0:80": Target("shop-a", "db", "http", "db-0"),
                "db/db-0:8080": Target("shop-a", "db", "http", "db-0"),
                "db/db-1:80": Target("shop-a", "db", "http", "db-1"),
                "db/db-1:8081": Target("shop-a", "db", "http", "db-1"),
            },
            id="headless: service port and each pod's own port",
        ),
        pytest.param(
            service("db", headless=True),
            {"db:80": Target("shop-a", "db"), "db:8080": Target("shop-a", "db")},
            id="headless without pods: its own address",
        ),
        pytest.param(service("web", external_name="example.org"), {}, id="ExternalName"),
        pytest.param(service("web", pod("x"), selector={}), {}, id="without selector"),
        pytest.param(service("dns", pod("dns-1"), ports=(DNS,)), {}, id="UDP only"),
    ],
)
def test_listeners(of: Service, expected: dict[str, Target]) -> None:
    assert places(*planned(of)) == expected


@pytest.mark.parametrize(
    "of, text",
    [
        (service("web", external_name="example.org"), "use 'example.org' itself"),
        (service("dns", ports=(DNS,)), "UDP ports only"),
        (service("none", ports=()), "no ports"),
        (service("web", selector={}), "no selector"),
    ],
    ids=["ExternalName", "UDP", "no ports", "no selector"],
)
def test_what_cannot_be_forwarded_says_why(of: Service, text: str) -> None:
    problem = refusal(of)
    assert problem is not None
    assert problem.reason is Reason.NOT_FORWARDABLE
    assert text in problem.message
    made, _ = planned(of)
    assert made.placed == ()
    assert made.outlooks[0].notes == (problem,)


def test_a_service_with_udp_beside_tcp_says_what_is_left_out() -> None:
    made, _ = planned(service("dns", pod("dns-1"), ports=(DNS, HTTP)))
    (outlook,) = made.outlooks
    assert outlook.forwarded
    assert "53/UDP" in outlook.notes[0].message


def test_the_servers_own_service_is_left_out_silently() -> None:
    own = service("kubernetes", namespace="default", selector={})
    assert list(wanted(wish("default"), seen(own, service("web", namespace="default")))) == [
        service("web", namespace="default")
    ]
    assert list(wanted(wish("other"), seen(service("kubernetes", namespace="other"))))


def test_another_clusters_catalog_counts_for_nothing() -> None:
    catalog = seen(service("web"), cluster=ClusterRef("/config", "other"))
    assert not list(wanted(wish(), catalog))
    assert not list(wanted(wish(), CatalogSeen()))


def test_only_desired_namespaces_in_their_order() -> None:
    services = [service("web", namespace=name) for name in ("a", "b", "c")]
    assert [each.namespace for each in wanted(wish("c", "a"), seen(*services))] == ["c", "a"]


def test_an_idle_service_keeps_address_and_names_but_does_not_listen() -> None:
    of = service("web")
    made, addresses = planned(of, service("api"), idle=(("shop-a", "web"),))
    assert set(places(made, addresses)) == {"api:80"}
    assert {each.service for each in made.placed} == {"web", "api"}


def ready(name: str, *, up: bool) -> Endpoint:
    return pod(name, hostname=name, ready=up)


@pytest.mark.parametrize(
    "pods, names_to",
    [
        ([ready("db-0", up=True), ready("db-1", up=True)], ["db-0", "db-1"]),
        ([ready("db-0", up=True), ready("db-1", up=False)], ["db-0"]),
        ([ready("db-0", up=False), ready("db-1", up=False)], ["db-0", "db-1"]),
        ([], [""]),
    ],
    ids=["all ready", "one ready", "none ready: wait at any", "no pods: its own address"],
)
def test_a_headless_name_leads_to_ready_pods(pods: list[Endpoint], names_to: list[str]) -> None:
    made, addresses = planned(service("db", *pods, headless=True))
    (placed,) = made.placed
    assert placed.addresses == tuple(addresses["shop-a", "db", name] for name in names_to)
    assert placed.pods == tuple(
        (each.hostname, addresses["shop-a", "db", each.hostname]) for each in pods
    )


def test_pods_without_hostname_have_no_names_of_their_own() -> None:
    made, addresses = planned(service("db", pod("db-x7"), headless=True))
    assert made.placed[0].pods == ()
    assert made.placed[0].addresses == (addresses["shop-a", "db", "db-x7"],)


def test_a_departed_pod_keeps_its_name_and_listens() -> None:
    gone = ("shop-a", "db", "db-0")
    of = service("db", pod("db-1", hostname="db-1"), headless=True)
    made, addresses = planned(of, departed=(gone, ("shop-a", "other", "x-0")))
    assert dict(made.placed[0].pods) == {
        "db-0": addresses[gone],
        "db-1": addresses["shop-a", "db", "db-1"],
    }
    assert made.placed[0].addresses == (addresses["shop-a", "db", "db-1"],)
    assert places(made, addresses)["db/db-0:80"] == Target("shop-a", "db", "", "db-0")


def test_hostnames_are_those_of_headless_services() -> None:
    plain = service("web", pod("web-1", hostname="web-1"))
    of = service("db", pod("db-0", hostname="db-0"), pod("db-x"), headless=True)
    assert list(hostnames([plain, of])) == [("shop-a", "db", "db-0")]


# --- addresses -------------------------------------------------------------------------------

KEYS = st.tuples(st.sampled_from("abc"), st.text("xyz", min_size=1, max_size=3), st.just(""))


def test_an_address_is_the_first_candidate() -> None:
    key = ("shop-a", "web", "")
    assert assign("lab", [key], {}) == {key: next(candidates("lab", *key))}


def test_what_is_barred_is_replaced_by_the_next_candidate() -> None:
    key = ("shop-a", "web", "")
    first, second, third = (ip for ip, _ in zip(candidates("lab", *key), range(3), strict=False))
    assert assign("lab", [key], {key: first}, {first, second}) == {key: third}


def test_an_address_is_kept_while_its_owner_exists_and_forgotten_after() -> None:
    key = ("shop-a", "web", "")
    kept = assign("lab", [key], {key: "127.18.9.9"})
    assert kept == {key: "127.18.9.9"}
    assert assign("lab", [], kept) == {}


@given(st.lists(KEYS, unique=True), st.lists(KEYS, unique=True))
def test_addresses_are_distinct_and_stable(before: list[LeaseKey], after: list[LeaseKey]) -> None:
    first = assign("lab", before, {})
    second = assign("lab", after, first)
    assert len(set(second.values())) == len(second) == len(after)
    assert all(second[key] == first[key] for key in first if key in second)


def test_steps_start_what_is_missing_and_stop_what_is_left() -> None:
    made = Plan(MappingProxyType({("a", 1): Target("n", "s"), ("b", 2): Target("n", "s")}), (), ())
    assert steps(made, {("b", 2), ("c", 3)}) == Steps(start=(("a", 1),), stop=(("c", 3),))


def test_a_namespace_that_a_policy_brings_in_leaves_room_to_listen() -> None:
    """Somebody makes a service with a thousand ports, ten times over."""
    ports = tuple(ServicePort(number) for number in range(1, 1001))
    own = [replace(service(f"own{n}", ports=ports), namespace="own") for n in range(3)]
    others = [replace(service(f"s{n}", ports=ports), namespace="guest") for n in range(10)]
    small = replace(service("z"), namespace="guest")
    services = (*others, small, *own)
    desired = replace(
        wish(),
        namespaces=(
            DesiredNamespace("own", Source.TILT),
            DesiredNamespace("guest", Source.POLICY),
        ),
    )
    made = plan(desired, seen(*services), assign("lab", leases(services, ()), {}))
    listening = [each for each in made.listen.values() if each.namespace == "guest"]
    assert len(listening) == 2001 <= MAX_GUESTS
    assert len(made.listen) == 3000 + 2001
    left = [each.service.name for each in made.outlooks if each.notes == (CROWDED,)]
    assert left == [f"s{n}" for n in range(2, 10)]
    assert not {each.service for each in made.placed} & set(left)
