"""Rules: which labels a selector fits, and what is said of a service that is skipped."""

import pytest

from kubefwd_operator.core.rules import Requirement, Rules, Selector, ServiceRule

LABELS = {"app": "web", "tier": "front", "empty": ""}


@pytest.mark.parametrize(
    "key, operator, values, fits",
    [
        pytest.param("app", "In", ("web", "api"), True, id="in"),
        pytest.param("app", "In", ("api",), False, id="not among them"),
        pytest.param("team", "In", ("a",), False, id="in, without the label"),
        pytest.param("empty", "In", ("",), True, id="the empty value"),
        pytest.param("team", "In", ("",), False, id="no label is not an empty one"),
        pytest.param("app", "NotIn", ("api",), True, id="not in"),
        pytest.param("app", "NotIn", ("web",), False, id="not in, but it is"),
        pytest.param("team", "NotIn", ("a",), True, id="not in, without the label"),
        pytest.param("tier", "Exists", (), True, id="exists"),
        pytest.param("team", "Exists", (), False, id="does not exist"),
        pytest.param("team", "DoesNotExist", (), True, id="is not there"),
        pytest.param("tier", "DoesNotExist", (), False, id="is there"),
    ],
)
def test_a_requirement_holds_as_in_kubernetes(
    key: str, operator: str, values: tuple[str, ...], fits: bool
) -> None:
    assert Requirement(key, operator, values).holds(LABELS) is fits


@pytest.mark.parametrize(
    "requirements, fits",
    [
        pytest.param((), True, id="an empty selector fits everything"),
        pytest.param((Requirement("app", "In", ("web",)),), True, id="one"),
        pytest.param(
            (Requirement("app", "In", ("web",)), Requirement("tier", "Exists")), True, id="both"
        ),
        pytest.param(
            (Requirement("app", "In", ("web",)), Requirement("team", "Exists")),
            False,
            id="one of two",
        ),
    ],
)
def test_all_of_a_selector_has_to_hold(requirements: tuple[Requirement, ...], fits: bool) -> None:
    assert Selector(requirements).fits(LABELS) is fits


FRONT = Selector((Requirement("tier", "In", ("front",)),), by="ForwardPolicy shop/front")


@pytest.mark.parametrize(
    "rules, labels, said",
    [
        pytest.param(Rules(), LABELS, "", id="no rules"),
        pytest.param(Rules(FRONT), LABELS, "", id="fits"),
        pytest.param(
            Rules(FRONT),
            {},
            "its labels do not fit the serviceSelector of ForwardPolicy shop/front",
            id="does not fit",
        ),
        pytest.param(
            Rules(services={"web": ServiceRule("web", skip=True, by="the argument `skip`")}),
            LABELS,
            "the argument `skip` says to skip it",
            id="skipped",
        ),
        pytest.param(
            Rules(FRONT, {"web": ServiceRule("web", by="ForwardPolicy shop/web")}),
            {},
            "",
            id="named, so the selector does not judge it",
        ),
        pytest.param(Rules(services={"api": ServiceRule("api", skip=True)}), {}, "", id="another"),
    ],
)
def test_who_said_so_is_told(rules: Rules, labels: dict[str, str], said: str) -> None:
    assert rules.skipped_by("web", labels) == said
