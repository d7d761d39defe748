"""The command line beside a real operator on a real Tilt."""

import json
import time

import pytest
from tests.contract.tilt.conftest import StartOperator
from tests.contract.tilt.peer import Tilt, run_cli
from tests.lab.proc import wait_for

from kubefwd_operator import __version__

pytestmark = pytest.mark.contract


def test_it_reads_the_status_of_the_tilt_that_is_meant(tilt: Tilt, operate: StartOperator) -> None:
    operator = operate(tilt)
    wait_for(tilt.status, "a status")
    shown = run_cli(tilt, "status")
    assert shown.returncode == 1
    assert shown.stdout.startswith("NoCluster  This Tiltfile deploys nothing")
    document = json.loads(run_cli(tilt, "status", "--json").stdout)
    assert document == tilt.status()
    assert run_cli(tilt, "ready").returncode == 1
    # Tilt's probes have no TILT_PORT, so the option must do; and it goes before the variable.
    assert run_cli(tilt, "ready", "--port", str(tilt.port)).returncode == 1
    assert run_cli(tilt, "ready", "--port", "1").returncode == 3
    operator.kill()
    gone = run_cli(tilt, "ready")
    assert gone.returncode == 3
    assert "does not run any more" in gone.stderr
    tilt.stop()
    assert run_cli(tilt, "status").returncode == 3


def test_before_an_operator_has_reported_there_is_nobody_to_ask(tilt: Tilt) -> None:
    result = run_cli(tilt, "status")
    assert result.returncode == 3
    assert "has not reported yet" in result.stderr


def test_it_answers_within_a_probes_patience(tilt: Tilt, operate: StartOperator) -> None:
    operate(tilt)
    wait_for(tilt.status, "a status")
    begun = time.monotonic()
    run_cli(tilt, "ready")
    assert time.monotonic() - begun < 4  # Tiltfile: timeout_secs


def test_the_probe_imports_nothing_heavy(tilt: Tilt, operate: StartOperator) -> None:
    operate(tilt)
    wait_for(tilt.status, "a status")
    result = run_cli(tilt, "ready", python=("-X", "importtime"))
    assert "kubefwd_operator.tilt.glance" in result.stderr
    for heavy in ("kopf", "kubernetes", "pykube", "aiohttp", "rich", "requests"):
        assert f" {heavy}\n" not in result.stderr


def test_authorize_prints_one_line_and_runs_nothing(tilt: Tilt) -> None:
    result = run_cli(tilt, "authorize", "--print")
    assert result.returncode == 0, result.stderr
    assert len(result.stdout.splitlines()) == 1
    assert f"--instance tilt-{tilt.port}" in result.stdout
    other = run_cli(tilt, "authorize", "--print", "--instance", "another")
    assert "--instance another" in other.stdout


def test_wait_says_what_is_missing_and_why(tilt: Tilt, operate: StartOperator) -> None:
    nobody = run_cli(tilt, "wait", "web.storefront:80", "--timeout=1s")
    assert nobody.returncode == 3
    assert "Not reachable within 1s: web.storefront:80. The operator has not" in nobody.stderr
    operate(tilt)
    wait_for(tilt.status, "a status")
    missing = run_cli(tilt, "wait", "web.storefront:80", "localhost:81", "--timeout=1s")
    assert missing.returncode == 1
    assert missing.stdout == ""
    for name in ("web.storefront:80", "localhost:81"):
        sentence = f"{name} is not reachable within 1s. NoCluster: This Tiltfile deploys nothing"
        assert sentence in missing.stderr
    other = run_cli(tilt, "wait", "web.storefront:80", "--timeout=1s", "--port=1")
    assert other.returncode == 3
    assert run_cli(tilt, "wait", "web.storefront").returncode == 2


def test_version(tilt: Tilt) -> None:
    assert run_cli(tilt, "version").stdout.strip() == __version__
