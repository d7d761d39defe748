"""Tilt's real web page in a real browser.

A module that uses it says `pytestmark = pytest.mark.browser`, so that the page is built before the
namespace is entered. The page takes its fonts from the internet, which there is none of in there.
Their stylesheets are answered from here, with the machine's own fonts of those names, or others;
without one for icons these show as nothing, instead of as words.
"""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Locator, Page, ViewportSize, expect, sync_playwright
from tests.lab.tilt import Tilt

WITHIN = 60_000  # milliseconds
SIZE = ViewportSize(width=1200, height=720)

FONT_HOST = "https://fonts.googleapis.com/**"
ICONS = "Material Icons"
FONTS = """
@font-face { font-family: Montserrat; src: local("Montserrat Regular"), local("Inter Regular") }
@font-face { font-family: Montserrat; font-weight: 600;
  src: local("Montserrat SemiBold"), local("Inter Semi Bold"), local("Inter SemiBold") }
.material-icons {
  font: normal 24px/1 "Material Icons"; font-feature-settings: "liga"; display: inline-block;
  letter-spacing: normal; text-transform: none; white-space: nowrap; direction: ltr;
}
"""
NO_ICONS = ".material-icons { width: 24px; height: 24px; overflow: hidden; visibility: hidden }"


@contextmanager
def page(tilt: Tilt, path: str = "overview", size: ViewportSize = SIZE) -> Iterator[Page]:
    """Open a view of a Tilt that is up (`r/kubefwd:run/overview`, say) in Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            # Debian's own Chromium; None is the one that playwright has installed.
            executable_path=shutil.which("chromium"),
            # Chromium refuses to be root in its own sandbox.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        try:
            opened = browser.new_page(viewport=size)
            opened.set_default_timeout(WITHIN)
            fonts = FONTS if has_icons() else FONTS + NO_ICONS
            opened.route(
                FONT_HOST, lambda route: route.fulfill(content_type="text/css", body=fonts)
            )
            expect.set_options(timeout=WITHIN)
            opened.goto(tilt.url + path, wait_until="domcontentloaded")
            yield opened
        finally:
            browser.close()


def has_icons() -> bool:
    """Say whether the machine has the font of the page's icons."""
    if not shutil.which("fc-list"):
        return False
    listed = subprocess.run(["fc-list", ICONS], capture_output=True, text=True, check=False)
    return bool(listed.stdout.strip())


def button(opened: Page, text: str) -> Locator:
    """Find a button of the resource that is shown; with Tilt's words for what a click does now."""
    return opened.get_by_role("button", name=text, exact=True)


def ask(opened: Page, text: str) -> Locator:
    """Click a button that has inputs; return the dialog that Tilt shows."""
    button(opened, f"Trigger {text}").click()
    dialog = opened.get_by_role("dialog")
    dialog.get_by_text(f"Configure {text}").wait_for()
    return dialog


def choose(opened: Page, dialog: Locator, choice: str) -> list[str]:
    """Choose from the only list of a dialog; return what there was to choose."""
    dialog.locator("[aria-haspopup=listbox]").click()
    opened.get_by_role("option").first.wait_for()
    offered = opened.get_by_role("option").all_inner_texts()
    opened.get_by_role("option", name=choice, exact=True).click()
    return offered


def confirm(dialog: Locator) -> None:
    """Have the dialog do it, and wait until it has gone."""
    dialog.get_by_role("button", name="Confirm & Execute").click()
    dialog.wait_for(state="hidden")
