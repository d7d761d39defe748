"""What the rules make of services: skipped ones, and ports that listen on another number."""

from dataclasses import replace
from types import MappingProxyType

import pytest

from kubefwd_operator.core.conditions import is_fault
from kubefwd_operator.core.forwardable import (
    CROWDED,
    listening,
    refusal,
    ruled,
    unmoved,
    wanted,
)
from kubefwd_operator.core.links import links
from kubefwd_operator.core.model import (
    NO_POLICIES,
    UNREAD,
    CatalogSeen,
    ClusterRef,
    Desired,
    DesiredNamespace,
    NamespacePolicy,
    NamespaceSeen,
    PoliciesSeen,
    Service,
    ServicePort,
    ServiceSeen,
    ServiceState,
    Source,
)
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Requirement, Rules, Selector, ServiceRule

KIND = ClusterRef("/run/kubeconfig", "kind-dev", "kind")
FRONT = Selector((Requirement("tier", "In", ("front",)),), "ForwardPolicy shop/front")


def service(name: str, *ports: int, **labels: str) -> Service:
    own = tuple(ServicePort(port, f"p{port}") for port in ports or (80,))
    return Service("shop", name, own, selector={"app": name}, labels=labels)


def wish(*rules: ServiceRule, selector: Selector | None = None, pending: str = "") -> Desired:
    own = Rules(selector, {rule.name: rule for rule in rules})
    namespaces = (DesiredNamespace("shop", Source.TILT),)
    return Desired(
        KIND, namespaces, rules=MappingProxyType({"shop": own}), pending=frozenset({pending})
    )


def found(desired: Desired, *services: Service, policies: PoliciesSeen = UNREAD) -> dict[str, str]:
    """By service, why it is not forwarded."""
    shop = {"shop": NamespaceSeen(services, synced=True)}
    catalog = CatalogSeen(KIND, shop, policies=policies)
    refused = {each.name: refusal(each) for each in wanted(desired, catalog)}
    assert all(why is None or why.reason is Reason.SKIPPED for why in refused.values())
    return {name: why.message if why else "" for name, why in refused.items()}


def test_of_namespaces_that_policies_bring_in_so_many_services_are_wanted_and_no_more() -> None:
    """Who writes policies writes services, too; what the developer asked for is not counted."""
    many = {
        name: tuple(Service(name, f"s{n}", (ServicePort(80),), selector={"a": "b"}) for n in count)
        for name, count in (("shop", range(1200)), ("x", range(600)), ("y", range(600)))
    }
    policies = [DesiredNamespace(name, Source.POLICY) for name in ("x", "y")]
    desired = Desired(KIND, (DesiredNamespace("shop", Source.TILT), *policies))
    catalog = CatalogSeen(KIND, {name: NamespaceSeen(own, True) for name, own in many.items()})
    every = list(wanted(desired, catalog))
    assert len(every) == 2400
    left = [(each.namespace, each.name) for each in every if refusal(each)]
    assert left == [("y", f"s{n}") for n in range(400, 600)]
    assert {refusal(each) for each in every} == {None, CROWDED}
    assert not is_fault(CROWDED.reason), "nor can he turn the page red"


def test_skipped_services_stay_in_the_list_and_say_who_said_so() -> None:
    skip = ServiceRule("web", skip=True, by="the argument `skip`")
    assert found(wish(skip), service("web"), service("api")) == {
        "web": "It is not forwarded: the argument `skip` says to skip it.",
        "api": "",
    }


def test_a_selector_judges_by_the_labels_of_services() -> None:
    said = found(wish(selector=FRONT), service("web", tier="front"), service("db", tier="back"))
    assert said["web"] == ""
    assert "the serviceSelector of ForwardPolicy shop/front" in said["db"]


def test_nothing_is_forwarded_before_policies_are_known() -> None:
    assert found(wish(pending="shop"), service("web")) == {}
    assert found(wish(pending="bank"), service("web")) == {"web": ""}


def test_where_there_is_no_policy_nobody_waits_for_the_decision() -> None:
    pending, web = wish(pending="shop"), service("web")
    one = PoliciesSeen(True, {"shop": NamespacePolicy()})
    assert found(pending, web, policies=NO_POLICIES) == {"web": ""}
    assert found(pending, web, policies=one) == {}
    assert found(pending, web, policies=PoliciesSeen(True, only=frozenset({"bank"}))) == {}


@pytest.mark.parametrize(
    "pairs, listens, said",
    [
        pytest.param((), {80: 80, 443: 443}, "", id="none"),
        pytest.param(((80, 8080),), {8080: 80, 443: 443}, "", id="one"),
        pytest.param(((80, 443), (443, 80)), {443: 80, 80: 443}, "", id="swapped"),
        pytest.param(((80, 443),), {80: 80, 443: 443}, "80 on 443", id="where another listens"),
        pytest.param(((81, 8081),), {80: 80, 443: 443}, "81 on 8081", id="no such port"),
    ],
)
def test_ports_listen_where_a_policy_wants_them(
    pairs: tuple[tuple[int, int], ...], listens: dict[int, int], said: str
) -> None:
    own = ruled(service("web", 80, 443), wish(ServiceRule("web", ports=pairs)))
    assert {number: port.port for number, port in listening(own).items()} == listens
    note = unmoved(own)
    assert (note.message if note else "").count(said) == 1 if said else note is None


def test_a_link_leads_to_the_port_that_listens() -> None:
    http = Service("shop", "web", (ServicePort(80, "http"),), local_ports=((80, 9999),))
    seen = ServiceSeen("shop", "web", ServiceState.READY, "127.18.0.1", (9999,), ("web.shop",))
    assert [link.url for link in links(seen, http)] == ["http://web.shop:9999"]
    before = replace(seen, ports=(80,))
    assert [link.url for link in links(before, http)] == ["http://web.shop"]
