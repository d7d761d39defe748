"""What policies change in the plan: only the services that they speak of."""

from dataclasses import replace

from tests.unit.native.kit import pod, seen, service, wish

from kubefwd_operator.core.forwardable import wanted
from kubefwd_operator.core.model import Desired, ServicePort
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Rules, ServiceRule
from kubefwd_operator.engines.native.leases import assign, leases
from kubefwd_operator.engines.native.plan import Plan, plan, steps
from kubefwd_operator.engines.native.target import Target

CATALOG = seen(
    service("web", pod("web-1", http=8080), ports=(ServicePort(80, "http", target=8080),)),
    service("api", pod("api-1")),
    service(
        "db",
        pod("db-0", hostname="db-0", sql=5432),
        ports=(ServicePort(5432, "sql", target=5432),),
        headless=True,
    ),
)


def desired(*rules: ServiceRule) -> Desired:
    own = Rules(services={rule.name: rule for rule in rules})
    return replace(wish("shop-a"), rules={"shop-a": own})


def planned(*rules: ServiceRule) -> Plan:
    wished = desired(*rules)
    return plan(wished, CATALOG, assign("lab", leases(wanted(wished, CATALOG)), {}))


def places(made: Plan, name: str) -> dict[int, Target]:
    return {place[1]: target for place, target in made.listen.items() if target.service == name}


def test_a_skipped_service_has_a_row_and_neither_address_nor_listener() -> None:
    made = planned(ServiceRule("web", skip=True, by="the argument `skip`"))
    row = {outlook.key[1]: outlook for outlook in made.outlooks}["web"]
    assert (row.address, [note.reason for note in row.notes]) == ("", [Reason.SKIPPED])
    assert places(made, "web") == {}
    assert [each.service for each in made.placed] == ["api", "db"]


def test_a_port_listens_on_another_number_and_leads_to_the_same() -> None:
    made = planned(
        ServiceRule("web", ports=((80, 8888),)), ServiceRule("db", ports=((5432, 15432),))
    )
    assert places(made, "web") == {8888: Target("shop-a", "web", "http")}
    assert set(places(made, "db")) >= {15432}


def test_a_port_that_cannot_move_is_told() -> None:
    made = planned(ServiceRule("web", ports=((81, 8888),)))
    row = {outlook.key[1]: outlook for outlook in made.outlooks}["web"]
    assert [note.reason for note in row.notes] == [Reason.POLICY_UNSUPPORTED]
    assert set(places(made, "web")) == {80}


def test_a_changed_policy_touches_the_service_that_it_speaks_of_alone() -> None:
    before, after = planned(), planned(ServiceRule("web", ports=((80, 8888),)))
    changes = steps(after, before.listen)
    assert [port for _, port in changes.start] == [8888]
    assert [port for _, port in changes.stop] == [80]
    changes = steps(planned(ServiceRule("web", hostnames=("shop.test",))), before.listen)
    assert (changes.start, changes.stop) == ((), ())
