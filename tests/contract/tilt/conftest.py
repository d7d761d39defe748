"""A home per test, and every server stopped at its end."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.tilt.peer import STAND_INS, Tilt, start_operator
from tests.lab import tools
from tests.lab.proc import Server, stop_all

StartOperator = Callable[..., Server]


@pytest.fixture(scope="session", autouse=True)
def _tilt_binary() -> None:
    tools.ensure("tilt")


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    running: list[Server] = []
    yield running
    stop_all(running)


@pytest.fixture
def new_tilt(tmp_path: Path, servers: list[Server]) -> Callable[..., Tilt]:
    """Start a Tilt; all of one test share a home, as those of one developer do."""

    def start(**more: str) -> Tilt:
        tilt = Tilt(tmp_path / "home of dev").start(**more)
        assert tilt.server is not None
        servers.append(tilt.server)
        return tilt

    return start


@pytest.fixture
def tilt(new_tilt: Callable[..., Tilt]) -> Tilt:
    return new_tilt()


@pytest.fixture
def operate(servers: list[Server]) -> StartOperator:
    """Start an operator beside a Tilt."""

    def start(tilt: Tilt, module: str = STAND_INS, name: str = "kopf", **env: str) -> Server:
        server = start_operator(tilt, env, module, name)
        servers.append(server)
        return server

    return start
