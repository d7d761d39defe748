"""Which pods a listener may mean."""

import pytest
from tests.unit.native.kit import pod, service

from kubefwd_operator.engines.native.target import Choice, Target, choices


@pytest.mark.parametrize(
    "target, found",
    [
        (Target("shop-a", "web", "http"), [("a", 8080), ("c", 8081)]),
        (Target("shop-a", "web", "metrics"), [("c", 9090)]),
        (Target("shop-a", "web", "http", "host-c"), [("c", 8081)]),
        (Target("shop-a", "web", "http", "a"), [("a", 8080)]),
        (Target("shop-a", "web", "other"), []),
    ],
    ids=["each pod's own number", "not all have it", "by hostname", "by pod", "nobody has it"],
)
def test_choices(target: Target, found: list[tuple[str, int]]) -> None:
    of = service(
        "web",
        pod("a", http=8080),
        pod("b", http=8080, ready=False),
        pod("c", http=8081, metrics=9090, hostname="host-c"),
    )
    assert choices(of, target) == [Choice("shop-a", name, port) for name, port in found]
