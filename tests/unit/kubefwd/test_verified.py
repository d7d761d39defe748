"""Whether the record of a run against the real kubefwd is written and judged rightly."""

import json
from pathlib import Path
from typing import Literal

import pytest
from tests.contract.kubefwd import verified
from tests.contract.kubefwd.verified import RECORD, TESTS, Witness, hashes, main, named_tests, stale

SUITE = "async def test_one(): ...\nclass Some:\n    def test_two(self): ...\ndef helper(): ...\n"
Outcome = Literal["passed", "failed", "skipped"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a small suite and a small stand-in."""
    (tmp_path / "stand_in").mkdir()
    for name in ("conftest.py", "kit.py", "binary.py", "stand_in/api.py"):
        (tmp_path / name).write_text(f"# {name}\n")
    for name in TESTS:
        (tmp_path / name).write_text(SUITE)
    return tmp_path


def report(nodeid: str, outcome: Outcome = "passed", when: str = "call") -> pytest.TestReport:
    return pytest.TestReport(nodeid, ("", 0, ""), {}, outcome, None, when)  # type: ignore[arg-type]


def all_of(case: str = "[real]") -> list[str]:
    return [f"tests/{name}::{test}{case}" for name in TESTS for test in ("test_one", "test_two")]


def run(folder: Path, *reports: pytest.TestReport, version: str = "1.25.16") -> None:
    witness = Witness(folder, lambda: version)
    for each in reports:
        witness.pytest_runtest_logreport(each)
    witness.pytest_sessionfinish()


def recorded(folder: Path) -> dict[str, str] | None:
    file = folder / RECORD
    return dict(json.loads(file.read_text())) if file.exists() else None


class TestWhatIsWritten:
    def test_after_every_test_has_passed(self, folder: Path) -> None:
        run(folder, *map(report, all_of()))
        found = recorded(folder)
        assert found
        assert set(found) == {"version", "date", "suite", "stand_in"}
        assert found["version"] == "1.25.16"
        assert found.items() >= hashes(folder).items()

    @pytest.mark.parametrize(
        "case",
        [
            pytest.param("[real-some-case]", id="first-parameter"),
            pytest.param("[some-case-real]", id="last-parameter"),
        ],
    )
    def test_with_parameters(self, folder: Path, case: str) -> None:
        run(folder, *map(report, all_of(case)))
        assert recorded(folder)

    @pytest.mark.parametrize(
        "reports",
        [
            pytest.param([], id="nothing-has-run"),
            pytest.param(list(map(report, all_of()[1:])), id="a-test-is-missing"),
            pytest.param(list(map(report, all_of("[stand-in]"))), id="the-stand-in-alone"),
            pytest.param(list(map(report, all_of("[surreal]"))), id="another-parameter"),
            pytest.param(
                [*map(report, all_of()), report(all_of()[0], "failed")], id="one-case-has-failed"
            ),
            pytest.param(
                [*map(report, all_of()), report(all_of()[0], "failed", "teardown")],
                id="a-teardown-has-failed",
            ),
            pytest.param(
                [*map(report, all_of()[1:]), report(all_of()[0], "skipped", "setup")],
                id="one-was-skipped",
            ),
            pytest.param(
                [report(each, when="setup") for each in all_of()], id="only-the-set-up-has-passed"
            ),
        ],
    )
    def test_nothing(self, folder: Path, reports: list[pytest.TestReport]) -> None:
        run(folder, *reports)
        assert recorded(folder) is None

    def test_nothing_of_what_has_changed_while_it_was_tried(self, folder: Path) -> None:
        witness = Witness(folder, lambda: "1.25.16")
        for each in all_of():
            witness.pytest_runtest_logreport(report(each))
        (folder / "stand_in/api.py").write_text("# edited\n")
        witness.pytest_sessionfinish()
        assert recorded(folder) is None

    def test_nothing_anew_when_only_the_day_is_another(self, folder: Path) -> None:
        run(folder, *map(report, all_of()))
        old = {**(recorded(folder) or {}), "date": "2001-01-01"}
        (folder / RECORD).write_text(json.dumps(old))
        run(folder, *map(report, all_of()))
        assert recorded(folder) == old

    def test_another_version_is_written(self, folder: Path) -> None:
        run(folder, *map(report, all_of()))
        run(folder, *map(report, all_of()), version="1.26.0")
        assert (recorded(folder) or {})["version"] == "1.26.0"

    def test_failures_elsewhere_do_not_matter(self, folder: Path) -> None:
        run(folder, report("tests/test_other.py::test_x[real]", "failed"), *map(report, all_of()))
        assert recorded(folder)


class TestHashes:
    @pytest.mark.parametrize(
        ("name", "part"),
        [
            *(pytest.param(name, "suite", id=name) for name in verified.PARTS["suite"]),
            pytest.param("binary.py", "stand_in", id="binary"),
            pytest.param("stand_in/api.py", "stand_in", id="a-module"),
            pytest.param("stand_in/another.py", "stand_in", id="a-module-more"),
        ],
    )
    def test_change_with_every_file(self, folder: Path, name: str, part: str) -> None:
        before = hashes(folder)
        (folder / name).write_text("# edited\n")
        changed = [each for each, now in hashes(folder).items() if now != before[each]]
        assert changed == [part]

    def test_change_with_a_name(self, folder: Path) -> None:
        before = hashes(folder)
        (folder / "stand_in/api.py").rename(folder / "stand_in/rest.py")
        assert hashes(folder)["stand_in"] != before["stand_in"]

    def test_do_not_change_with_other_files(self, folder: Path) -> None:
        before = hashes(folder)
        (folder / RECORD).write_text("{}")
        (folder / "test_defects.py").write_text(SUITE)
        assert hashes(folder) == before


@pytest.mark.parametrize(
    ("record", "says"),
    [
        pytest.param(None, "never tried", id="no-record"),
        pytest.param({"suite": "s", "stand_in": "i"}, "", id="as-it-was"),
        pytest.param({"suite": "x", "stand_in": "i"}, "the suite changed", id="suite"),
        pytest.param({"suite": "s", "stand_in": "x"}, "the stand-in changed", id="stand-in"),
        pytest.param({}, "the suite and the stand-in changed", id="both"),
    ],
)
def test_what_is_stale(record: dict[str, str] | None, says: str) -> None:
    found = stale(record, {"suite": "s", "stand_in": "i"})
    assert says in found
    assert bool(found) == bool(says)


def test_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert (main([], folder), main(["--warn"], folder)) == (1, 0)
    told, warned = capsys.readouterr().err.splitlines()
    assert told.startswith("The contract was never tried")
    assert warned == f"warning: {told}"
    run(folder, *map(report, all_of()))
    assert (main([], folder), main(["--warn"], folder)) == (0, 0)
    assert capsys.readouterr().err == ""


def test_tests_are_found_by_name() -> None:
    assert named_tests(SUITE) == {"test_one", "test_two"}


def test_the_suite_is_where_it_is_looked_for() -> None:
    for name in TESTS:
        assert len(named_tests((verified.FOLDER / name).read_text())) > 10
    assert hashes(verified.FOLDER)["stand_in"] != hashes(Path("/nonexistent"))["stand_in"]
