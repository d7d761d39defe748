"""`kubefwd_wait` in a real Tilt, and the script that its resource runs, before and after set-up."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from tests.contract.bootstrap.machine import DEADLINE, Machine, script
from tests.contract.tilt.peer import Tilt
from tests.lab import tools

from kubefwd_operator.core import waiting
from kubefwd_operator.core.errors import SettingsError

pytestmark = [pytest.mark.contract, pytest.mark.timeout(300)]

CHECKOUT = Path(__file__).parents[3]
LOAD = "load({path!r}, 'kubefwd_wait')\nlocal_resource('main', 'true')\n{call}\n"


@pytest.fixture(scope="session", autouse=True)
def _tilt_binary() -> None:
    tools.ensure("tilt")


def with_wait(machine: Machine) -> Machine:
    """Add the folder to the extension of a machine."""
    shutil.copytree(CHECKOUT / "wait", machine.extension / "wait")
    return machine


@pytest.fixture
def unready(fresh: Machine) -> Machine:
    """Give a machine on which bootstrap.sh never ran."""
    return with_wait(fresh)


def evaluate(machine: Machine, call: str) -> tuple[dict[str, Any], str]:
    """Evaluate a Tiltfile with this call: the resource that it makes, and Tilt's log."""
    tilt = Tilt(machine.home)
    path = str(machine.extension / "wait" / "Tiltfile")
    (tilt.folder / "Tiltfile").write_text(LOAD.format(path=path, call=call))
    ran = subprocess.run(
        [tools.path("tilt"), "alpha", "tiltfile-result", "-f", tilt.folder / "Tiltfile"],
        env=tilt.env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    made = json.loads(ran.stdout)["Manifests"] if ran.returncode == 0 else [{}]
    return made[-1], ran.stderr


class TestFunction:
    def test_it_makes_a_resource_of_the_main_tiltfile(self, unready: Machine) -> None:
        call = (
            "kubefwd_wait('shop answers', 'web.storefront:80', resource_deps=['main'], "
            "labels=['shop'], trigger_mode=TRIGGER_MODE_MANUAL)"
        )
        made, log = evaluate(unready, call)
        assert made, log
        assert made["Name"] == "shop answers"
        assert (made["ResourceDependencies"], made["Labels"]) == (["main"], {"shop": "shop"})
        assert made["TriggerMode"] != 0
        target = made["DeployTarget"]
        script = str(unready.extension / "wait" / "wait.sh")
        assert target["UpdateCmdSpec"]["args"] == ["sh", script, "120", "web.storefront:80"]
        assert target["AllowParallel"]

    @pytest.mark.parametrize(
        "targets, timeout",
        [
            (["web:80"], "90"),
            (["web.storefront:80", "db-0.db.billing:5432"], "90s"),
            (["web.storefront.svc.cluster.local:65535"], "2m"),
            ([" Web.Storefront.:80 "], "24h"),
        ],
    )
    def test_arguments_mean_what_they_mean_to_the_command(
        self, unready: Machine, targets: list[str], timeout: str
    ) -> None:
        made, log = evaluate(unready, f"kubefwd_wait('x', {targets!r}, timeout={timeout!r})")
        assert made, log
        words = made["DeployTarget"]["UpdateCmdSpec"]["args"][2:]
        assert words[0] == str(waiting.seconds(timeout))
        assert words[1:] == [str(waiting.wanted(target)) for target in targets]

    WRONG = (
        (["web"], "targets", "'web' is not NAME:PORT"),
        (["web:"], "targets", "'web:' is not NAME:PORT"),
        (["web:http"], "targets", "'web:http' is not NAME:PORT"),
        (["web:0"], "targets", "'web:0' is not NAME:PORT"),
        (["web:65536"], "targets", "'web:65536' is not NAME:PORT"),
        (["web:999999999999"], "targets", "'web:999999999999' is not NAME:PORT"),
        (["http://web:80"], "targets", "'http://web' is not a name"),
        (["web_1:80"], "targets", "'web_1' is not a name"),
        ([":80"], "targets", "'' is not a name"),
        (["-a:80"], "targets", "'-a' is not a name"),
        (["a" * 64 + ":80"], "targets", "' is not a name"),
    )

    @pytest.mark.parametrize("targets, name, sentence", WRONG, ids=lambda value: str(value)[:30])
    def test_a_bad_target_fails_with_a_sentence_here_and_there(
        self, unready: Machine, targets: list[str], name: str, sentence: str
    ) -> None:
        made, log = evaluate(unready, f"kubefwd_wait('x', {targets!r})")
        assert made == {}
        assert f"kubefwd_wait: argument '{name}': " in log
        assert sentence in log
        with pytest.raises(SettingsError, match=sentence.replace("[", "\\[")):
            waiting.wanted(targets[0])

    @pytest.mark.parametrize("timeout", ["", "0", "0s", "-1s", "1.5s", "soon", "1m30s", "25h"])
    def test_a_bad_timeout_fails_with_a_sentence_here_and_there(
        self, unready: Machine, timeout: str
    ) -> None:
        made, log = evaluate(unready, f"kubefwd_wait('x', ['web:80'], timeout={timeout!r})")
        assert made == {}
        assert f"kubefwd_wait: argument 'timeout': '{timeout}' is not a time" in log
        with pytest.raises(SettingsError):
            waiting.seconds(timeout)

    @pytest.mark.parametrize("targets", ["[]", "None", "80", "[80]", "{'web': 80}"])
    def test_what_is_no_list_of_texts_is_refused(self, unready: Machine, targets: str) -> None:
        made, log = evaluate(unready, f"kubefwd_wait('x', {targets})")
        assert made == {}
        assert "kubefwd_wait: argument 'targets': " in log


def waiting_for(machine: Machine, *words: str) -> "subprocess.Popen[str]":
    """Start the script as Tilt does."""
    return subprocess.Popen(
        ["sh", str(machine.extension / "wait" / "wait.sh"), *words],
        env=machine.env(),
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def ended(process: "subprocess.Popen[str]") -> tuple[int, str]:
    output, _ = process.communicate(timeout=DEADLINE)
    return process.returncode, output


class TestScript:
    def test_it_runs_the_command_of_the_cache(self, settled: Machine) -> None:
        settled.variables["TILT_PORT"] = "1"
        code, said = ended(waiting_for(with_wait(settled), "2", "web.storefront:80", "db:5432"))
        assert code == 3
        assert "Not reachable within " in said
        assert "web.storefront:80, db:5432. No Tilt runs on port 1" in said

    def test_a_set_up_that_is_under_way_is_waited_for(self, unready: Machine) -> None:
        process = waiting_for(unready, "60", "web:80", "db:5432")
        assert process.stdout is not None
        assert process.stdout.readline() == "kubefwd-operator is being set up; waiting for it\n"
        old = unready.cache / "bin" / "kubefwd-operator"
        script(old, "exit 2")  # one of a version that knows no `wait`
        assert process.poll() is None
        aside = script(old.with_name("fresh"), 'echo "$@" >>"$HOME/calls"; echo "$@"') / "fresh"
        aside.rename(old)
        code, said = ended(process)
        assert code == 0
        first, *_, last = (unready.home / "calls").read_text().splitlines()
        assert first == "wait --help"
        words = last.split()
        assert (words[:2], words[3:]) == (["wait", "--timeout"], ["--", "web:80", "db:5432"])
        assert 1 <= waiting.seconds(words[2]) <= 60
        assert said.strip() == last

    def test_a_set_up_that_does_not_come_ends_it_in_time(self, unready: Machine) -> None:
        begun = time.monotonic()
        code, said = ended(waiting_for(unready, "1", "web:80"))
        assert code == 3
        assert "was not set up within 1 s: see the log of kubefwd:run" in said
        assert time.monotonic() - begun < 60
