"""The first start, and the ones after it."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.bootstrap.machine import Machine

pytestmark = pytest.mark.contract


def launcher(
    machine: Machine, *arguments: str, folder: Path | None = None
) -> subprocess.CompletedProcess[str]:
    argv = [str((folder or machine.cache / "bin") / "kubefwd-operator"), *arguments]
    return subprocess.run(
        argv, env=machine.env(), capture_output=True, text=True, check=False, timeout=60
    )


class TestFirstStart:
    def test_shows_pips_progress_and_says_what_is_ready(
        self, first_start: tuple[Machine, str]
    ) -> None:
        machine, said = first_start
        assert "making a venv with" in said
        assert "Collecting kopf==" in said
        assert said.splitlines()[-1] == f"kubefwd-operator: ready, from {machine.packages[0]}"

    def test_leaves_one_venv_that_a_pointer_names(self, first_start: tuple[Machine, str]) -> None:
        machine, _ = first_start
        [venv] = machine.venvs
        [pointer] = (machine.cache / "venvs").glob("*.ready")
        assert pointer.read_text().splitlines()[0] == venv.name

    def test_leaves_files_that_are_the_users_alone(self, first_start: tuple[Machine, str]) -> None:
        machine, _ = first_start
        for path in (machine.cache, machine.venvs[0], machine.packages[0]):
            assert path.stat().st_mode & 0o077 == 0, path

    def test_copies_the_package_without_what_python_left_in_it(
        self, first_start: tuple[Machine, str]
    ) -> None:
        machine, _ = first_start
        [package] = machine.packages
        source = machine.extension / "operator"
        for path in (source / "kubefwd_operator").rglob("*.py"):
            assert (package / path.relative_to(source)).read_bytes() == path.read_bytes()
        assert not (package / "bootstrap.sh").exists()

    def test_runs_kopf_from_the_copy_when_the_extension_is_gone(self, settled: Machine) -> None:
        settled.extension.rename(settled.extension.with_name("elsewhere"))
        settled.variables["PYTHONPATH"] = "/nowhere"
        result = launcher(settled, "kopf", "run", "--help")
        assert result.returncode == 0, result.stderr
        assert "--standalone" in result.stdout


def seconds(action: Callable[[], object]) -> float:
    """Say how long an action takes."""
    start = time.monotonic()
    action()
    return time.monotonic() - start


class TestUnchanged:
    def test_runs_no_pip_and_makes_nothing(self, settled: Machine) -> None:
        before = settled.venvs, settled.packages
        settled.variables |= {"PIP_INDEX_URL": "http://127.0.0.1:1/", "PIP_NO_CACHE_DIR": "1"}
        result = settled.bootstrap()
        assert result.returncode == 0, result.stdout
        assert result.stdout.count("\n") == 1
        assert (settled.venvs, settled.packages) == before

    def test_prints_where_the_package_is_and_nothing_else(self, settled: Machine) -> None:
        assert settled.bootstrap("--print").stdout == f"{settled.packages[0]}\n"

    def test_costs_less_than_two_starts_of_a_python_with_a_few_modules(
        self, settled: Machine
    ) -> None:
        """A ratio taken in one run (0.64 when written): this machine may be busy."""
        python = [sys.executable, "-I", "-c", "import asyncio, json, ssl, urllib.request"]
        taken = [
            (seconds(settled.bootstrap), seconds(lambda: subprocess.run(python, check=True)))
            for _ in range(10)
        ]
        own, start = (min(each) for each in zip(*taken, strict=True))
        assert own < 2 * start, taken

    def test_needs_neither_a_python_nor_uv(self, settled: Machine) -> None:
        settled.path = []
        assert settled.bootstrap().returncode == 0


class TestChangedPackage:
    def test_gets_a_copy_of_its_own_beside_the_old_one_and_keeps_the_venv(
        self, settled: Machine
    ) -> None:
        [old], venvs = settled.packages, settled.venvs
        settled.change_package("pulled")
        new = Path(settled.bootstrap("--print").stdout.strip())
        assert settled.packages == sorted([old, new])
        assert (new / "kubefwd_operator" / "__init__.py").read_text().endswith("# pulled\n")
        assert settled.venvs == venvs

    def test_is_what_the_command_runs_from_now_on(self, settled: Machine) -> None:
        main = settled.extension / "operator" / "__main__.py"
        main.write_text("print('the changed one')\n")
        settled.bootstrap()
        for folder in (settled.cache / "bin", settled.venvs[0] / "bin"):
            assert launcher(settled, folder=folder).stdout == "the changed one\n"

    def test_is_not_told_by_what_python_and_editors_leave_behind(self, settled: Machine) -> None:
        [package] = settled.packages
        source = settled.extension / "operator" / "kubefwd_operator"
        (source / "__pycache__").mkdir()
        (source / "__pycache__" / "app.cpython-311.pyc.4711").write_text("half")
        (source / ".app.py.swp").write_text("")
        (source / "app.py~").write_text("")
        assert settled.bootstrap("--print").stdout.strip() == str(package)

    def test_damaged_copy_is_replaced_by_a_sound_one(self, settled: Machine) -> None:
        [package] = settled.packages
        damaged = package / "kubefwd_operator" / "core" / "model.py"
        damaged.write_text("")
        assert settled.bootstrap("--print").stdout.strip() == str(package)
        assert damaged.read_text() != ""
        assert settled.packages == [package]


class TestPlaces:
    @pytest.mark.parametrize(
        "variables, expected",
        [
            pytest.param({}, "{home}/.cache/kubefwd-operator", id="home"),
            pytest.param(
                {"XDG_CACHE_HOME": "/some where"}, "/some where/kubefwd-operator", id="xdg"
            ),
            pytest.param(
                {"XDG_CACHE_HOME": "relative"}, "{home}/.cache/kubefwd-operator", id="relative xdg"
            ),
        ],
    )
    def test_cache_is_the_users(
        self, fresh: Machine, variables: dict[str, str], expected: str
    ) -> None:
        fresh.variables |= variables
        assert fresh.bootstrap("--cache").stdout == expected.format(home=fresh.home) + "\n"

    def test_cache_on_macos_is_in_library(self, fresh: Machine, tmp_path: Path) -> None:
        uname = tmp_path / "mac" / "uname"
        uname.parent.mkdir()
        uname.write_text("#!/bin/sh\necho Darwin\n")
        uname.chmod(0o755)
        fresh.path.insert(0, uname.parent)
        expected = fresh.home / "Library" / "Caches" / "kubefwd-operator"
        assert fresh.bootstrap("--cache").stdout == f"{expected}\n"

    def test_without_a_home_it_says_so(self, fresh: Machine) -> None:
        fresh.variables["HOME"] = ""
        result = fresh.bootstrap("--cache")
        assert "HOME is not set" in result.stdout
        assert result.returncode == 1

    def test_unknown_argument_is_refused_by_name(self, fresh: Machine) -> None:
        result = fresh.bootstrap("--frobnicate")
        assert result.returncode == 1
        assert "unknown argument '--frobnicate'" in result.stdout
        assert list(fresh.home.iterdir()) == []
