"""What policies do to the list of namespaces, and what is said of policies."""

from types import MappingProxyType

import pytest

from kubefwd_operator.core.desired import Decision, desire
from kubefwd_operator.core.facts import Applied, TiltFacts
from kubefwd_operator.core.invited import MAX_INVITED, unmatched
from kubefwd_operator.core.memory import Memory
from kubefwd_operator.core.model import (
    UNREAD,
    CatalogSeen,
    ClusterRef,
    Forward,
    NamespacePolicy,
    NamespaceSeen,
    PoliciesSeen,
    Service,
)
from kubefwd_operator.core.policies import SKIP
from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rules import Rules, ServiceRule
from kubefwd_operator.core.settings import Settings

KIND = ClusterRef("/run/kubeconfig", "kind-dev", "kind")
FACTS = TiltFacts(
    cluster_exists=True, cluster=KIND, applies=(Applied("web", "u", True, ("shop",), False, "1"),)
)


def policies(**namespaces: Forward) -> PoliciesSeen:
    found = {
        name: NamespacePolicy(forward, f"ForwardPolicy {name}/p", "2026")
        for name, forward in namespaces.items()
    }
    return PoliciesSeen(True, MappingProxyType(found))


def decide(
    seen: PoliciesSeen, settings: Settings | None = None, memory: Memory | None = None
) -> Decision:
    return desire(FACTS, settings or Settings(), memory or Memory(), seen)


def told(decision: Decision) -> list[tuple[str, Reason]]:
    return [(fault.subject, fault.problem.reason) for fault in decision.policies]


ALWAYS, NEVER, WHEN_DEPLOYED = Forward.ALWAYS, Forward.NEVER, Forward.WHEN_DEPLOYED


@pytest.mark.parametrize(
    "seen, settings, memory, wanted, said",
    [
        pytest.param(policies(), Settings(), Memory(), ["shop tilt"], [], id="none"),
        pytest.param(
            policies(bank=ALWAYS),
            Settings(),
            Memory(added=("zoo",)),
            ["shop tilt", "zoo button", "bank policy"],
            [],
            id="always, last in order",
        ),
        pytest.param(policies(shop=ALWAYS), Settings(), Memory(), ["shop tilt"], [], id="both"),
        pytest.param(
            policies(shop=WHEN_DEPLOYED, bank=WHEN_DEPLOYED),
            Settings(),
            Memory(),
            ["shop tilt"],
            [],
            id="when deployed",
        ),
        pytest.param(
            policies(shop=NEVER), Settings(), Memory(), [], ["shop PolicyFollowed"], id="never"
        ),
        pytest.param(
            policies(shop=NEVER),
            Settings(namespaces=("shop",)),
            Memory(),
            ["shop argument"],
            ["shop PolicyOverruled"],
            id="the argument wins over never",
        ),
        pytest.param(
            policies(shop=NEVER),
            Settings(),
            Memory(added=("shop",)),
            ["shop tilt"],
            ["shop PolicyOverruled"],
            id="the button wins over never",
        ),
        pytest.param(policies(bank=NEVER), Settings(), Memory(), ["shop tilt"], [], id="elsewhere"),
        pytest.param(
            policies(bank=ALWAYS),
            Settings(exclude=frozenset({"bank"})),
            Memory(),
            ["shop tilt"],
            ["bank PolicyOverruled"],
            id="exclude wins over always",
        ),
        pytest.param(
            policies(bank=ALWAYS),
            Settings(),
            Memory(stopped=("bank",)),
            ["shop tilt"],
            [],
            id="stopped with the button",
        ),
    ],
)
def test_which_namespaces_are_forwarded(
    seen: PoliciesSeen, settings: Settings, memory: Memory, wanted: list[str], said: list[str]
) -> None:
    decision = decide(seen, settings, memory)
    assert [f"{each.name} {each.source}" for each in decision.desired.namespaces] == wanted
    assert told(decision) == [
        (f"ForwardPolicy {line.split()[0]}/p", line.split()[1]) for line in said
    ]


def test_policies_bring_in_so_many_and_no_more() -> None:
    many = policies(**{f"n{number:04}": ALWAYS for number in range(5000)})
    decision = decide(many)
    assert len(decision.desired.namespaces) == MAX_INVITED + 1
    assert {reason for _, reason in told(decision)} == {Reason.LIMIT_REACHED}
    assert len(decision.policies) <= 100


def test_until_policies_are_known_nothing_is_decided() -> None:
    assert decide(UNREAD).desired.pending == {"shop"}
    assert decide(policies()).desired.pending == frozenset()
    assert decide(PoliciesSeen(True, only=frozenset({"bank"}))).desired.pending == {"shop"}
    assert decide(PoliciesSeen(True, only=frozenset({"shop"}))).desired.pending == frozenset()


def test_faults_of_policies_are_told() -> None:
    fault = Fault("ForwardPolicy bank/p", Problem(Reason.POLICY_INVALID, "It is wrong."))
    seen = PoliciesSeen(True, {"bank": NamespacePolicy(faults=(fault,))})
    assert decide(seen).policies == (fault,)


def test_the_developers_skip_wins_over_a_policy() -> None:
    rule = ServiceRule("web", hostnames=("shop.test",), by="ForwardPolicy shop/p")
    seen = PoliciesSeen(True, {"shop": NamespacePolicy(rules=Rules(services={"web": rule}))})
    desired = decide(seen, Settings(skip=(("shop", "web"), ("bank", "api")))).desired
    assert desired.rules_of("shop").skipped_by("web", {}) == f"{SKIP} says to skip it"
    assert desired.rules_of("shop").of("web").hostnames == ()
    assert desired.rules_of("bank").of("api").skip
    assert decide(seen).desired.rules_of("shop").of("web") == rule


@pytest.mark.parametrize(
    "skip, settled, said",
    [
        pytest.param(("shop", "web"), True, "", id="there"),
        pytest.param(("shop", "wen"), False, "no such service", id="no such service"),
        pytest.param(("bank", "api"), False, "", id="another namespace, at the start"),
        pytest.param(("bank", "api"), True, "not forwarded", id="another namespace"),
    ],
)
def test_a_skip_that_matches_nothing_is_told(
    skip: tuple[str, str], settled: bool, said: str
) -> None:
    desired = decide(policies(), Settings(skip=(skip,))).desired
    services = (Service("shop", "web"),)
    catalog = CatalogSeen(KIND, {"shop": NamespaceSeen(services, synced=True)})
    messages = [fault.problem.message for fault in unmatched(desired, catalog, settled=settled)]
    assert len(messages) == bool(said)
    assert all(said in message and "/".join(skip) in message for message in messages)


def test_a_skip_is_not_judged_before_its_namespace_has_been_read() -> None:
    desired = decide(policies(), Settings(skip=(("shop", "web"),))).desired
    assert not list(unmatched(desired, CatalogSeen(KIND), settled=True))
