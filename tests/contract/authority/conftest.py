"""A developer who may sudo with a password, and what is left of the helpers afterwards."""

import itertools
from collections.abc import Callable, Iterator

import pytest
from tests.contract.authority.operators import helpers
from tests.lab.eventual import eventually
from tests.lab.user import Dev

Asked = Callable[[], int]
_NUMBERS = itertools.count(1)


@pytest.fixture
def asked(dev: Dev) -> Asked:
    """Tell how often a password was asked for in this test."""
    before = dev.prompts
    return lambda: dev.prompts - before


@pytest.fixture
def instance(dev: Dev) -> Iterator[str]:
    """Give an instance of this test's own, to a developer who may sudo with a password."""
    dev.sudoers()
    dev.answer_with(dev.password)
    yield f"tilt-{next(_NUMBERS)}"
    eventually(lambda: not helpers())
