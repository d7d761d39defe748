"""What is shown of a service: a table of what stands."""

from types import MappingProxyType

import pytest
from tests.unit.native.kit import pod, seen, service, wish

from kubefwd_operator.core.model import Service, ServiceSeen, ServiceState
from kubefwd_operator.core.names import publish
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.hosts import Written
from kubefwd_operator.engines.native import report
from kubefwd_operator.engines.native.bindings import Bound
from kubefwd_operator.engines.native.leases import assign, leases
from kubefwd_operator.engines.native.plan import plan
from kubefwd_operator.privileged.rivals import Contested
from kubefwd_operator.privileged.withheld import Withheld

WAITING = Problem(Reason.WAITING_FOR_AUTHORIZATION, "wait")
TAKEN = Problem(Reason.PORT_TAKEN, "taken")
READ_ONLY = Problem(Reason.HOSTS_NOT_WRITABLE, "read-only")
FORBIDDEN = Problem(Reason.FORBIDDEN, "no")
LONG = ("web.shop-a", "web.shop-a.svc", "web.shop-a.svc.cluster.local")


def shown(
    of: Service,
    *,
    bound: bool = True,
    listens: bool = True,
    named: bool = True,
    withheld: str = "",
    contested: str = "",
    refused: bool = False,
    hosts_problem: Problem | None = None,
    failing: str = "",
    forbidden: bool = False,
) -> ServiceSeen:
    addresses = assign("lab", leases([of]), {})
    planned = plan(wish(), seen(of), addresses)
    (placed,) = planned.placed
    written = Written(
        publish([placed] if named else [], wish()),
        withheld=(Withheld(withheld, placed.addresses[0], "held-by-user", "yours"),)
        if withheld
        else (),
        contested=(Contested(contested, "1000.tilt-2"),) if contested else (),
        problem=hosts_problem,
    )
    standing = Bound(
        places=frozenset(planned.listen) if listens else frozenset(),
        written=written,
        refused=MappingProxyType(dict.fromkeys(planned.listen, TAKEN)) if refused else None,
    )
    (found,) = report.services(
        planned,
        standing if bound else None,
        failing={("shop-a", of.name): failing} if failing else {},
        forbidden={"shop-a": FORBIDDEN} if forbidden else {},
        refused={("shop-a", "web"): 3, ("shop-b", "web"): 5},
        waiting=WAITING,
    )
    return found


UP = service("web", pod("web-1"))
DOWN = service("web", pod("web-1", ready=False))
EMPTY = service("web")


@pytest.mark.parametrize(
    "found, state, ports, names, reasons",
    [
        pytest.param(shown(UP), "Ready", (80,), ("web", *LONG), [], id="all is well"),
        pytest.param(
            shown(UP, bound=False), "Waiting", (), (), ["WaitingForAuthorization"], id="no helper"
        ),
        pytest.param(
            shown(DOWN), "Waiting", (80,), ("web", *LONG), ["NoEndpoints"], id="no pod ready"
        ),
        pytest.param(
            shown(DOWN, failing="CrashLoopBackOff"),
            "Waiting",
            (80,),
            ("web", *LONG),
            ["PodFailing"],
            id="crash loop",
        ),
        pytest.param(
            shown(UP, failing="CrashLoopBackOff"),
            "Ready",
            (80,),
            ("web", *LONG),
            [],
            id="failed once, is ready",
        ),
        pytest.param(
            shown(EMPTY, listens=False), "Waiting", (), ("web", *LONG), ["NoPods"], id="no pods"
        ),
        pytest.param(
            shown(UP, listens=False, named=False, refused=True),
            "Failed",
            (),
            (),
            ["PortTaken"],
            id="port taken",
        ),
        pytest.param(
            shown(UP, withheld="web"), "Ready", (80,), LONG, ["NameTaken"], id="one name taken"
        ),
        pytest.param(
            shown(UP, contested="web.shop-a"),
            "Ready",
            (80,),
            ("web", *LONG),
            ["NameContested"],
            id="another instance waits for a name",
        ),
        pytest.param(
            shown(UP, contested="api"), "Ready", (80,), ("web", *LONG), [], id="a name of others"
        ),
        pytest.param(shown(UP, named=False), "Waiting", (80,), (), [], id="not named yet"),
        pytest.param(
            shown(UP, named=False, hosts_problem=READ_ONLY),
            "Ready",
            (80,),
            (),
            [],
            id="hosts file not writable",
        ),
        pytest.param(
            shown(UP, forbidden=True),
            "Waiting",
            (80,),
            ("web", *LONG),
            ["Forbidden"],
            id="dials forbidden",
        ),
    ],
)
def test_a_service_is_shown(
    found: ServiceSeen, state: str, ports: object, names: object, reasons: list[str]
) -> None:
    assert found.state is ServiceState(state)
    assert found.ports == ports
    assert found.names == names
    assert [problem.reason for problem in found.problems] == reasons
    assert found.address


def test_what_is_not_forwarded_is_shown_with_its_reason() -> None:
    of = service("web", external_name="example.org")
    planned = plan(wish(), seen(of), {})
    for bound in (None, Bound()):
        (found,) = report.services(
            planned, bound, failing={}, forbidden={}, refused={}, waiting=WAITING
        )
        assert found.state is ServiceState.NOT_FORWARDED
        assert [problem.reason for problem in found.problems] == [Reason.NOT_FORWARDABLE]


@pytest.mark.parametrize("bound", [True, False], ids=["forwarded", "without a helper"])
def test_refused_connections_are_those_of_this_service(bound: bool) -> None:
    assert shown(UP, bound=bound).refused == 3
    assert shown(service("api", pod("api-1"))).refused == 0
