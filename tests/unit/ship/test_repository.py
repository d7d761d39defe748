"""The repository keeps its own rules."""

import re
import tomllib
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from tests.unit.ship import rules
from tests.unit.ship.repository import ROOT, files, python_files, text

from kubefwd_operator import __version__
from kubefwd_operator.cli import COMMANDS
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.settings import ARGUMENTS

ROOT_CODE = "operator/kubefwd_operator/root"
# The design aims at 420. What is there, with refusals, leases, journal, guardian and both
# platforms, is more; it may shrink, and must not grow unnoticed. What is there for kubefwd alone
# has a limit of its own.
ROOT_CODE_LIMIT, KUBEFWD_LIMIT = 702, 326
KUBEFWD_CODE = "kubefwd"  # a package of its own
TROUBLESHOOTING = Path("docs/troubleshooting.md")
FILE_LIMIT, TESTS_FILE_LIMIT, FUNCTION_LIMIT = 350, 600, 50


def findings(rule: Callable[..., Iterator[str]], paths: Iterable[Path], *arguments: int) -> str:
    """Apply one rule to many files; give one line per finding."""
    return "\n".join(f"{path} {found}" for path in paths for found in rule(text(path), *arguments))


def test_there_is_something_to_check() -> None:
    assert Path("Tiltfile") in files()
    assert len(python_files("operator", "tests")) > 50


def test_no_file_names_a_registry_host() -> None:
    assert findings(rules.registry_hosts, files()) == ""


def test_no_file_holds_a_path_of_somebodys_machine() -> None:
    assert findings(rules.machine_paths, files()) == ""


def test_no_lock_file_carries_addresses() -> None:
    found = [f"{path} {what}" for path in files() for what in _lock_findings(path)]
    assert found == []


def _lock_findings(path: Path) -> list[str]:
    named = path.name in {"uv.lock", "package-lock.json"}
    return list(rules.lock_addresses(path.name, text(path))) if named else []


def test_operator_is_not_a_package() -> None:
    """It would shadow the standard library's `operator` for whoever runs from the checkout."""
    assert not (ROOT / "operator" / "__init__.py").exists()


def test_the_lab_runs_without_the_product() -> None:
    """`make demo` and `make lab` have no `operator/` on their path, which pytest has."""
    imports = re.compile(r"(?m)^\s*(?:from|import) kubefwd_operator\b")
    assert [path for path in python_files("tests/lab") if imports.search(text(path))] == []


def test_no_file_is_too_long() -> None:
    others = ("operator/bootstrap.sh", "Tiltfile", "wait/Tiltfile", "wait/wait.sh")
    paths = [*python_files("operator"), *map(Path, others)]
    assert findings(rules.long_file, paths, FILE_LIMIT) == ""


def test_no_file_of_tests_is_too_long() -> None:
    """Tests mirror modules, and a table of cases is long without being hard to read."""
    assert findings(rules.long_file, python_files("tests"), TESTS_FILE_LIMIT) == ""


def test_no_function_is_too_long() -> None:
    assert findings(rules.long_functions, python_files("operator", "tests"), FUNCTION_LIMIT) == ""


def test_root_code_can_be_read_in_ten_minutes() -> None:
    lines = {str(path): rules.code_lines(text(path)) for path in python_files(ROOT_CODE)}
    rooms = [path for path in lines if KUBEFWD_CODE in Path(path).parts]
    kubefwd = {path: lines.pop(path) for path in rooms}
    assert sum(lines.values()) <= ROOT_CODE_LIMIT, lines
    assert sum(kubefwd.values()) <= KUBEFWD_LIMIT, kubefwd


class TestRequirements:
    @pytest.fixture(params=["operator/requirements.txt", "tests/requirements.txt"])
    def requirements(self, request: pytest.FixtureRequest) -> str:
        return text(Path(request.param))

    def test_are_pinned_and_hashed(self, requirements: str) -> None:
        pins = re.findall(
            r"^([A-Za-z0-9-]+)==[^ ]+ (?:;.* )?\\\n    --hash=", requirements, re.MULTILINE
        )
        named = re.findall(r"^[A-Za-z0-9]", requirements, re.MULTILINE)
        assert len(pins) == len(named) > 20

    def test_hold_no_address_and_no_option(self, requirements: str) -> None:
        assert "://" not in requirements
        assert not re.search(r"^-", requirements, re.MULTILINE)

    def test_of_the_operator_pin_every_direct_dependency(self) -> None:
        pinned = set(_pins("operator/requirements.txt"))
        assert _direct() <= pinned

    def test_of_the_operator_are_each_tried_by_bootstrap_before_a_venv_counts(self) -> None:
        script = text(Path("operator/bootstrap.sh"))
        [imports] = re.findall(r"^imports='([^']+)'$", script, re.MULTILINE)
        modules = set(re.findall(r"\w+(?:\.\w+)*", imports)) - {"import"}
        owners = packages_distributions()
        tried = {owner.lower() for module in modules for owner in owners[module.split(".")[0]]}
        assert tried == _direct()

    def test_of_the_tests_pin_the_same_versions(self) -> None:
        tests = _pins("tests/requirements.txt")
        assert {name: tests.get(name) for name in _pins("operator/requirements.txt")} == _pins(
            "operator/requirements.txt"
        )


def _pins(name: str) -> dict[str, str]:
    return dict(re.findall(r"^([A-Za-z0-9-]+)==([^ ]+)", text(Path(name)), re.MULTILINE))


def _direct() -> set[str]:
    project = tomllib.loads(text(Path("pyproject.toml")))["project"]
    return {re.split(r"[^A-Za-z0-9-]", item, maxsplit=1)[0] for item in project["dependencies"]}


class TestVersion:
    def test_is_written_in_one_place(self) -> None:
        found = [
            path
            for path in python_files("operator")
            if re.search(r"^__version__\b.*=", text(path), re.MULTILINE)
        ]
        assert found == [Path("operator/kubefwd_operator/__init__.py")]
        project = tomllib.loads(text(Path("pyproject.toml")))["project"]
        assert "version" not in project
        assert project["dynamic"] == ["version"]

    def test_is_what_the_readme_pins(self) -> None:
        refs = set(re.findall(r"ref='v([^']+)'", text(Path("README.md"))))
        assert refs == {__version__}

    def test_has_an_entry_in_the_changelog(self) -> None:
        assert re.search(
            rf"^## {re.escape(__version__)}\b", text(Path("CHANGELOG.md")), re.MULTILINE
        )


class TestReadme:
    """The README tells the arguments as the Tiltfile defines them, and commands that exist."""

    def test_lists_the_arguments_of_the_tiltfile(self) -> None:
        defined = re.findall(r"config\.define_\w+\('(\w+)'", text(Path("Tiltfile")))
        listed = re.findall(r"^\| `(\w+)` \|", text(Path("README.md")), re.MULTILINE)
        assert listed == defined

    def test_lists_the_arguments_that_the_operator_reads(self) -> None:
        """The instance is no argument of the extension: it follows from Tilt's port."""
        listed = re.findall(r"^\| `(\w+)` \|", text(Path("README.md")), re.MULTILINE)
        assert [*listed, "instance"] == list(ARGUMENTS)

    def test_names_only_targets_that_the_makefile_has(self) -> None:
        targets = set(re.findall(r"^([a-z-]+):", text(Path("Makefile")), re.MULTILINE))
        for path in (path for path in files() if path.suffix == ".md"):
            named = re.findall(r"(?:`|^    )make ([a-z -]+)", text(path), re.MULTILINE)
            assert {name for names in named for name in names.split()} <= targets, path

    def test_names_only_commands_that_the_command_line_has(self) -> None:
        for path in (path for path in files() if path.suffix == ".md"):
            named = re.findall(r"bin/kubefwd-operator ([a-z]+)", text(path))
            assert set(named) <= set(COMMANDS), path

    def test_names_only_reasons_that_there_are(self) -> None:
        """Reasons are the words in CamelCase of the page that goes by symptom."""
        named = re.findall(r"`([A-Z][a-z]+(?:[A-Z][a-z]+)+)`", text(TROUBLESHOOTING))
        assert named
        assert set(named) <= {*Reason}

    def test_links_lead_to_files_that_are_there(self) -> None:
        for path in (path for path in files() if path.suffix == ".md"):
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text(path)):
                assert (ROOT / path.parent / target).exists(), f"{path}: {target}"


def test_no_file_points_to_a_page_that_is_not_there() -> None:
    pointers = re.compile(r"\b(?:docs|facts)/[a-z_/]+\.(?:md|json)\b")
    named = {(path, page) for path in files() for page in pointers.findall(text(path))}
    assert named
    assert [(path, page) for path, page in named if not (ROOT / page).exists()] == []


def test_ci_runs_exactly_the_two_commands_of_a_developer() -> None:
    lines = [line.strip() for line in text(Path(".ci/run")).splitlines()]
    assert [line for line in lines if "make " in line and not line.startswith("#")] == [
        "make check || status=1",
        "make test || status=1",
    ]
