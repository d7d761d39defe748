"""Links: what a browser can open, and what it is told to open."""

import pytest

from kubefwd_operator.core.links import Link, links
from kubefwd_operator.core.model import Service, ServicePort, ServiceSeen, ServiceState
from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason

LONG = "web.shopfront.svc.cluster.local"
NAMES = ("web", "web.shopfront", "web.shopfront.svc", LONG)


def seen(
    *ports: int, names: tuple[str, ...] = NAMES, problems: tuple[Problem, ...] = ()
) -> ServiceSeen:
    return ServiceSeen("shopfront", "web", ServiceState.READY, "127.18.0.3", ports, names, problems)


def first(found: tuple[Link, ...]) -> str:
    return found[0].url if found else ""


def service(*ports: ServicePort) -> Service:
    return Service("shopfront", "web", ports)


@pytest.mark.parametrize(
    "ports, expected",
    [
        pytest.param([ServicePort(80)], "http://web.shopfront", id="80"),
        pytest.param([ServicePort(443)], "https://web.shopfront", id="443"),
        pytest.param([ServicePort(8080)], "http://web.shopfront:8080", id="8080"),
        pytest.param([ServicePort(8443)], "https://web.shopfront:8443", id="8443"),
        pytest.param([ServicePort(5432)], "", id="a database"),
        pytest.param([], "", id="nothing listens"),
        pytest.param([ServicePort(7000, "http")], "http://web.shopfront:7000", id="named http"),
        pytest.param([ServicePort(7000, "http-admin")], "http://web.shopfront:7000", id="http-..."),
        pytest.param(
            [ServicePort(7000, "https-api")], "https://web.shopfront:7000", id="https-..."
        ),
        pytest.param([ServicePort(80, "grpc")], "", id="named grpc"),
        pytest.param([ServicePort(8080, "tcp-metrics")], "", id="named tcp"),
        pytest.param(
            [ServicePort(80, "main")], "http://web.shopfront", id="a name that says nothing"
        ),
        pytest.param(
            [ServicePort(7000, app_protocol="HTTP")],
            "http://web.shopfront:7000",
            id="protocol says http",
        ),
        pytest.param(
            [ServicePort(80, "http", app_protocol="grpc")],
            "",
            id="protocol goes before name and number",
        ),
        pytest.param([ServicePort(80, app_protocol="kubernetes.io/h2c")], "", id="h2c"),
        pytest.param([ServicePort(8080, "h2c")], "", id="named h2c"),
        pytest.param([ServicePort(8080, "mongodb")], "", id="named after a database"),
        pytest.param([ServicePort(9000)], "", id="9000 may be anything"),
        pytest.param([ServicePort(80, protocol="UDP")], "", id="UDP"),
        pytest.param(
            [ServicePort(7000, app_protocol="kubernetes.io/wss")],
            "https://web.shopfront:7000",
            id="protocol says wss",
        ),
        pytest.param(
            [ServicePort(8080), ServicePort(80)], "http://web.shopfront", id="80 goes before others"
        ),
        pytest.param(
            [ServicePort(443), ServicePort(80)], "http://web.shopfront", id="80 goes before 443"
        ),
        pytest.param(
            [ServicePort(5432, "postgres"), ServicePort(8080)],
            "http://web.shopfront:8080",
            id="the port that speaks http",
        ),
    ],
)
def test_http_is_guessed_from_protocol_name_and_number(
    ports: list[ServicePort], expected: str
) -> None:
    assert first(links(seen(*(port.port for port in ports)), service(*ports))) == expected


@pytest.mark.parametrize(
    "names, problems, expected",
    [
        pytest.param(NAMES, (), "http://web.shopfront", id="short"),
        pytest.param(
            NAMES,
            (Problem(Reason.SHADOWS_PUBLIC_NAME, ""),),
            f"http://{LONG}",
            id="hides a public name",
        ),
        pytest.param(("web", LONG), (), f"http://{LONG}", id="short is withheld"),
        pytest.param((), (), "", id="no names"),
        pytest.param(("web",), (), "", id="bare only"),
    ],
)
def test_the_name_in_a_link(
    names: tuple[str, ...], problems: tuple[Problem, ...], expected: str
) -> None:
    assert (
        first(links(seen(80, names=names, problems=problems), service(ServicePort(80)))) == expected
    )


def test_a_port_that_does_not_listen_is_not_linked() -> None:
    assert first(links(seen(5432), service(ServicePort(80), ServicePort(5432)))) == ""


def test_a_service_that_the_catalog_has_lost_is_judged_by_number() -> None:
    assert first(links(seen(8080), None)) == "http://web.shopfront:8080"


def test_every_web_port_has_a_link_and_a_name_of_its_own() -> None:
    ports = [ServicePort(8080), ServicePort(443), ServicePort(80), ServicePort(5432)]
    assert links(seen(*(port.port for port in ports)), service(*ports)) == (
        Link("http://web.shopfront", "web"),
        Link("https://web.shopfront", "web:443"),
        Link("http://web.shopfront:8080", "web:8080"),
    )


def test_the_ports_of_pods_that_a_headless_service_listens_on_are_not_linked() -> None:
    assert first(links(seen(8080, 80), service(ServicePort(80, target=8080)))) == (
        "http://web.shopfront"
    )
    assert len(links(seen(8080, 80), service(ServicePort(80, target=8080)))) == 1


def test_a_port_of_udp_does_not_hide_that_of_tcp() -> None:
    both = (ServicePort(443, "https"), ServicePort(443, "h3-udp", "UDP"))
    assert first(links(seen(443), service(*both))) == "https://web.shopfront"
