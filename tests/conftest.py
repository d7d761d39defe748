"""What every tier shares: the order of the tiers, their marks, and the lab."""

import asyncio
from pathlib import Path

import pytest
from hypothesis import settings
from tests.contract.kubefwd import verified
from tests.lab import isolate
from tests.lab.fixtures import (  # noqa: F401  # fixtures are found by name
    cluster,
    dev,
    engine,
    lab,
    start_cluster,
    start_tilt,
    tilt,
)

# looptime asks for an event loop around synchronous tests too, and Python up to 3.13 makes one when
# none was ever set, which nobody closes. Once one was set (to none), it does not.
asyncio.set_event_loop(None)

# How long one example takes tells how busy the machine is; a whole test has its time-out.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")

TESTS = Path(__file__).parent
TIERS = ("unit", "contract", "e2e")


def _tier(item: pytest.Item) -> str:
    inside = item.path.relative_to(TESTS).parts if item.path.is_relative_to(TESTS) else ()
    return inside[0] if inside and inside[0] in TIERS else "unit"


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "isolated: the module runs in a namespace of its own")
    config.addinivalue_line("markers", "engines(*names): the module is run with each of these")
    config.addinivalue_line("markers", "browser: the module needs Tilt's real page")
    isolate.register(config)
    verified.register(config)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a module that is marked with `engines` once with each."""
    if (
        mark := metafunc.definition.get_closest_marker("engines")
    ) and "engine" in metafunc.fixturenames:
        metafunc.parametrize("engine", mark.args, indirect=True, scope="module")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with its tier, isolate scenarios, and let the dear ones come last."""
    for item in items:
        tier = _tier(item)
        if tier != "unit":
            item.add_marker(tier)
        if tier == "e2e":
            item.add_marker("isolated")
    items.sort(key=lambda item: TIERS.index(_tier(item)))
