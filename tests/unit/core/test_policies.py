"""ForwardPolicy objects: what is taken, what is refused, and who wins where two disagree."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubefwd_operator.core.model import Forward, NamespacePolicy
from kubefwd_operator.core.policies import MAX_POLICIES, Policy, merge, parse
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Requirement, Selector, ServiceRule

BY = "ForwardPolicy billing/web"


def raw(name: str = "web", created: str = "2026-01-02T03:04:05Z", **spec: object) -> dict[str, Any]:
    meta = {"namespace": "billing", "name": name, "creationTimestamp": created}
    return {"metadata": meta, "spec": spec}


def service(**row: object) -> dict[str, object]:
    return {"services": [{"name": "ledger", **row}]}


def expression(**row: object) -> dict[str, object]:
    return {"serviceSelector": {"matchExpressions": [row]}}


def parsed(item: dict[str, Any]) -> Policy:
    policy = parse(item)
    assert policy is not None
    return policy


def test_an_object_becomes_a_value() -> None:
    policy = parsed(
        raw(
            forward="Always",
            serviceSelector={
                "matchLabels": {"tier": "front"},
                "matchExpressions": [{"key": "team", "operator": "Exists"}],
            },
            services=[
                {"name": "ledger", "skip": True},
                {
                    "name": "web",
                    "hostnames": ["shop.test"],
                    "ports": [{"port": 80, "localPort": 8080}],
                },
            ],
        )
    )
    assert policy == Policy(
        "billing",
        "web",
        "2026-01-02T03:04:05Z",
        Forward.ALWAYS,
        Selector((Requirement("tier", "In", ("front",)), Requirement("team", "Exists")), BY),
        (
            ServiceRule("ledger", skip=True, by=BY),
            ServiceRule("web", hostnames=("shop.test",), ports=((80, 8080),), by=BY),
        ),
    )


def test_an_empty_spec_changes_nothing() -> None:
    assert parsed(raw()) == Policy("billing", "web", "2026-01-02T03:04:05Z")


@pytest.mark.parametrize(
    "spec, sentence",
    [
        pytest.param({"forward": "Sometimes"}, "spec.forward is one of", id="forward"),
        pytest.param({"forward": ["Always"]}, "spec.forward is one of", id="forward, a list"),
        pytest.param(
            {"forward": "Never", **service()}, "nothing to say about services", id="never, services"
        ),
        pytest.param(
            {"forward": "Never", "serviceSelector": {}}, "nothing to say", id="never, selector"
        ),
        pytest.param({"services": {}}, "spec.services is a list", id="services, an object"),
        pytest.param(
            {"services": [{"name": f"s{n}"} for n in range(65)]}, "at most 64", id="many services"
        ),
        pytest.param({"services": ["web"]}, "spec.services[0] is an object", id="service, a text"),
        pytest.param({"services": [{}]}, "is not the name of a service", id="no name"),
        pytest.param(
            {"services": [{"name": "a"}, {"name": "a"}]}, "'a' is there twice", id="name twice"
        ),
        pytest.param({"services": [{"name": "../x"}]}, "not the name of a service", id="path"),
        pytest.param(service(skip="yes"), "skip is true or false", id="skip, a text"),
        pytest.param(service(skip=True, hostnames=["a.test"]), "neither", id="skip, hostnames"),
        pytest.param(service(hostnames="a.test"), "is a list of at most 8", id="hostnames, a text"),
        pytest.param(service(hostnames=["localhost"]), "two labels or more", id="one label"),
        pytest.param(service(hostnames=["A.test"]), "two labels or more", id="upper case"),
        pytest.param(service(hostnames=["a.test\nb.test"]), "two labels", id="line break"),
        pytest.param(service(hostnames=["a..test"]), "two labels or more", id="empty label"),
        pytest.param(service(hostnames=["a.test."]), "two labels or more", id="final dot"),
        pytest.param(service(hostnames=[f"{'a.' * 125}test"]), "two labels", id="too long"),
        pytest.param(service(hostnames=[7]), "two labels or more", id="hostname, a number"),
        pytest.param(service(hostnames=["a.test"] * 2), "'a.test' is there twice", id="twice"),
        pytest.param(
            service(hostnames=[f"h{n}.test" for n in range(9)]), "at most 8", id="many hostnames"
        ),
        pytest.param(service(ports=[{"port": 80}]), "whole numbers", id="no localPort"),
        pytest.param(service(ports=[{"port": 0, "localPort": 1}]), "whole numbers", id="port 0"),
        pytest.param(
            service(ports=[{"port": 1, "localPort": 65536}]), "whole numbers", id="port 65536"
        ),
        pytest.param(
            service(ports=[{"port": True, "localPort": 1}]), "whole numbers", id="port, a boolean"
        ),
        pytest.param(
            service(ports=[{"port": 1, "localPort": 3}, {"port": 2, "localPort": 3}]),
            "as localPort: '3' is there twice",
            id="two ports on one localPort",
        ),
        pytest.param(
            service(ports=[{"port": 1, "localPort": 3}, {"port": 1, "localPort": 4}]),
            "as port: '1' is there twice",
            id="one port on two localPorts",
        ),
        pytest.param({"serviceSelector": []}, "spec.serviceSelector is an object", id="selector"),
        pytest.param(
            {"serviceSelector": {"matchLabels": {"a": 1}}}, "as Kubernetes has them", id="label"
        ),
        pytest.param(
            {"serviceSelector": {"matchLabels": {f"l{n}": "" for n in range(17)}}},
            "at most 16",
            id="many labels",
        ),
        pytest.param(expression(key="a", operator="Gt"), "is one of In, NotIn", id="operator"),
        pytest.param(expression(key="a", operator="In"), "take values", id="in without values"),
        pytest.param(
            expression(key="a", operator="Exists", values=["b"]), "take none", id="exists, values"
        ),
        pytest.param(expression(operator="Exists"), "as Kubernetes has them", id="no key"),
    ],
)
def test_an_object_with_anything_wrong_counts_for_nothing(
    spec: dict[str, Any], sentence: str
) -> None:
    policy = parsed(raw(**spec))
    assert sentence in policy.error
    assert policy == Policy("billing", "web", "2026-01-02T03:04:05Z", error=policy.error)


@pytest.mark.parametrize(
    "item",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"metadata": {"name": "a"}, "spec": {}}, id="no namespace"),
        pytest.param({"metadata": {"name": "a", "namespace": "A"}, "spec": {}}, id="namespace"),
        pytest.param({"metadata": {"name": "a b", "namespace": "a"}, "spec": {}}, id="name"),
    ],
)
def test_an_object_that_cannot_be_named_is_left_out(item: dict[str, Any]) -> None:
    assert parse(item) is None


def test_an_object_without_a_spec_is_told() -> None:
    assert parsed({"metadata": raw()["metadata"]}).error == "spec is an object."


WORDS = st.sampled_from(["", "a", "name", "skip", "hostnames", "ports", "matchLabels", "Always"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=8,
)
KEYS = ("forward", "serviceSelector", "services")


@given(st.dictionaries(st.sampled_from(KEYS), JSON))
def test_whatever_the_cluster_holds_it_is_read_or_told(spec: dict[str, Any]) -> None:
    policy = parsed(raw(**spec))
    assert policy.error or isinstance(policy.forward, Forward)


# --- several ---------------------------------------------------------------------------------


def merged(*items: dict[str, Any]) -> NamespacePolicy:
    ((_, found),) = merge(map(parsed, items)).values()
    return found


def told(policy: NamespacePolicy) -> list[tuple[str, Reason]]:
    return [(fault.subject, fault.problem.reason) for fault in policy.faults]


OLD, YOUNG = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"


@pytest.mark.parametrize(
    "first, second",
    [
        pytest.param(raw("z", OLD, forward="Never"), raw("a", YOUNG, forward="Always"), id="age"),
        pytest.param(raw("a", OLD, forward="Never"), raw("z", OLD, forward="Always"), id="name"),
        pytest.param(
            raw("z", OLD, forward="Never"), raw("a", "", forward="Always"), id="no age is youngest"
        ),
    ],
)
def test_of_two_that_disagree_the_older_one_wins(
    first: dict[str, Any], second: dict[str, Any]
) -> None:
    for order in ((first, second), (second, first)):
        found = merged(*order)
        assert (found.forward, found.created) == (Forward.NEVER, OLD)
        assert found.by == f"ForwardPolicy billing/{first['metadata']['name']}"
        loser = f"ForwardPolicy billing/{second['metadata']['name']}"
        assert told(found) == [(loser, Reason.POLICY_CONFLICT)]
        assert f"Not followed is forward: Always: {found.by} " in found.faults[0].problem.message


def test_whoever_says_the_same_or_nothing_does_not_disagree() -> None:
    found = merged(
        raw("a", OLD, **service(skip=True)),
        raw("b", YOUNG, forward="Always", **service(skip=True)),
        raw("c", YOUNG, forward="Always"),
    )
    assert (found.forward, found.by, told(found)) == (
        Forward.ALWAYS,
        "ForwardPolicy billing/b",
        [],
    )
    assert found.rules.of("ledger").by == "ForwardPolicy billing/a"


def test_services_and_selectors_are_judged_one_by_one() -> None:
    front = {"serviceSelector": {"matchLabels": {"tier": "front"}}}
    found = merged(
        raw("a", OLD, services=[{"name": "web", "hostnames": ["a.test"]}]),
        raw("b", YOUNG, services=[{"name": "web"}, {"name": "api", "skip": True}], **front),
        raw("c", YOUNG, serviceSelector={"matchLabels": {"tier": "back"}}),
    )
    assert found.rules.of("web").hostnames == ("a.test",)
    assert found.rules.of("api").skip
    assert found.rules.selector == Selector(
        (Requirement("tier", "In", ("front",)),), "ForwardPolicy billing/b"
    )
    assert told(found) == [
        ("ForwardPolicy billing/c", Reason.POLICY_CONFLICT),
        ("ForwardPolicy billing/b", Reason.POLICY_CONFLICT),
    ]


def test_an_invalid_one_is_named_and_the_others_count() -> None:
    found = merged(raw("a", OLD, forward="Sometimes"), raw("b", YOUNG, forward="Always"))
    assert found.forward == Forward.ALWAYS
    assert told(found) == [("ForwardPolicy billing/a", Reason.POLICY_INVALID)]
    assert "spec.forward is one of" in found.faults[0].problem.message


def test_the_oldest_count_when_there_are_too_many() -> None:
    some = [raw(f"p{n:02}", OLD, **service()) for n in range(MAX_POLICIES)]
    found = merged(raw("z", YOUNG, forward="Always"), *some)
    assert found.forward == Forward.WHEN_DEPLOYED
    assert told(found) == [("ForwardPolicy billing/z", Reason.POLICY_INVALID)]


def test_namespaces_are_kept_apart() -> None:
    other = raw(forward="Never")
    other["metadata"] = {**other["metadata"], "namespace": "shop"}
    found = merge(map(parsed, (raw(forward="Always"), other)))
    assert {name: each.forward for name, (_, each) in found.items()} == {
        "billing": Forward.ALWAYS,
        "shop": Forward.NEVER,
    }


def test_what_has_not_changed_is_not_put_together_again() -> None:
    other = raw(forward="Never")
    other["metadata"] = {**other["metadata"], "namespace": "shop"}
    billing, shop = parsed(raw()), parsed(other)
    before = merge((billing, shop))
    after = merge((replace(billing, forward=Forward.ALWAYS), shop), before)
    assert after["shop"] is before["shop"]
    assert after["billing"][1].forward == Forward.ALWAYS
    assert list(merge((shop,), after)) == ["shop"]
