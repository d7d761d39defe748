"""Rows of Tilt's real web page, in a real browser: they come, tell, link, and go."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.forwarding import end_helpers, is_ready, operators, wait_answer
from tests.lab.page import page
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = [pytest.mark.browser, pytest.mark.engines("native", "kubefwd")]

STOREFRONT, BILLING, NOWHERE = (
    f"kubefwd:ns:{name}" for name in ("storefront", "billing", "nowhere")
)
STATUS = "kubefwd:status"
BILLING_TOO = "k8s_yaml('billing.yaml')\n"
COLOURS = {"ok": "isHealthy", "error": "isUnhealthy", "pending": "isPending"}


@pytest.fixture(autouse=True)
def as_it_was(tilt: Tilt) -> Iterator[None]:
    """Leave the Tiltfile as the next test wants it."""
    before = tilt.tiltfile
    yield
    tilt.write("Tiltfile", before)


def rows(tilt: Tilt) -> dict[str, str]:
    """Return our rows by name, with their lights."""
    return {
        each["metadata"]["name"]: each["status"]["runtimeStatus"]
        for each in tilt.list("uiresources")
        if each["metadata"]["name"].startswith(("kubefwd:ns:", STATUS))
    }


def wait_rows(tilt: Tilt, **lights: str) -> None:
    """Wait until the rows are these, by namespace."""
    wanted = {f"kubefwd:ns:{name}": light for name, light in lights.items()}
    eventually(lambda: _equal(rows(tilt), wanted))


def _equal(found: object, wanted: object) -> bool:
    assert found == wanted
    return True


def sidebar(opened: Page, name: str) -> Locator:
    """Find a row in the sidebar of a resource's view."""
    return opened.locator(f'[data-name="{name}"]')


def is_coloured(row: Locator, light: str) -> None:
    expect(row.locator(f".{COLOURS[light]}")).to_have_count(1)


def pane(opened: Page) -> Locator:
    """Find the log that a resource's view shows."""
    return opened.get_by_label("Log pane")


def test_each_namespace_is_a_row_that_links_what_it_holds_and_goes_with_it(
    tilt: Tilt, tmp_path: Path
) -> None:
    wait_answer("web.storefront")
    wait_rows(tilt, storefront="ok", nowhere="error")
    with page(tilt, f"r/{STOREFRONT}/overview") as opened:
        is_coloured(sidebar(opened, STOREFRONT), "ok")
        is_coloured(sidebar(opened, NOWHERE), "error")
        # In the group of the operator's own row, once.
        group = opened.locator(".MuiAccordion-root", has=sidebar(opened, "kubefwd:run"))
        expect(group.locator(f'[data-name="{STOREFRONT}"]')).to_have_count(1)
        expect(sidebar(opened, STOREFRONT)).to_have_count(1)
        opened.screenshot(path=tmp_path / "rows.png")

        with opened.expect_popup() as popup:
            opened.get_by_role("link", name="web", exact=True).click()
        expect(popup.value.locator("body")).to_contain_text('"namespace": "storefront"')
        assert popup.value.url == "http://web.storefront/"

        tilt.add(BILLING_TOO)
        is_coloured(sidebar(opened, BILLING), "ok")
        wait_answer("ledger.billing")
        tilt.write("Tiltfile", tilt.tiltfile.replace(BILLING_TOO, ""))
        expect(sidebar(opened, BILLING)).to_have_count(0)
        is_coloured(sidebar(opened, STOREFRONT), "ok")


def test_the_reason_for_red_is_in_the_rows_log_and_so_is_its_end(
    tilt: Tilt, cluster: Cluster, tmp_path: Path
) -> None:
    wait_rows(tilt, storefront="ok", nowhere="error")
    with page(tilt, f"r/{NOWHERE}/overview") as opened:
        expect(pane(opened)).to_contain_text("NamespaceNotFound: ")
        assert "NamespaceNotFound: " in tilt.run("logs", NOWHERE)
        assert "storefront" not in tilt.run("logs", NOWHERE)
        opened.screenshot(path=tmp_path / "red.png")
        cluster.apply("apiVersion: v1\nkind: Namespace\nmetadata: {name: nowhere}\n")
        expect(pane(opened)).to_contain_text("NamespaceNotFound: over")
        is_coloured(sidebar(opened, NOWHERE), "ok")
        assert tilt.run("logs", NOWHERE).count("NamespaceNotFound") == 2
        tilt.wait_status(is_ready)
        cluster.kubectl("delete", "namespace", "nowhere")
        is_coloured(sidebar(opened, NOWHERE), "error")
        eventually(lambda: tilt.run("logs", NOWHERE).count("NamespaceNotFound") == 3)


def test_what_a_killed_operator_has_left_is_swept_by_the_next(tilt: Tilt) -> None:
    tilt.add(BILLING_TOO)
    eventually(lambda: rows(tilt).get(BILLING) == "ok")
    (operator,) = operators()
    operator.kill()
    eventually(lambda: not operators())
    tilt.write("Tiltfile", tilt.tiltfile.replace(BILLING_TOO, ""))
    eventually(lambda: "billing" not in str(tilt.list("kubernetesapplys")))
    assert BILLING in rows(tilt)
    tilt.run("trigger", "kubefwd:run")
    eventually(lambda: BILLING not in rows(tilt))
    wait_answer("web.storefront")
    eventually(lambda: rows(tilt)[STOREFRONT] == "ok")


def test_what_concerns_everything_is_a_row_until_it_is_over(tilt: Tilt, dev: Dev) -> None:
    """Also: an operator that ends well leaves no row."""
    dev.answer_with("wrong")
    try:
        tilt.stop()
        end_helpers()
        tilt.start()
        eventually(lambda: rows(tilt).get(STATUS) == "error")
        with page(tilt, f"r/{STATUS}/overview") as opened:
            expect(pane(opened)).to_contain_text("AuthorizationDenied: ")
            is_coloured(sidebar(opened, STATUS), "error")
            expect(sidebar(opened, STOREFRONT)).to_contain_text("Waiting on kubefwd:status")
            dev.answer_with(dev.password)
            tilt.click("kubefwd:refresh")
            expect(sidebar(opened, STATUS)).to_have_count(0)
            is_coloured(sidebar(opened, STOREFRONT), "ok")
        assert "AuthorizationDenied: over" in tilt.run("logs", STATUS)
    finally:
        dev.answer_with(dev.password)
    tilt.run("disable", "kubefwd:run")
    eventually(lambda: _equal(rows(tilt), {}))
    tilt.run("enable", "kubefwd:run")
    eventually(lambda: rows(tilt).get(STOREFRONT) == "ok")
