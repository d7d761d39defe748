"""The page on security claims only what a test shows."""

import re
from pathlib import Path

from tests.unit.ship.repository import python_files, text


def test_every_test_that_the_page_names_exists() -> None:
    named = set(re.findall(r"`(test_\w+)`", text(Path("docs/security.md"))))
    sources = "\n".join(text(path) for path in python_files("tests"))
    there = set(re.findall(r"^ *(?:async )?def (test_\w+)\(", sources, re.MULTILINE))
    assert len(named) > 20
    assert named - there == set()
