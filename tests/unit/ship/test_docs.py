"""What the pages say of the code is true: files that are there, all reasons, measured numbers."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from tests.unit.ship.repository import ROOT, files, text

from kubefwd_operator.core import policies
from kubefwd_operator.core.buttons import Situation, wanted
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.settings import parse

PAGES = tuple(path for path in files() if path.suffix == ".md")
TROUBLESHOOTING, COMPARISON = Path("docs/troubleshooting.md"), Path("docs/comparison.md")
BENCHMARKS = Path("docs/benchmarks.md")

UNSEEN = {Reason.READY, Reason.STARTING, Reason.SYNCING}
"""Reasons that nobody looks up: nothing is wrong."""


def named_files(page: str) -> Iterator[str]:
    """Give what looks like a file or a folder of ours: `x/y.py`, `y.sh`, `x/`."""
    ours = re.compile(r"[^/.].*(\.(py|sh|yaml|json|md|txt)|\w/)")
    yield from (name for name in re.findall(r"`([\w./-]+)`", page) if ours.fullmatch(name))


def is_there(name: str) -> bool:
    """Say whether a file or folder ends in that path; pages leave out what is before it."""
    wanted = f"/{name}"
    return any(
        f"/{path}".endswith(wanted) or (name.endswith("/") and wanted in f"/{path}")
        for path in files()
    )


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    # What the program writes is not in the repository.
    written = {"status.json", "memory.json"}
    missing = [name for name in named_files(text(page)) if not is_there(name)]
    assert set(missing) - written == set()


def test_the_map_names_files() -> None:
    assert len(set(named_files(text(Path("docs/architecture.md"))))) > 60


def test_architecture_takes_four_walks() -> None:
    page = text(Path("docs/architecture.md"))
    walks = page.split("## Four walks")[1].split("\n## ")[0].split("\n### ")[1:]
    assert [walk.split()[1].rstrip(":") for walk in walks] == [
        "event",
        "click",
        "connection",
        "authorisation",
    ]
    for walk in walks:
        assert len(re.findall(r"^\d\. ", walk, re.MULTILINE)) > 3
        assert len(list(named_files(walk))) > 5


@pytest.mark.parametrize("reason", sorted(set(Reason) - UNSEEN))
def test_troubleshooting_tells_what_to_do(reason: Reason) -> None:
    assert f"`{reason}`" in text(TROUBLESHOOTING)


def test_the_readme_tells_each_button() -> None:
    table = re.findall(r"^\| (\*\*.+?\*\*) \|", text(Path("README.md")), re.MULTILINE)
    told = {name for cell in table for name in re.findall(r"\*\*(.+?)\*\*", cell)}
    shown = [wanted(Situation(("one",), paused=paused, denied=True)) for paused in (True, False)]
    ours = {str(button["text"]) for buttons in shown for button in buttons.values()}
    declared = set(re.findall(r"text='([^']+)'", text(Path("Tiltfile"))))
    assert told == ours | declared


def test_the_readme_has_the_defaults_of_the_arguments() -> None:
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", text(Path("README.md")), re.MULTILINE))
    assert told == {name: _spelled(getattr(parse({}), name)) for name in told}
    assert len(told) > 5


def _spelled(default: object) -> str:
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    return f"`{default}`" if default else "none"


def test_the_policy_of_the_page_is_valid() -> None:
    [example] = re.findall(r"```yaml\n(.+?)```", text(Path("docs/policies.md")), re.DOTALL)
    policy = policies.parse(yaml.safe_load(example))
    assert policy
    assert policy.error == ""
    assert len(policy.services) == 3


# What the comparison says, and the row and column of the benchmarks that it is from.
NUMBERS = {
    "answers for 250 services of one namespace after {}\nseconds": ("kubefwd by itself", 2),
    "where the native engine takes {},": (
        "250 services in one namespace: all answered over HTTP",
        1,
    ),
    "({} ms against": ("new connection to first byte, p50", 2),
    "against {} to the first byte": ("new connection to first byte, p50", 1),
    "({} MB/s against": ("one download of 400 MB", 2),
    "MB/s against {})": ("one download of 400 MB", 1),
}


@pytest.mark.parametrize("sentence", NUMBERS)
def test_the_comparison_has_its_numbers_from_the_benchmarks(sentence: str) -> None:
    row, column = NUMBERS[sentence]
    line = next(each for each in text(BENCHMARKS).splitlines() if each.startswith(f"| {row} |"))
    measured = float(line.split("|")[column + 1].split()[0])
    there = text(COMPARISON).replace("\n", " ")
    assert sentence.format(round(measured)).replace("\n", " ") in there


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_links_into_pages_lead_to_headings(page: Path) -> None:
    for target, anchor in re.findall(r"\]\(([^):#]*)#([^)]+)\)", text(page)):
        there = page.parent / target if target else page
        assert anchor in anchors(text(Path(os.path.normpath(there)))), f"{target}#{anchor}"


def anchors(page: str) -> set[str]:
    """Give what GitHub calls the headings of a page."""
    headings = re.findall(r"^#+ (.+)$", page, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings}


def test_each_picture_is_shown_and_small() -> None:
    pictures = {path for path in files() if path.parent == Path("docs/images")}
    shown = {
        Path(os.path.normpath(page.parent / target))
        for page in PAGES
        for target in re.findall(r"!\[[^]]+\]\(([^)]+)\)", text(page))
    }
    assert pictures == shown
    assert [path for path in pictures if (ROOT / path).stat().st_size > 200_000] == []


def test_each_page_can_be_found_from_the_readme() -> None:
    linked = set(re.findall(r"\]\((docs/[\w-]+\.md)", text(Path("README.md"))))
    assert {str(path) for path in PAGES if path.parent == Path("docs")} == linked
