"""What a developer has that asks for a password."""

from pathlib import Path

import pytest


@pytest.fixture
def askpass(tmp_path: Path) -> Path:
    """Give a program that sudo may ask through."""
    program = tmp_path / "ask pass"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    return program
