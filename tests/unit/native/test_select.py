"""Which engine a wish gets."""

import logging

import pytest
from tests.unit.native.kit import Authority, Catalog, wish

from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.engine import NativeEngine
from kubefwd_operator.engines.select import NoEngine, select


@pytest.mark.parametrize("asked", ["auto", "native"])
async def test_the_native_engine_is_the_default(
    asked: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    made = select(asked, Catalog(), Authority(), lambda: None)
    assert isinstance(made, NativeEngine)
    assert "native engine" in caplog.text


@pytest.mark.parametrize("asked, says", [("kubefwd", "no kubefwd engine"), ("x", "no engine 'x'")])
async def test_a_wish_that_cannot_be_met_forwards_nothing_and_says_what_to_do(
    asked: str, says: str
) -> None:
    made = select(asked, Catalog(), Authority(), lambda: None)
    assert isinstance(made, NoEngine)
    made.start()
    made.want(wish())
    made.wake()
    (problem,) = made.seen().problems
    assert problem.reason is Reason.ENGINE_UNAVAILABLE
    assert says in problem.message
    assert "engine='native'" in problem.message
    assert made.seen().services == ()
    await made.close()
