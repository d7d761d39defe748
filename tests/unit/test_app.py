"""The small things that the composition root does itself; the rest is in tests/contract/tilt."""

import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubefwd_operator.app import FILES, private_directory, raise_file_limit


def test_our_directory_is_made_private_even_if_it_was_not(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b"
    assert private_directory(path) == path
    path.chmod(0o755)
    private_directory(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o700


@pytest.fixture
def hard_limit() -> Iterator[int]:
    """The hard limit of this process; the soft one is put back."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_the_limit_of_open_files_is_raised_as_far_as_it_goes(hard_limit: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard_limit))
    raise_file_limit()
    wanted = FILES if hard_limit == resource.RLIM_INFINITY else min(FILES, hard_limit)
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (wanted, hard_limit)


def test_a_limit_that_is_high_already_is_left_alone(
    hard_limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kubefwd_operator.app.FILES", 128)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard_limit))
    raise_file_limit()
    assert resource.getrlimit(resource.RLIMIT_NOFILE) == (256, hard_limit)
