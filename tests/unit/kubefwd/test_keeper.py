"""Credentials are replaced before they end, and nothing more often than needed."""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.unit.kubefwd.kit import Credentials, access

from kubefwd_operator.cluster.handover import Handover
from kubefwd_operator.core.errors import ClusterError, CredentialsExpired, HelperGone
from kubefwd_operator.engines.kubefwd.keeper import MARGIN, POLL, Keeper

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=0)]

GIVEN = Handover(access(), expires=1000.0)


class Stage:
    """A keeper, and everything that it has said."""

    def __init__(self) -> None:
        self.credentials: Credentials | None = Credentials()
        self.credentials.given = GIVEN
        self.tokens: list[str] = []
        self.renewals: list[tuple[str, float | None]] = []
        self.troubles: list[ClusterError | None] = []
        self.error: Exception | None = None
        self.now = 0.0
        self.keeper = Keeper(
            lambda: self.credentials,
            token=self.token,
            renew=lambda why, by: self.renewals.append((why, by)),
            trouble=self.troubles.append,
            wall=lambda: self.now,
        )

    async def token(self, token: str) -> None:
        if self.error:
            raise self.error
        self.tokens.append(token)

    @property
    def source(self) -> Credentials:
        assert self.credentials is not None
        return self.credentials


@pytest.fixture
def stage() -> Iterator[Stage]:
    made = Stage()
    yield made
    made.keeper.stop()


async def test_the_same_is_not_handed_over_again(stage: Stage) -> None:
    stage.keeper.keep(GIVEN)
    await asyncio.sleep(3 * POLL + 1)
    assert stage.source.margins == [MARGIN] * 3
    assert (stage.tokens, stage.renewals) == ([], [])
    assert set(stage.troubles) == {None}


async def test_a_fresh_token_is_handed_over_once(stage: Stage) -> None:
    stage.keeper.keep(GIVEN)
    stage.source.given = Handover(access("t2"))
    await asyncio.sleep(3 * POLL)
    stage.source.given = Handover(access("t3"))
    await asyncio.sleep(2 * POLL)
    assert stage.tokens == ["t2", "t3"]
    assert stage.renewals == []


@pytest.mark.parametrize(
    "change",
    [{"ca": "other"}, {"server": "https://other"}, {"certificate": "c"}, {"tls_server_name": "n"}],
)
async def test_anything_else_asks_for_a_restart_once(stage: Stage, change: dict[str, str]) -> None:
    stage.keeper.keep(GIVEN)
    stage.source.given = Handover(replace(access(), **change))
    await asyncio.sleep(5 * POLL)
    assert stage.renewals == [("its credentials have changed", 1000.0)]
    assert len(stage.source.margins) == 1
    stage.keeper.keep(stage.source.given)
    await asyncio.sleep(2 * POLL)
    assert len(stage.renewals) == 1


async def test_what_fails_is_said_once_it_has_expired_and_when_it_is_over(stage: Stage) -> None:
    error = CredentialsExpired("Log in again.")
    stage.keeper.keep(GIVEN)
    stage.source.error = error
    await asyncio.sleep(2 * POLL + 1)
    assert stage.troubles == []
    stage.now = 1000.0
    await asyncio.sleep(POLL)
    assert stage.troubles == [error]
    stage.source.error = None
    stage.source.given = Handover(access("t2"))
    await asyncio.sleep(POLL)
    assert stage.troubles == [error, None]
    assert stage.tokens == ["t2"]


async def test_a_helper_that_is_gone_is_others_concern(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    stage.error = HelperGone("gone")
    stage.keeper.keep(GIVEN)
    stage.source.given = Handover(access("t2"))
    await asyncio.sleep(2 * POLL + 1)
    assert (stage.tokens, stage.troubles, caplog.records) == ([], [], [])
    stage.error = None
    await asyncio.sleep(POLL)
    assert stage.tokens == ["t2"]


async def test_an_error_of_ours_is_logged_and_the_next_look_is_made(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.error = ZeroDivisionError("ours")
    stage.keeper.keep(GIVEN)
    stage.source.given = Handover(access("t2"))
    await asyncio.sleep(POLL + 1)
    assert "ZeroDivisionError" in caplog.text
    stage.error = None
    await asyncio.sleep(POLL)
    assert stage.tokens == ["t2"]


async def test_without_a_kubeconfig_nothing_is_done(stage: Stage) -> None:
    stage.credentials = None
    stage.keeper.keep(GIVEN)
    await asyncio.sleep(2 * POLL + 1)
    assert (stage.tokens, stage.renewals) == ([], [])


async def test_stopped_it_asks_nobody(stage: Stage) -> None:
    stage.keeper.keep(GIVEN)
    stage.keeper.stop()
    await asyncio.sleep(5 * POLL)
    assert stage.source.margins == []
