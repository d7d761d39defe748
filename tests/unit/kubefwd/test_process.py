"""The kubefwd process, driven: what is asked of the helper, when, and what is said of it."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from tests.unit.kubefwd.kit import Api, Credentials, Helper, access

from kubefwd_operator.cluster.handover import Handover
from kubefwd_operator.core.errors import (
    CredentialsUnsupported,
    HelperGone,
    HelperRefused,
    KubefwdForeign,
    KubefwdUnreachable,
)
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.kubefwd.machine import Phase
from kubefwd_operator.engines.kubefwd.process import BACK_OFF, HOPELESS, STEADY, UP, Process

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=0)]

SILENT = KubefwdUnreachable("kubefwd does not answer.")


class Stage:
    """A process and what it lives on."""

    def __init__(self) -> None:
        self.credentials, self.helper, self.api = Credentials(), Helper(), Api()
        self.woken = asyncio.Event()
        self.process = Process(lambda: self.credentials, self.woken.set, connect=self.api.connect)

    def want(self, *, wanted: bool = True) -> None:
        self.process.want(self.helper, wanted=wanted)

    async def until(self, phase: Phase) -> None:
        while self.process.phase is not phase:
            self.woken.clear()
            await asyncio.wait_for(self.woken.wait(), 600)

    async def run(self) -> "Stage":
        self.want()
        await self.until(Phase.RUNNING)
        return self

    @property
    def reason(self) -> Reason | None:
        return self.process.problem.reason if self.process.problem else None

    @property
    def message(self) -> str:
        return self.process.problem.message if self.process.problem else ""


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.process.close()


def now() -> float:
    return asyncio.get_running_loop().time()


async def test_it_runs_when_it_is_wanted(stage: Stage) -> None:
    assert stage.process.api is None
    stage.want(wanted=False)
    assert stage.process.phase is Phase.STOPPED
    await stage.run()
    assert stage.helper.accesses == [access()]
    assert stage.api.keys == ["key1"]
    assert stage.process.api is not None
    assert stage.process.problem is None
    stage.want()
    await asyncio.sleep(10)
    assert stage.helper.asked == ["start"]


async def test_it_is_ended_when_it_is_not_wanted_any_more(stage: Stage) -> None:
    await stage.run()
    stage.want(wanted=False)
    assert stage.process.api is None
    await stage.until(Phase.BACKING_OFF)
    stage.want(wanted=False)
    assert stage.process.phase is Phase.STOPPED
    assert stage.helper.asked == ["start", "stop"]
    await asyncio.sleep(60)
    assert stage.process.phase is Phase.STOPPED


async def test_it_counts_as_running_once_it_answers(stage: Stage) -> None:
    stage.api.error = SILENT
    stage.want()
    await asyncio.sleep(5)
    assert stage.process.phase is Phase.STARTING
    stage.api.error = None
    await stage.until(Phase.RUNNING)
    assert now() == pytest.approx(5, abs=0.1)


async def test_one_that_never_answers_is_ended_and_started_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.api.error = SILENT
    stage.want()
    await asyncio.sleep(0.1)
    stage.helper.say("ERRO[1] API server error: bind: address already in use")
    await stage.until(Phase.BACKING_OFF)
    assert now() == pytest.approx(UP)
    assert stage.helper.asked == ["start", "stop"]
    assert "bind: address already in use" in stage.message
    await stage.until(Phase.STARTING)
    assert now() == pytest.approx(UP + BACK_OFF[0])
    assert stage.message in caplog.text


@pytest.mark.parametrize(
    "name, fault",
    [("foreign", KubefwdForeign("Something else answers.")), ("open", None)],
)
async def test_one_that_is_not_ours_or_open_to_all_is_not_used(
    stage: Stage, name: str, fault: KubefwdForeign | None
) -> None:
    stage.api.error, stage.api.open = fault, name == "open"
    stage.want()
    await stage.until(Phase.STOPPING)
    assert stage.process.api is None
    assert stage.api.closed == 1
    expected = "Something else answers" if fault else "without a key"
    assert expected in stage.message


async def test_an_exit_is_followed_by_a_start_with_growing_pauses(stage: Stage) -> None:
    await stage.run()
    begun: list[float] = []
    for _ in range(HOPELESS + 1):
        stage.helper.say("FATA[1] it cannot go on")
        before = now()
        stage.helper.say("kubefwd has ended with code 1.", "exited")
        assert stage.process.phase is Phase.BACKING_OFF
        assert stage.process.api is None
        assert "ended with code 1. Its last words: it cannot go on" in stage.message
        await stage.until(Phase.RUNNING)
        begun.append(now() - before)
    assert begun == pytest.approx([*BACK_OFF, BACK_OFF[-1]], abs=0.1)


async def test_after_too_many_failures_it_is_hopeless_and_says_so(stage: Stage) -> None:
    await stage.run()
    reasons = []
    for _ in range(HOPELESS):
        stage.helper.say("kubefwd has ended with code 2.", "exited")
        reasons.append(stage.reason)
        await stage.until(Phase.RUNNING)
    assert reasons == [Reason.ENGINE_RESTARTING] * (HOPELESS - 1) + [Reason.ENGINE_FAILED]
    assert stage.process.failures == HOPELESS


async def test_one_that_ran_for_long_has_not_failed(stage: Stage) -> None:
    await stage.run()
    for _ in range(3):
        await asyncio.sleep(STEADY)
        stage.helper.say("kubefwd has ended with code 2.", "exited")
        assert stage.process.failures == 1
        await stage.until(Phase.RUNNING)


async def test_a_renewal_waits_for_the_end_and_not_longer(stage: Stage) -> None:
    await stage.run()
    stage.helper.ending.clear()
    stage.process.renew("Refresh was clicked")
    assert stage.process.phase is Phase.STOPPING
    assert stage.message == "kubefwd is started anew: Refresh was clicked."
    stage.process.renew("Refresh was clicked")
    await asyncio.sleep(3)
    assert stage.helper.asked == ["start", "stop"]
    stage.helper.ending.set()
    await stage.until(Phase.RUNNING)
    assert now() == pytest.approx(3, abs=0.1)
    assert stage.api.keys == ["key1", "key2"]
    assert stage.process.problem is None


async def test_a_renewal_of_nothing_is_nothing(stage: Stage) -> None:
    stage.process.renew("the cluster is another one")
    assert stage.process.phase is Phase.STOPPED
    assert stage.process.problem is None


async def test_one_that_falls_silent_is_replaced(stage: Stage) -> None:
    await stage.run()
    stage.process.silent("kubefwd does not answer.")
    assert (stage.process.phase, stage.reason) == (Phase.STOPPING, Reason.ENGINE_RESTARTING)
    stage.process.silent("kubefwd does not answer.")
    await stage.until(Phase.RUNNING)
    assert stage.helper.asked == ["start", "stop", "start"]


@pytest.mark.parametrize(
    "code, phase, reason",
    [
        ("unusable", Phase.FAILED, Reason.ENGINE_FAILED),
        ("in-use", Phase.BACKING_OFF, Reason.HELD_BY_OTHER_USER),
        ("system", Phase.BACKING_OFF, Reason.ENGINE_RESTARTING),
    ],
)
async def test_what_root_refuses(stage: Stage, code: str, phase: Phase, reason: Reason) -> None:
    stage.helper.refusals["start"] = HelperRefused(code, "No.")
    stage.want()
    await stage.until(phase)
    assert stage.reason is reason
    assert stage.message.startswith("No.")
    stage.helper.refusals.clear()
    if phase is Phase.FAILED:
        await asyncio.sleep(600)
        assert stage.process.phase is Phase.FAILED
        stage.process.renew("Refresh was clicked")
    await stage.until(Phase.RUNNING)


async def test_credentials_that_kubefwd_is_not_given_are_named(stage: Stage) -> None:
    stage.credentials.error = CredentialsUnsupported("A proxy: use engine='native'.")
    stage.want()
    await stage.until(Phase.BACKING_OFF)
    assert stage.reason is Reason.CREDENTIALS_UNSUPPORTED
    assert stage.helper.asked == []
    stage.credentials.error = None
    await stage.until(Phase.RUNNING)


async def test_a_helper_that_is_gone_has_taken_it_along(stage: Stage) -> None:
    await stage.run()
    stage.process.want(None, wanted=True)
    assert (stage.process.phase, stage.process.api) == (Phase.STOPPED, None)
    first, stage.helper = stage.helper, Helper()
    await stage.run()
    assert (first.asked, stage.helper.asked) == (["start"], ["start"])
    assert stage.helper.heard is not None


async def test_a_helper_that_goes_while_it_is_asked_is_waited_for(stage: Stage) -> None:
    stage.helper.refusals["start"] = HelperGone("gone")  # type: ignore[assignment]
    stage.want()
    await asyncio.sleep(60)
    assert stage.process.phase is Phase.STARTING
    stage.helper = Helper()
    await stage.run()


async def test_an_error_of_ours_is_said_and_tried_again(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    stage.helper.refusals["start"] = ZeroDivisionError("ours")  # type: ignore[assignment]
    stage.want()
    await stage.until(Phase.BACKING_OFF)
    assert stage.reason is Reason.INTERNAL_ERROR
    assert "ZeroDivisionError" in caplog.text
    stage.helper.refusals.clear()
    await stage.until(Phase.RUNNING)


async def test_a_fresh_token_goes_to_root(stage: Stage) -> None:
    await stage.run()
    stage.credentials.given = Handover(access("t2"))
    await asyncio.sleep(60)
    assert stage.helper.asked == ["start", "token t2"]
    assert stage.process.renewal is None


async def test_other_credentials_ask_for_a_renewal(stage: Stage) -> None:
    stage.credentials.given = Handover(access(), expires=1e12)
    await stage.run()
    stage.credentials.given = Handover(access(certificate="another"), expires=2e12)
    await asyncio.sleep(60)
    assert stage.process.renewal == ("its credentials have changed", 1e12)
    stage.process.renew("its credentials have changed")
    await stage.until(Phase.RUNNING)
    assert stage.process.renewal is None
    assert stage.helper.accesses[-1] == access(certificate="another")


async def test_expired_credentials_are_said_while_it_runs(stage: Stage) -> None:
    await stage.run()
    stage.credentials.error = CredentialsUnsupported("The login has expired.")
    await asyncio.sleep(60)
    assert (stage.process.phase, stage.reason) == (Phase.RUNNING, Reason.CREDENTIALS_UNSUPPORTED)
    stage.credentials.error = None
    await asyncio.sleep(60)
    assert stage.reason is None


async def test_to_end_it_is_to_ask_root_and_to_wait(stage: Stage) -> None:
    await stage.run()
    await stage.process.end()
    assert stage.helper.asked == ["start", "stop"]
    assert stage.api.closed == 1


async def test_to_close_leaves_it_to_root(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    await stage.run()
    await stage.process.close()
    assert stage.helper.asked == ["start"]
    assert stage.api.closed == 1
    assert not caplog.records
