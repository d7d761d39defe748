"""What is broken, half-made, missing or contended."""

import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.bootstrap.machine import Machine, base_python, script

pytestmark = [pytest.mark.contract, pytest.mark.timeout(600)]


def dangling_python(venv: Path) -> None:
    """A Python that was uninstalled."""
    (venv / "bin" / "python").unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")


def thinned_out(venv: Path) -> None:
    """A cache cleaner that removes what was not read for long."""
    next((venv / "lib").glob("python*/site-packages/rich/table.py")).unlink()


def another_minor_version(venv: Path) -> None:
    """An upgrade of the system that put another minor version under the same name."""
    [lib] = (venv / "lib").iterdir()
    lib.rename(lib.with_name("python3.1"))


def dead_python(venv: Path) -> None:
    """A Python whose shared library is gone."""
    (venv / "bin" / "python").unlink()
    script(venv / "bin" / "python", "exit 127")


class TestBrokenVenv:
    @pytest.mark.parametrize(
        "harm", [dangling_python, thinned_out, another_minor_version, dead_python]
    )
    def test_is_noticed(self, settled: Machine, harm: Callable[[Path], None]) -> None:
        harm(settled.venvs[0])
        settled.path = []  # so that noticing is all that it can do
        result = settled.bootstrap()
        assert result.returncode == 1
        assert "No Python 3.11 or newer" in result.stdout

    def test_is_made_anew_and_the_broken_one_removed(self, settled: Machine) -> None:
        [broken] = settled.venvs
        dangling_python(broken)
        result = settled.bootstrap()
        assert result.returncode == 0, result.stdout
        assert broken not in settled.venvs
        assert len(settled.venvs) == 1
        assert "making a venv" not in settled.bootstrap().stdout


class TestHalfMadeVenv:
    def test_of_a_build_that_was_killed_does_not_count_and_is_removed(self, fresh: Machine) -> None:
        with fresh.started() as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Collecting"):
                    break
            [half] = fresh.venvs
            os.killpg(process.pid, signal.SIGKILL)
        assert fresh.venvs == [half]
        result = fresh.bootstrap()
        assert result.returncode == 0, result.stdout
        assert half not in fresh.venvs
        assert len(fresh.venvs) == 1

    def test_of_a_build_that_was_stopped_is_removed_at_once(self, fresh: Machine) -> None:
        with fresh.started() as process:
            assert process.stdout is not None
            for line in process.stdout:
                if line.startswith("Collecting"):
                    break
            os.killpg(process.pid, signal.SIGTERM)
            process.communicate()
            assert process.returncode != 0
        assert fresh.venvs == []


class TestNoPackages:
    def test_index_of_the_users_pip_settings_is_asked_and_its_failure_explained(
        self, fresh: Machine
    ) -> None:
        fresh.variables |= {
            "PIP_INDEX_URL": "http://127.0.0.1:1/company/simple",
            "PIP_NO_CACHE_DIR": "1",
            "PIP_RETRIES": "0",
        }
        result = fresh.bootstrap()
        assert result.returncode == 1
        assert "127.0.0.1" in result.stdout
        assert "The packages could not be installed" in result.stdout
        assert fresh.venvs == []


class TestWhichPython:
    def test_none_at_all_says_what_to_install(self, fresh: Machine) -> None:
        fresh.path = []
        result = fresh.bootstrap()
        assert result.returncode == 1
        assert "No Python 3.11 or newer" in result.stdout
        assert "apt-get install python3 python3-venv" in result.stdout
        assert fresh.venvs == []

    @pytest.mark.parametrize(
        "pythons, chosen",
        [
            pytest.param({"a/python3.11": 0, "b/python3.13": 0}, "b/python3.13", id="newest"),
            pytest.param({"a/python3.13": 1, "b/python3.11": 0}, "b/python3.11", id="shim"),
            pytest.param({"a/python3.12": 1, "b/python3.12": 0}, "b/python3.12", id="second"),
            pytest.param({"a/python3": 0}, "a/python3", id="plain name"),
            pytest.param({"a/python3": 1}, "", id="too old"),
        ],
    )
    def test_newest_that_can_make_a_venv(
        self, fresh: Machine, tmp_path: Path, pythons: dict[str, int], chosen: str
    ) -> None:
        folders = [script(tmp_path / name, f"exit {code}") for name, code in pythons.items()]
        fresh.path = folders
        result = fresh.bootstrap("--python")
        assert (result.returncode == 0) == bool(chosen)
        if chosen:
            assert result.stdout == f"{tmp_path / chosen}\n"

    def test_folder_of_that_name_is_no_python(self, fresh: Machine, tmp_path: Path) -> None:
        (tmp_path / "bin" / "python3.13").mkdir(parents=True)
        fresh.path = [tmp_path / "bin"]
        assert fresh.bootstrap("--python").returncode == 1

    def test_uv_makes_the_venv_where_no_python_can(self, fresh: Machine, tmp_path: Path) -> None:
        uv = Path(sys.executable).parent / "uv"
        assert uv.exists(), "uv belongs to the development requirements: make .venv/ready"
        (tmp_path / "uv").mkdir()
        (tmp_path / "uv" / "uv").symlink_to(uv)
        # Debian's python3 without python3-venv: newer than 3.11, and no ensurepip.
        real = base_python()
        debian = script(
            tmp_path / "debian" / "python3",
            f'case "$*" in *ensurepip*) exit 1 ;; esac\nexec \'{real}\' "$@"',
        )
        fresh.path = [tmp_path / "uv", debian]
        result = fresh.bootstrap()
        assert result.returncode == 0, result.stdout
        assert "making a venv with uv" in result.stdout
        assert "making a venv" not in fresh.bootstrap().stdout


class TestTwoAtOnce:
    def test_second_waits_and_uses_what_the_first_made(self, fresh: Machine) -> None:
        with fresh.started() as first, fresh.started() as second:
            said = [first.communicate()[0], second.communicate()[0]]
            assert [first.returncode, second.returncode] == [0, 0], said
        assert sum("making a venv" in text for text in said) == 1
        assert sum("waiting for it" in text for text in said) == 1
        assert len(fresh.venvs) == 1
        assert len(fresh.packages) == 1


SERVER = """
import asyncio, os, sys, kopf

@kopf.on.startup()
async def start(**_):
    print("serving", os.getcwd(), sys.argv, flush=True)
    await asyncio.Event().wait()
"""


class TestRunning:
    def test_becomes_kopf_itself_outside_the_extension_and_ends_on_sigterm(
        self, settled: Machine
    ) -> None:
        settled.serve(SERVER)
        with settled.started("--run") as process:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line.startswith(f"serving {settled.home} [")
            assert "'run', '-A', '--standalone', '-m', 'kubefwd_operator.handlers'" in line
            shutil.rmtree(settled.extension)
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)
            assert process.returncode == 0

    def test_server_lives_through_the_making_of_the_next_one_and_holds_its_files(
        self, settled: Machine
    ) -> None:
        settled.serve(SERVER)
        with settled.started("--run") as process:
            assert process.stdout is not None
            assert process.stdout.readline().startswith("serving")
            used = Path(f"/proc/{process.pid}/fd/8").resolve().parent, settled.venvs[0]
            settled.change_requirements()
            _forget(settled)
            assert settled.bootstrap().returncode == 0
            assert process.poll() is None
            assert used[0] in settled.packages
            assert used[1] in settled.venvs
            os.kill(process.pid, signal.SIGTERM)
            process.communicate(timeout=60)
        _forget(settled)
        settled.change_package("one more, so that something is made")
        assert settled.bootstrap().returncode == 0
        assert used[0] not in settled.packages
        assert used[1] not in settled.venvs


class TestOld:
    def test_what_was_used_lately_stays(self, settled: Machine) -> None:
        before = settled.packages
        settled.change_package("next")
        settled.bootstrap()
        assert set(before) < set(settled.packages)

    def test_what_nobody_used_for_a_month_goes(self, settled: Machine) -> None:
        before = settled.packages
        _forget(settled)
        settled.change_package("next")
        settled.bootstrap()
        assert len(settled.packages) == 1
        assert not set(before) & set(settled.packages)


def _forget(machine: Machine) -> None:
    """Make everything look unused for 40 days."""
    long_ago = 40 * 24 * 3600
    for path in [*machine.cache.glob("venvs/*.used"), *machine.cache.glob("packages/.*.used")]:
        then = path.stat().st_mtime - long_ago
        os.utime(path, (then, then))
