"""Tilt's real web page in a real browser.

A module that uses it says `pytestmark = pytest.mark.browser`, so that the page is built before the
namespace is entered. Icons show as words: their font comes from the internet.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Page, sync_playwright
from tests.lab.tilt import Tilt

WITHIN = 60_000  # milliseconds


@contextmanager
def page(tilt: Tilt, path: str = "overview") -> Iterator[Page]:
    """Open a view of a Tilt that is up (`r/kubefwd:run/overview`, say) in Chromium."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            # Debian's own Chromium; None is the one that playwright has installed.
            executable_path=shutil.which("chromium"),
            # Chromium refuses to be root in its own sandbox.
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        try:
            opened = browser.new_page()
            opened.set_default_timeout(WITHIN)
            opened.goto(tilt.url + path, wait_until="domcontentloaded")
            yield opened
        finally:
            browser.close()
