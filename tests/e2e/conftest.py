"""A scenario is a folder with its own Tiltfile; each module runs in a namespace of its own.

How to write one is in `docs/development.md`; the fixtures are in `tests/lab/fixtures.py`.
"""

import pytest
from tests.lab.user import isolated


@pytest.fixture(autouse=True, scope="session")
def _only_in_a_namespace() -> None:
    """Refuse to run a scenario on a machine that was not made for it."""
    if not isolated():
        pytest.fail("scenarios change /etc/hosts and sudoers: they run in a namespace only")
