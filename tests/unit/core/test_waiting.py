"""What is waited for, and the reason that is given when it does not come."""

from typing import Any

import pytest

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.model import FOREIGN, Dialled
from kubefwd_operator.core.waiting import Found, Wanted, explain, seconds, wanted

LONG = "web.storefront.svc.cluster.local"


@pytest.mark.parametrize(
    "text, expected",
    [
        pytest.param("web:80", Wanted("web", 80), id="bare"),
        pytest.param("web.storefront:80", Wanted("web.storefront", 80), id="short"),
        pytest.param(f"{LONG}:443", Wanted(LONG, 443), id="long"),
        pytest.param("db-0.db.billing:5432", Wanted("db-0.db.billing", 5432), id="pod"),
        pytest.param("Web.Storefront.:80", Wanted("web.storefront", 80), id="capitals and a dot"),
        pytest.param(" web:65535 ", Wanted("web", 65535), id="blanks"),
    ],
)
def test_a_name_and_a_port_are_taken(text: str, expected: Wanted) -> None:
    assert wanted(text) == expected


@pytest.mark.parametrize(
    "text, sentence",
    [
        pytest.param("web", "is not NAME:PORT", id="no port"),
        pytest.param("web:", "is not NAME:PORT", id="empty port"),
        pytest.param("web:http", "is not NAME:PORT", id="port by name"),
        pytest.param("web:0", "is not NAME:PORT", id="port 0"),
        pytest.param("web:65536", "is not NAME:PORT", id="port too high"),
        pytest.param("web:" + "9" * 5000, "is not NAME:PORT", id="port of many digits"),
        pytest.param("web:\N{SUPERSCRIPT TWO}", "is not NAME:PORT", id="port of another script"),
        pytest.param(":80", "'' is not a name", id="no name"),
        pytest.param("http://web:80", "'http://web' is not a name", id="url"),
        pytest.param("web_1:80", "'web_1' is not a name", id="underscore"),
        pytest.param("[::1]:80", "is not a name", id="IPv6 address"),
        pytest.param("a" * 64 + ":80", "is not a name", id="label too long"),
        pytest.param(".".join(["a" * 60] * 5) + ":80", "is not a name", id="name too long"),
    ],
)
def test_what_is_no_name_and_port_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(SettingsError) as error:
        wanted(text)
    assert sentence in str(error.value)


@pytest.mark.parametrize(
    "text, expected", [("90", 90), ("90s", 90), ("2m", 120), ("1h", 3600), ("24h", 86400)]
)
def test_a_time_is_taken(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "0", "0s", "-1s", "1.5s", "soon", "1m30s", "25h", "9" * 7])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(SettingsError, match="is not a time: use seconds"):
        seconds(text)


def row(**more: Any) -> dict[str, Any]:
    names = ["web.storefront", "web.storefront.svc", LONG]
    whole = {"namespace": "storefront", "service": "web", "names": names, "ports": [80, 443]}
    return {**whole, "address": "127.18.0.3", "state": "Ready", "reason": "", "message": "", **more}


def status(*services: dict[str, Any], state: str = "Ready", **more: Any) -> dict[str, Any]:
    namespaces = [{"name": "storefront", "ready": True, "reason": "Ready", "message": "1 service"}]
    whole = {"state": state, "message": f"It is {state}.", "namespaces": namespaces}
    return {**whole, "services": services or (row(),), **more}


NOWHERE = Found()
OURS = ("127.18.0.3",)
REFUSED = Found(OURS, Dialled("The pod does not answer."))
STRANGE = Found(("10.0.0.1",), FOREIGN)
NO_PODS = {"state": "Failed", "reason": "NoPods", "message": "No pod stands behind it."}
TAKEN = {"reason": "NameTaken", "message": "A line of yours has the name."}
MISSING = {"name": "bling", "ready": False, "reason": "NamespaceNotFound", "message": "None."}
NEVER = {
    "object": "ForwardPolicy billing/team",
    "reason": "PolicyFollowed",
    "message": "It says Never.",
}
DENIED = status(row(names=[], state="Waiting"), state="AuthorizationDenied")


@pytest.mark.parametrize(
    "name, found, shown, expected",
    [
        pytest.param("web", NOWHERE, DENIED, "AuthorizationDenied: It is ", id="denied"),
        pytest.param(
            "x.y", NOWHERE, status(state="NoCluster"), "NoCluster: It is NoCluster.", id="whole"
        ),
        pytest.param(LONG, REFUSED, status(), "The pod does not answer.", id="refused"),
        pytest.param(
            LONG, REFUSED, status(row(**NO_PODS)), "NoPods: No pod stands behind it.", id="no pods"
        ),
        pytest.param(
            LONG,
            REFUSED,
            DENIED,
            "The pod does not answer.",
            id="what was dialled is the nearer reason",
        ),
        pytest.param(
            LONG, REFUSED, status(row(**TAKEN)), "The pod does not answer.", id="only informational"
        ),
        pytest.param(
            "web.storefront", STRANGE, status(row(**TAKEN)), "NameTaken: A line", id="name taken"
        ),
        pytest.param(
            "web.storefront",
            STRANGE,
            status(),
            "'web.storefront' leads to 10.0.0.1, and this Tilt forwards it at 127.18.0.3: another "
            "Tilt, or a line",
            id="elsewhere",
        ),
        pytest.param(
            "web.storefront",
            Found(OURS, Dialled("The engine is being replaced.", ours=False)),
            status(),
            "The engine is being replaced.",
            id="between two engines",
        ),
        pytest.param(
            "web",
            NOWHERE,
            status(),
            "'web' is not a name of web.storefront: use 'web.st",
            id="bare",
        ),
        pytest.param(
            LONG, NOWHERE, status(), "is forwarded, and programs do not find it", id="not resolved"
        ),
        pytest.param(
            "web.storefront",
            NOWHERE,
            status(row(names=[], state="Waiting")),
            "Waiting: web.storefront has no name on this machine yet.",
            id="not named yet",
        ),
        pytest.param(
            LONG, Found(OURS, silent="It says nothing."), status(), "It says nothing.", id="silent"
        ),
        pytest.param(
            "web.bling",
            NOWHERE,
            status(namespaces=[MISSING]),
            "NamespaceNotFound: None.",
            id="no namespace",
        ),
        pytest.param(
            "web.billing",
            NOWHERE,
            status(),
            "Nothing in namespace 'billing' is forwarded: Tilt has deployed nothing to it",
            id="not forwarded",
        ),
        pytest.param(
            "web.billing",
            NOWHERE,
            status(stopped=["billing"]),
            "Namespace 'billing' was stopped with the button: 'Forward a namespace' on",
            id="stopped",
        ),
        pytest.param(
            "web.billing.svc",
            NOWHERE,
            status(policies=[{**NEVER, "object": "ForwardPolicy bill/a"}, NEVER]),
            "ForwardPolicy billing/team PolicyFollowed: It says Never.",
            id="a policy keeps it out",
        ),
        pytest.param(
            "web.billing",
            NOWHERE,
            status(policies=[{**NEVER, "reason": "PolicyInvalid"}]),
            "Nothing in namespace 'billing' is forwarded: Tilt has",
            id="a policy that has another trouble",
        ),
        pytest.param(
            "wbe.storefront.svc",
            NOWHERE,
            status(),
            "Namespace 'storefront' has no service 'wbe': there are web.",
            id="no such service",
        ),
        pytest.param(
            "pod-1.db.storefront",
            NOWHERE,
            status(row(namespace="other")),
            "Namespace 'storefront' has no service 'db', and no other.",
            id="empty namespace",
        ),
        pytest.param(
            "web.billing",
            STRANGE,
            status(),
            "'web.billing' leads to 10.0.0.1, which is not this Tilt's: for another Tilt's names "
            "give its `--port`. Nothing in namespace 'billing' is forwarded",
            id="another Tilt's",
        ),
        pytest.param("db", REFUSED, status(), "The pod does not answer.", id="no row of it"),
        pytest.param(
            "db", Found(OURS, silent="Silent."), status(), "Silent.", id="no row, and silent"
        ),
        pytest.param(
            "db", NOWHERE, status(), "No service 'db' is forwarded: write it", id="bare db"
        ),
    ],
)
def test_the_reason_says_what_is_wrong(
    name: str, found: Found, shown: dict[str, Any], expected: str
) -> None:
    said = explain(Wanted(name, 80), found, shown)
    assert said.startswith(expected) or expected in said, said


def test_a_port_that_the_service_has_not_is_named() -> None:
    for found in (NOWHERE, Found(OURS, Dialled("Nothing listens on port 81."))):
        said = explain(Wanted(LONG, 81), found, status())
        assert said == "web.storefront has no port 81: wait for one of 80, 443."


def test_a_name_is_reached_when_a_connection_stands_at_an_address_of_ours() -> None:
    assert Found(OURS, Dialled()).reached
    for missing in (NOWHERE, REFUSED, STRANGE, Found(OURS, silent="It says nothing.")):
        assert not missing.reached
