"""What the pictures in the docs show is on the real page; `make screenshots` keeps the pictures.

Every run of the tests looks at all of it. Files are written only with KEEP in the environment, so
that a run does not change the checkout. Pictures take the fonts that `make screenshots` installs.
"""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, ViewportSize, expect
from tests.lab.demo import SHOP
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import wait_answer, wait_false, wait_row
from tests.lab.page import WITHIN, has_icons, page
from tests.lab.proc import listening
from tests.lab.tilt import CHECKOUT, Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.browser

expect.set_options(timeout=WITHIN)

KEEP = "KUBEFWD_SCREENSHOTS"
IMAGES = CHECKOUT / "docs" / "images"
LIMIT = 200_000  # bytes of a picture
INDEX_PORT = 9200  # of index.search
SERVER = ("/usr/bin/python3", "-m", "http.server", INDEX_PORT, "--bind", "0.0.0.0")

# The table has columns for a wide window, from 1,500 on.
TABLE = ViewportSize(width=1500, height=900)
VIEW = ViewportSize(width=1200, height=720)
LOW = ViewportSize(width=1200, height=460)


@contextmanager
def shop(lab: Lab) -> Iterator[Tilt]:
    """`tilt up` in the demo's project, with a helper that does not outlive its operator."""
    tilt = lab.tilt(SHOP, name="shop")
    tilt.add(lab.extension(linger=0))
    try:
        yield tilt.start()
    finally:
        tilt.stop()


def keep(opened: Page, name: str) -> None:
    """Take a picture of what is to be seen; write it if that is asked for."""
    taken = opened.screenshot(animations="disabled")
    assert len(taken) < LIMIT
    if KEEP not in os.environ:
        return
    assert has_icons(), "the machine has no font of icons: run `make screenshots`"
    file = IMAGES / f"{name}.png"
    file.write_bytes(taken)
    owner = IMAGES.stat()
    shutil.chown(file, owner.st_uid, owner.st_gid)


def told_buttons() -> set[str]:
    """Return the buttons of the README's table."""
    rows = re.findall(r"^\| (\*\*.+?\*\*) \|", (CHECKOUT / "README.md").read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"\*\*(.+?)\*\*", row)}


def buttons(opened: Page) -> set[str]:
    """Return the buttons of kubefwd:run, whose view is open."""
    bar = opened.get_by_label("kubefwd:run links and custom buttons").get_by_role("group")
    for name in ("Refresh", "Repair hosts"):  # the Tiltfile's and the operator's
        bar.and_(opened.get_by_label(name, exact=True)).wait_for()
    return {str(group.get_attribute("aria-label")) for group in bar.all()}


def log(opened: Page, text: str) -> None:
    """Wait until a line of the view's log holds a text."""
    expect(opened.get_by_text(text).first).to_be_visible()


def test_rows_links_and_buttons(lab: Lab, dev: Dev) -> None:
    with dev.background(*SERVER), shop(lab) as tilt:
        eventually(lambda: listening(INDEX_PORT))
        wait_row(tilt, "index.search", "PortTaken")
        wait_answer("web.storefront")
        table_of_rows(tilt)
        row_with_links(tilt)
        row_that_is_red(tilt)
        row_with_buttons(tilt)


def table_of_rows(tilt: Tilt) -> None:
    with page(tilt, size=TABLE) as opened:
        for group in ("billing", "search", "storefront", "unlabeled"):
            # A real click would scroll there.
            opened.locator(".MuiAccordionSummary-root", has_text=group).dispatch_event("click")
        row = opened.get_by_role("row")
        good, bad = (row.filter(has_text=f"kubefwd:ns:{name}") for name in ("storefront", "search"))
        web = good.get_by_role("link", name="web")
        expect(web).to_have_attribute("href", re.compile("^http://web.storefront/?$"))
        expect(good.get_by_text("Runtime Ready")).to_be_visible()
        expect(bad.get_by_text("Runtime error")).to_be_visible()
        expect(row.filter(has_text="postgres")).to_have_count(0)
        keep(opened, "overview")


def row_with_links(tilt: Tilt) -> None:
    with page(tilt, "r/kubefwd:ns:storefront/overview", size=LOW) as opened:
        links = opened.get_by_role("link", name=re.compile("^(web|cart:8000)$"))
        expect(links).to_have_count(2)
        keep(opened, "namespace")


def row_that_is_red(tilt: Tilt) -> None:
    with page(tilt, "r/kubefwd:ns:search/overview", size=LOW) as opened:
        log(opened, "index.search PortTaken")
        keep(opened, "red")


def row_with_buttons(tilt: Tilt) -> None:
    with page(tilt, "r/kubefwd:run/overview", size=VIEW) as opened:
        log(opened, "web.storefront")
        assert buttons(opened) == told_buttons() - {"Authorize", "Resume"}
        keep(opened, "operator")


def test_a_refused_password(lab: Lab, dev: Dev) -> None:
    dev.answer_with(None)
    with shop(lab) as tilt:
        wait_false(tilt, "HelperReady", "AuthorizationDenied")
        with page(tilt, "r/kubefwd:run/overview") as opened:
            expect(opened.get_by_role("button", name="Authorize")).to_be_visible()
        with page(tilt, "r/kubefwd:status/overview", size=LOW) as opened:
            log(opened, "AuthorizationDenied")
            keep(opened, "refused")
