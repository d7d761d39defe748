"""Who waits for a name, as it stands in the hosts file."""

import pytest

from kubefwd_operator.privileged.rivals import Contested, contested, holders, waiting
from kubefwd_operator.root.helper.hosts import without

ME, OTHER = "1000.tilt-10350", "1001.tilt-10350"


@pytest.mark.parametrize(
    "content, found",
    [
        pytest.param(
            f"# waits for a b.c # kubefwd-operator:{ME}\n", {"a": ME, "b.c": ME}, id="two"
        ),
        pytest.param("# waits for a\n", {}, id="a comment of the user's"),
        pytest.param(f"# waits for \xe9 # kubefwd-operator:{ME}\n", {}, id="not a name"),
        pytest.param(
            f"10.0.0.1 x # waits for a # kubefwd-operator:{ME}\n", {}, id="not at the start"
        ),
    ],
)
def test_who_waits_for_a_name(content: str, found: dict[str, str]) -> None:
    assert waiting(content.encode()) == found
    assert without(content.encode(), lambda owner: owner == OTHER) == content.encode()


def test_names_that_nobody_waits_for_are_not_told() -> None:
    content = f"# waits for web api # kubefwd-operator:{OTHER}\n"
    assert contested(["db", "api"], content.encode()) == (Contested("api", OTHER),)


@pytest.mark.parametrize(
    "content, found",
    [
        pytest.param("10.0.0.1 web", {"web": "10.0.0.1"}, id="a line of the user's"),
        pytest.param("10.0.0.1\tx WEB. # web\n", {"web": "10.0.0.1"}, id="in another way"),
        pytest.param(
            f"127.18.0.3 web # kubefwd-operator:{OTHER}\n", {"web": OTHER}, id="another's"
        ),
        pytest.param(
            f"10.0.0.1 web\n127.18.0.3 web # kubefwd-operator:{OTHER}\n",
            {"web": "10.0.0.1"},
            id="the user's counts, before",
        ),
        pytest.param(
            f"127.18.0.3 web # kubefwd-operator:{OTHER}\n10.0.0.1 web\n",
            {"web": "10.0.0.1"},
            id="the user's counts, behind",
        ),
        pytest.param("10.0.0.1 web.a\n", {}, id="another name"),
        pytest.param("# web\n\n", {}, id="a comment"),
    ],
)
def test_who_holds_a_name(content: str, found: dict[str, str]) -> None:
    assert holders(["web"], content.encode()) == found
