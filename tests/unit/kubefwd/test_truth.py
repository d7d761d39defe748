"""What is judged of services, from kubefwd's rows and the sockets that listen: tables."""

from collections.abc import Collection, Sequence
from types import MappingProxyType
from typing import Any

import pytest

from kubefwd_operator.core.model import Endpoint, Service, ServicePort
from kubefwd_operator.engines.kubefwd.rows import Forward
from kubefwd_operator.engines.kubefwd.truth import Judgement, Place, Verdict, burnt, judge

HTTP, ADMIN = ServicePort(80, "http", target="web"), ServicePort(90, "admin", target=9090)
NIL = "<nil>"


def pod(name: str, *, ready: bool = True, hostname: str = "", **ports: int) -> Endpoint:
    """An endpoint; ports by ServicePort name, http 8080 and admin 9090 if there are none."""
    numbers = MappingProxyType(ports or {"http": 8080, "admin": 9090})
    return Endpoint(name, "10.0.0.1", ready, hostname, numbers)


def service(*pods: Endpoint, **other: Any) -> Service:
    given = {"ports": (HTTP,), "selector": MappingProxyType({"app": "web"}), **other}
    return Service("shop", "web", endpoints=pods, **given)


def row(pod: str = "a", octet: int = 1, port: int = 80, pod_port: int = 0, **other: Any) -> Forward:
    """A row of service web.shop at 127.1.27.OCTET, to the port that its pods have."""
    inside = pod_port or {80: 8080, 90: 9090}.get(port, port)
    given = {"service": "web", "namespace": "shop", "ip": f"127.1.27.{octet}", "status": "Active"}
    return Forward(**{**given, **other}, pod=pod, port=port, pod_port=inside, started=float(octet))


def own(pod: str, octet: int, **other: Any) -> Forward:
    """A row that a headless service has for each of its pods."""
    return row(pod, octet, **other, pod_name_in_host=True)


def judged(
    of: Service,
    rows: Sequence[Forward],
    *,
    silent: Collection[Forward] = (),
    timeouts: Collection[tuple[str, str]] = (),
) -> Judgement:
    """Judge one service; every row listens but the `silent` ones."""
    listening = frozenset((each.ip, each.port) for each in rows if each not in silent)
    (judgement,) = judge([of], rows, listening, timeouts)
    return judgement


BOTH = {"ports": (HTTP, ADMIN)}
A, A90, B = row("a"), row("a", port=90), row("b", 2)
GONE, LATE = row("gone", 7), row("a", 9)


@pytest.mark.parametrize(
    ("of", "rows", "silent", "expected", "missing"),
    [
        pytest.param(service(pod("a")), [A], [], Verdict.READY, (), id="one port"),
        pytest.param(service(pod("a"), **BOTH), [A, A90], [], Verdict.READY, (), id="two ports"),
        pytest.param(service(), [], [], Verdict.NO_ENDPOINTS, (), id="no pod"),
        pytest.param(
            service(pod("a", ready=False)), [], [], Verdict.NO_ENDPOINTS, (), id="no pod is ready"
        ),
        pytest.param(
            service(pod("a", ready=False)), [A], [], Verdict.NO_ENDPOINTS, (), id="nor need be"
        ),
        # rows
        pytest.param(service(pod("a")), [], [], Verdict.MISSING, (80,), id="vanished row"),
        pytest.param(
            service(pod("a"), **BOTH), [A], [], Verdict.MISSING, (90,), id="one of two ports dead"
        ),
        pytest.param(
            service(pod("a"), **BOTH),
            [A, row("a", 2, 90)],
            [],
            Verdict.MISSING,
            (80,),
            id="two ports at two addresses: the newer counts",
        ),
        pytest.param(
            service(pod("a"), ports=(HTTP, ServicePort(53, "dns", "UDP"))),
            [A],
            [],
            Verdict.READY,
            (),
            id="UDP is not expected",
        ),
        pytest.param(
            service(pod("a"), ports=(ServicePort(80, "quic", "UDP"), HTTP)),
            [row(pod_port=8081)],
            [],
            Verdict.STALE,
            (80,),
            id="one number for TCP and UDP: TCP counts",
        ),
        # sockets
        pytest.param(
            service(pod("a")), [A], [A], Verdict.NOT_LISTENING, (80,), id="Active, no socket"
        ),
        pytest.param(
            service(pod("a"), **BOTH),
            [A, A90],
            [A90],
            Verdict.NOT_LISTENING,
            (90,),
            id="one of two ports does not listen",
        ),
        pytest.param(
            service(pod("a"), ports=(HTTP, ADMIN, ServicePort(91, "more"))),
            [A, A90],
            [A90],
            Verdict.MISSING,
            (90, 91),
            id="missing before not listening",
        ),
        # what the rows lead to
        pytest.param(service(pod("b")), [GONE], [], Verdict.STALE, (80,), id="changed selector"),
        pytest.param(service(pod("b")), [GONE], [GONE], Verdict.STALE, (80,), id="dying pod"),
        pytest.param(
            service(pod("a", http=9999)), [A], [], Verdict.STALE, (80,), id="changed targetPort"
        ),
        pytest.param(
            service(pod("a", other=1)), [A], [], Verdict.READY, (), id="the catalog knows no number"
        ),
        pytest.param(
            service(pod("a"), ports=(ServicePort(81, "http"),)),
            [A],
            [],
            Verdict.STALE,
            (81,),
            id="changed port",
        ),
        pytest.param(service(pod("a")), [A, A90], [], Verdict.READY, (), id="port taken out"),
        pytest.param(
            service(pod("a"), ports=(HTTP, ServicePort(132, "sctp", "SCTP"))),
            [row(port=132)],
            [],
            Verdict.MISSING,
            (80,),
            id="a row for SCTP is not stale",
        ),
        pytest.param(
            service(pod("a"), pod("b")),
            [B, GONE],
            [],
            Verdict.READY,
            (),
            id="left over beside good",
        ),
        pytest.param(
            service(pod("a")), [A, GONE], [A], Verdict.STALE, (80,), id="left over beside silent"
        ),
        pytest.param(
            service(pod("a", ready=False), pod("b")),
            [A],
            [],
            Verdict.READY,
            (),
            id="its pod is not ready: kubefwd would come back to it",
        ),
        # addresses
        pytest.param(
            service(pod("a")), [row(ip=NIL)], [], Verdict.EXHAUSTED, (80,), id="no address"
        ),
        pytest.param(
            service(pod("a")), [A, row("b", ip=NIL)], [], Verdict.EXHAUSTED, (), id="one without"
        ),
        pytest.param(
            service(pod("a")), [row(ip="127.0.0.1")], [], Verdict.EXHAUSTED, (80,), id="localhost"
        ),
        pytest.param(
            service(pod("a")), [row(ip="127.1.26.255")], [], Verdict.EXHAUSTED, (80,), id="below"
        ),
        pytest.param(
            service(pod("a")), [row(ip="127.2.0.0")], [], Verdict.EXHAUSTED, (80,), id="above"
        ),
        pytest.param(service(pod("a")), [row(octet=0)], [], Verdict.READY, (), id="the 256th"),
        pytest.param(
            service(pod("a")), [row(ip="127.1.255.255")], [], Verdict.READY, (), id="the very last"
        ),
    ],
)
def test_verdicts(
    of: Service,
    rows: list[Forward],
    silent: list[Forward],
    expected: Verdict,
    missing: tuple[int, ...],
) -> None:
    judgement = judged(of, rows, silent=silent)
    assert (judgement.verdict, judgement.missing) == (expected, missing)
    assert judged(of, rows[::-1], silent=silent).verdict is expected


@pytest.mark.parametrize(
    ("of", "rows", "expected"),
    [
        pytest.param(service(pod("a")), [A], Verdict.HALF_OPEN, id="of all that is well"),
        pytest.param(service(pod("a"), **BOTH), [A], Verdict.HALF_OPEN, id="before missing"),
        pytest.param(service(pod("a", http=1)), [A], Verdict.HALF_OPEN, id="before stale"),
        pytest.param(service(pod("a")), [A, row(ip=NIL)], Verdict.EXHAUSTED, id="after exhausted"),
        pytest.param(service(pod("a", ready=False)), [A], Verdict.NO_ENDPOINTS, id="nobody ready"),
        pytest.param(service(pod("a"), pod("b")), [B], Verdict.READY, id="another pod's"),
        pytest.param(service(pod("b")), [row("a", 9), B], Verdict.READY, id="a left over pod's"),
        pytest.param(
            service(pod("a"), pod("b"), headless=True),
            [own("a", 1), own("b", 2)],
            Verdict.HALF_OPEN,
            id="one of two pods",
        ),
    ],
)
def test_half_open_connections(of: Service, rows: list[Forward], expected: Verdict) -> None:
    assert judged(of, rows, timeouts=[("shop", "a")]).verdict is expected
    assert judged(of, rows, timeouts=[("other", "a")]).verdict is not Verdict.HALF_OPEN


# --- headless services -----------------------------------------------------------------------

DB0, DB1 = pod("db-0", hostname="db-0"), pod("db-1", hostname="db-1")
FIRST, OWN0, OWN1 = row("db-0", 1), own("db-0", 2), own("db-1", 3)


@pytest.mark.parametrize(
    ("pods", "rows", "expected"),
    [
        pytest.param([DB0, DB1], [FIRST, OWN0, OWN1], Verdict.READY, id="all rows"),
        pytest.param([DB0, DB1], [OWN0, OWN1], Verdict.READY, id="a Pending first pod has no row"),
        pytest.param([DB0, DB1], [FIRST, OWN1], Verdict.READY, id="by its service's row"),
        pytest.param([DB0, DB1], [FIRST, OWN0], Verdict.MISSING, id="a pod that came later"),
        pytest.param(
            [DB0, pod("db-1", ready=False)], [FIRST, OWN0], Verdict.READY, id="one is not ready"
        ),
        pytest.param([DB0], [FIRST, OWN0, OWN1], Verdict.READY, id="one was taken out"),
        pytest.param([DB1], [FIRST, OWN0], Verdict.STALE, id="changed selector"),
        pytest.param(
            [DB0, pod("db-1", http=1)], [FIRST, OWN0, OWN1], Verdict.STALE, id="changed targetPort"
        ),
        pytest.param(
            [DB0, DB1], [FIRST, OWN0, own("db-1", 3, ip=NIL)], Verdict.EXHAUSTED, id="no address"
        ),
    ],
)
def test_headless(pods: list[Endpoint], rows: list[Forward], expected: Verdict) -> None:
    assert judged(service(*pods, headless=True), rows).verdict is expected


def test_each_ready_pod_of_a_headless_service_has_to_listen() -> None:
    judgement = judged(service(DB0, DB1, headless=True), [FIRST, OWN0, OWN1], silent=[OWN1])
    assert (judgement.verdict, judgement.missing) == (Verdict.NOT_LISTENING, (80,))
    assert judgement.addresses == (OWN0.ip,)
    assert judgement.pods == (("db-0", OWN0.ip),)


@pytest.mark.parametrize(
    ("pods", "rows", "addresses", "names"),
    [
        pytest.param([DB0, DB1], [OWN1, FIRST, OWN0], [2, 3], [2, 3], id="each pod once"),
        pytest.param(
            [DB0, DB1],
            [OWN1, OWN0, row("db-1", 9)],
            [2, 3],
            [2, 3],
            id="its own before a newer one",
        ),
        pytest.param(
            [DB0, DB1], [OWN0, row("db-1", 9)], [9, 2], [2, 9], id="the service's own row is first"
        ),
        pytest.param([DB0, DB1], [FIRST, OWN1], [1, 3], [1, 3], id="a pod by its service's row"),
        pytest.param(
            [DB0, pod("db-1", ready=False, hostname="db-1")],
            [FIRST, OWN0, OWN1],
            [2],
            [2, 3],
            id="to ready pods; each has its own name",
        ),
        pytest.param(
            [pod("db-0", ready=False), pod("db-1", ready=False)],
            [FIRST, OWN0, OWN1],
            [2, 3],
            [],
            id="none is ready: to all; no names without hostnames",
        ),
        pytest.param([DB0], [own("db-9", 9), OWN0], [2], [2], id="not to a pod that is gone"),
    ],
)
def test_where_a_headless_services_names_lead(
    pods: list[Endpoint], rows: list[Forward], addresses: list[int], names: list[int]
) -> None:
    judgement = judged(service(*pods, headless=True), rows)
    assert judgement.addresses == tuple(f"127.1.27.{octet}" for octet in addresses)
    assert [ip for _, ip in judgement.pods] == [f"127.1.27.{octet}" for octet in names]


# --- what can be named -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rows", "silent", "places"),
    [
        pytest.param([A90, A], [], [(1, 80), (1, 90)], id="all ports, in order"),
        pytest.param([A, A90], [A], [(1, 90)], id="those that listen"),
        pytest.param([A, A90], [A, A90], [], id="nothing listens"),
        pytest.param([GONE, A, A90], [], [(1, 80), (1, 90)], id="one address only"),
        pytest.param([GONE], [], [(7, 80)], id="a stale one is better than none"),
        pytest.param([GONE, LATE], [LATE], [(7, 80)], id="as long as nothing better listens"),
        pytest.param([row(ip=NIL)], [], [], id="no address"),
    ],
)
def test_live_places(
    rows: list[Forward], silent: list[Forward], places: list[tuple[int, int]]
) -> None:
    judgement = judged(service(pod("a", hostname="a"), **BOTH), rows, silent=silent)
    assert judgement.places == tuple((f"127.1.27.{octet}", port) for octet, port in places)
    assert judgement.addresses == tuple(dict.fromkeys(ip for ip, _ in judgement.places))
    assert judgement.pods == ()
    assert set(judgement.begun) == {(each.ip, each.port) for each in rows if each.ip != NIL}


@pytest.mark.parametrize(
    ("of", "rows", "works"),
    [
        pytest.param(service(pod("a")), [A], True, id="all"),
        pytest.param(service(pod("a"), **BOTH), [A], True, id="one port of two"),
        pytest.param(service(pod("a")), [], False, id="nothing"),
        pytest.param(service(pod("b")), [GONE], False, id="stale"),
        pytest.param(service(pod("a", ready=False)), [A], True, id="held in a debugger"),
        pytest.param(service(pod("slow")), [row("slow")], False, id="half open"),
        pytest.param(
            service(pod("slow"), pod("a"), headless=True),
            [own("slow", 1), own("a", 2)],
            True,
            id="one pod of two",
        ),
    ],
)
def test_what_works_be_it_in_part(of: Service, rows: list[Forward], works: bool) -> None:
    assert judged(of, rows, timeouts=[("shop", "slow")]).works is works


@pytest.mark.parametrize(
    ("status", "verdict"),
    [("Active", Verdict.READY), ("Connecting", Verdict.NOT_LISTENING)],
)
def test_without_sockets_kubefwd_is_believed(status: str, verdict: Verdict) -> None:
    (judgement,) = judge([service(pod("a"))], [row(status=status)], None)
    assert judgement.verdict is verdict


def test_with_sockets_it_is_not() -> None:
    place: Place = (A.ip, A.port)
    (judgement,) = judge([service(pod("a"))], [row(status="Connecting")], frozenset([place]))
    assert judgement.verdict is Verdict.READY


def test_each_is_judged_by_its_own_rows_and_in_order() -> None:
    good, bad = (
        service(pod("a")),
        Service("other", "web", (HTTP,), (pod("a"),), selector={"a": "b"}),
    )
    found = judge([bad, good], [A], frozenset([(A.ip, A.port)]))
    assert [(each.key, each.verdict) for each in found] == [
        (("other", "web"), Verdict.MISSING),
        (("shop", "web"), Verdict.READY),
    ]


@pytest.mark.parametrize(
    "of",
    [
        pytest.param(service(pod("a"), external_name="example.org"), id="ExternalName"),
        pytest.param(service(pod("a"), selector={}), id="no selector"),
        pytest.param(service(pod("a"), ports=(ServicePort(53, protocol="UDP"),)), id="UDP only"),
    ],
)
def test_what_cannot_be_forwarded_is_not_judged(of: Service) -> None:
    assert judge([of], [], frozenset()) == ()


@pytest.mark.parametrize(
    ("ips", "octet"),
    [
        pytest.param([], 0, id="no row"),
        pytest.param(["127.1.27.1", "127.1.27.19", "127.1.27.3"], 19, id="the highest"),
        pytest.param(["127.1.28.7", "127.1.27.3"], 7, id="of any namespace"),
        pytest.param(["127.1.27.255", "127.1.27.0"], 256, id="the 256th ends in 0"),
        pytest.param(["<nil>", "127.0.0.200", "127.1.27.2"], 2, id="others do not count"),
        pytest.param([f"127.1.27.{n}" for n in range(1, 241)], 0, id="all of them are in use"),
        pytest.param([f"127.1.27.{n}" for n in range(121, 241)], 240, id="half of them are"),
    ],
)
def test_how_far_addresses_are_used_up(ips: list[str], octet: int) -> None:
    rows = [row(ip=ip, namespace=ip.split(".")[2]) if ip[0] == "1" else row(ip=ip) for ip in ips]
    assert burnt(rows) == octet
