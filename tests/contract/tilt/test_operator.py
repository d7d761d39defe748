"""Stock `kopf run` with our handlers on a real Tilt: it starts, hears, publishes, and ends."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest
from tests.contract.tilt.conftest import StartOperator
from tests.contract.tilt.peer import BUTTON, MAPS, Tilt, kopf_run, says
from tests.lab.proc import Server, alive, wait_for

from kubefwd_operator.tilt.client import MEMORY, STATUS

pytestmark = pytest.mark.contract

NewTilt = Callable[..., Tilt]


def published(tilt: Tilt) -> dict[str, object]:
    """The status, once there is one."""
    status = wait_for(tilt.status, "a status")
    assert status is not None
    return status


def generation(tilt: Tilt) -> object:
    return (tilt.status() or {}).get("generation")


def test_it_publishes_what_tilt_get_and_tilt_describe_show(
    tilt: Tilt, operate: StartOperator
) -> None:
    operator = operate(tilt)
    status = published(tilt)
    assert status["state"] == "NoCluster"
    assert status["pid"] == operator.pid
    assert status["instance"] == f"tilt-{tilt.port}"
    for verb in ("get", "describe"):
        command = ["tilt", verb, "--port", str(tilt.port), "configmap", STATUS]
        shown = subprocess.run(
            [*command, *(("-o", "yaml") if verb == "get" else ())],
            env=tilt.env,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "NoCluster" in shown
        assert "status.json" in shown


def test_a_click_rings_and_is_acted_on_once(tilt: Tilt, operate: StartOperator) -> None:
    operator = operate(tilt)
    published(tilt)
    tilt.click("2020-01-01T00:00:00.000001Z")  # of whatever clock
    says(operator, "want generation=1")
    wait_for(lambda: generation(tilt) == 1, "generation 1 in the status")
    tilt.click("2019-01-01T00:00:00.000001Z")
    says(operator, "want generation=2")


def test_a_click_made_while_it_was_down_is_acted_on_by_the_next(
    tilt: Tilt, operate: StartOperator
) -> None:
    first = operate(tilt)
    published(tilt)
    assert first.stop() == 0
    tilt.click("2020-01-01T00:00:00.000001Z")
    says(operate(tilt, name="second"), "want generation=1")


def test_a_click_older_than_the_first_operator_is_history(
    tilt: Tilt, operate: StartOperator
) -> None:
    tilt.click("2020-01-01T00:00:00.000001Z")
    operator = operate(tilt)
    published(tilt)
    tilt.click("2020-01-01T00:00:00.000002Z")
    says(operator, "want generation=1")
    assert "generation=2" not in operator.output


def test_its_config_maps_are_written_again_when_somebody_deletes_them(
    tilt: Tilt, operate: StartOperator
) -> None:
    operate(tilt)
    published(tilt)
    tilt.click("2020-01-01T00:00:00.000001Z")
    wait_for(lambda: generation(tilt) == 1, "the first click")
    for name in (STATUS, MEMORY):
        tilt.api.delete(f"{MAPS}/{name}")
    tilt.click("2020-01-01T00:00:00.000002Z")
    wait_for(lambda: generation(tilt) == 2, "the second click")
    assert '"generation":2' in tilt.api.get(f"{MAPS}/{MEMORY}")["data"]["memory.json"]


def test_two_tilts_of_one_developer_have_an_operator_each(
    new_tilt: NewTilt, operate: StartOperator
) -> None:
    tilts = [new_tilt(), new_tilt()]
    operators = [operate(tilt) for tilt in tilts]
    for tilt, operator in zip(tilts, operators, strict=True):
        assert published(tilt)["pid"] == operator.pid
    tilts[1].click("2020-01-01T00:00:00.000001Z")
    says(operators[1], "want generation=1")
    assert "generation=1" not in operators[0].output
    tilts[1].stop()
    assert operators[1].wait_exited() == 0
    assert operators[0].exit_code is None


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stopped", "killed"])
def test_beside_tilt_it_ends_when_tilt_does(
    tilt: Tilt, operate: StartOperator, end: Callable[[Server], object]
) -> None:
    operator = operate(tilt)
    published(tilt)
    assert tilt.server is not None
    end(tilt.server)
    assert operator.wait_exited() == 0
    assert "The operator ends." in operator.output
    assert "note: close" in operator.output
    assert "Traceback" not in operator.output


def under_tilt(environment: dict[str, str]) -> str:
    """A Tiltfile whose serve_cmd is the operator."""
    env = {key: environment[key] for key in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    return f"local_resource('main', serve_cmd={kopf_run()!r}, serve_env={env!r})\n{BUTTON}"


@pytest.mark.parametrize("end", [Server.stop, Server.kill], ids=["stopped", "killed"])
def test_under_tilt_it_finds_its_way_by_itself_and_ends_with_it(
    new_tilt: NewTilt, end: Callable[[Server], object]
) -> None:
    tilt = new_tilt(tiltfile=under_tilt(_python_environment()))
    pid = published(tilt)["pid"]
    assert isinstance(pid, int)
    assert tilt.server is not None
    end(tilt.server)
    wait_for(lambda: not alive(pid), "the operator's end")


def _python_environment() -> dict[str, str]:
    return {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONDONTWRITEBYTECODE": "1"}


def test_sigterm_ends_it_cleanly_and_soon(tilt: Tilt, operate: StartOperator) -> None:
    operator = operate(tilt)
    published(tilt)
    begun = time.monotonic()
    assert operator.stop(grace=30) == 0
    assert time.monotonic() - begun < 5  # tests/bench measures the limit of 1.5 s
    assert "note: close" in operator.output
    assert "Traceback" not in operator.output


def test_sigterm_ends_it_soon_even_when_a_part_hangs(tilt: Tilt, operate: StartOperator) -> None:
    operator = operate(tilt, CLOSE_HANGS="1")
    published(tilt)
    begun = time.monotonic()
    assert operator.stop(grace=30) == 0
    assert time.monotonic() - begun < 5


def test_sigterm_ends_it_soon_even_when_tilt_is_stopped(tilt: Tilt, operate: StartOperator) -> None:
    operator = operate(tilt)
    published(tilt)
    assert tilt.server is not None
    tilt.server.signal(signal.SIGSTOP)
    try:
        begun = time.monotonic()
        operator.stop(grace=30)
        assert time.monotonic() - begun < 5
        assert operator.exit_code == 0
    finally:
        tilt.server.signal(signal.SIGCONT)


def test_a_task_that_dies_ends_it_with_code_1(tilt: Tilt, operate: StartOperator) -> None:
    operator = operate(tilt, LOOP_DIES="1")
    assert operator.wait_exited() == 1
    assert "The task 'loop' has failed." in operator.output
    assert "ZeroDivisionError: as the test wants" in operator.output
    assert "note: close" in operator.output


@pytest.mark.parametrize(
    "env, sentences",
    [
        pytest.param(
            {"KUBEFWD_OPERATOR_ENGINE": "ssh", "KUBEFWD_OPERATOR_LINGER": "x"},
            ["error: engine: 'ssh' is not an engine", "error: linger: 'x' is not a whole"],
            id="arguments",
        ),
        pytest.param({"TILT_PORT": "web"}, ["error: TILT_PORT: 'web' is not a port"], id="port"),
        pytest.param({"TILT_PORT": "1"}, ["error: No Tilt runs on port 1"], id="no such Tilt"),
    ],
)
def test_what_the_developer_must_put_right_is_said_in_words_and_ends_it(
    tilt: Tilt, operate: StartOperator, env: dict[str, str], sentences: list[str]
) -> None:
    operator = operate(tilt, **env)
    assert operator.wait_exited() == 2
    for sentence in sentences:
        assert sentence in operator.output
    assert "Traceback" not in operator.output
    assert "Warning" not in operator.output
