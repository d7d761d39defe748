"""The argument `skip`: a developer runs a service on their own machine, and says so."""

from collections.abc import Callable

from tests.e2e.policies.team import wait_told
from tests.lab.fixtures import Lab
from tests.lab.forwarding import forms, is_ready, known, names_of, wait_answer, wait_row
from tests.lab.tilt import Tilt


def test_a_skipped_service_is_left_to_the_developer(
    lab: Lab, start_tilt: Callable[..., Tilt]
) -> None:
    line = lab.extension(skip="billing/ledger,billing/ledgr,nowhere/web")
    tilt = start_tilt(f"{line}k8s_yaml(['storefront.yaml', 'billing.yaml'])\n")
    wait_answer("web.storefront")
    row = wait_row(tilt, "ledger.billing", "Skipped")
    assert "the argument `skip` says to skip it" in row["message"]
    assert not any(map(known, forms("ledger", "billing")))
    assert "'billing/ledgr'" in wait_told(tilt, "argument skip", "SkipUnmatched")
    status = tilt.wait_status(
        lambda status: is_ready(status) and "nowhere/web" in str(status["policies"])
    )
    assert not names_of(status) & set(forms("ledger", "billing"))
