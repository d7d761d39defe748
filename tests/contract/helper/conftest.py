"""The helper is root: without root, these tests say what is missing and are skipped."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.helper.harness import Machine


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    if os.geteuid() != 0:
        pytest.skip("NOT TESTED: the privileged helper needs root; run these tests as root")


@pytest.fixture
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    folder = tmp_path_factory.mktemp("machine")
    for parent in (folder, *folder.parents[:3]):  # other users' helpers look here too
        Path(parent).chmod(0o755)
    made = Machine(folder)
    yield made
    made.close()
