"""One venv is built for the whole tier; a test that needs one starts from a copy of it."""

import shutil
from pathlib import Path

import pytest
from tests.contract.bootstrap.machine import Machine, link_tools, make, python_folder


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand for the Unix tools on PATH."""
    return link_tools(tmp_path_factory.mktemp("unix") / "bin")


@pytest.fixture(scope="session")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Stand for the Python on PATH."""
    return python_folder(tmp_path_factory.mktemp("python") / "bin")


@pytest.fixture(scope="session")
def first_start(
    tmp_path_factory: pytest.TempPathFactory, tools: Path, python: Path
) -> tuple[Machine, str]:
    """Give a machine on which it ran once, and what it said."""
    machine = make(tmp_path_factory.mktemp("first start"), tools, python)
    result = machine.bootstrap()
    assert result.returncode == 0, result.stdout
    return machine, result.stdout


@pytest.fixture
def fresh(tmp_path: Path, tools: Path, python: Path) -> Machine:
    """Give a machine on which it never ran."""
    return make(tmp_path, tools, python)


@pytest.fixture
def settled(tmp_path: Path, tools: Path, python: Path, first_start: tuple[Machine, str]) -> Machine:
    """Give a machine of its own on which it ran once: a copy of the first start's."""
    model, _ = first_start
    machine = make(tmp_path, tools, python, source=model.extension)
    shutil.copytree(model.cache, machine.cache, symlinks=True)
    return machine
