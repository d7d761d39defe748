"""The repository's Tiltfile in a real Tilt: its arguments, its resource, its button."""

import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.bootstrap.machine import Machine
from tests.contract.tilt.peer import Tilt
from tests.lab import tools
from tests.lab.proc import alive, wait_for

from kubefwd_operator.config import PREFIX
from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.settings import RootChoice, Settings, parse

pytestmark = [pytest.mark.contract, pytest.mark.timeout(300)]

LOAD = """
local_resource('main', serve_cmd='exec sleep 1000')
v1alpha1.extension_repo(name='kubefwd', url='file://{folder}')
v1alpha1.extension(name='kubefwd:config', repo_name='kubefwd', repo_path='.', args={args})
"""


@pytest.fixture(scope="session", autouse=True)
def _tilt_binary() -> None:
    tools.ensure("tilt")


@pytest.fixture
def extension(settled: Machine) -> Machine:
    """Give a machine with the whole extension, the Tiltfile included, and its venv made."""
    shutil.copy(Path(__file__).parents[3] / "Tiltfile", settled.extension)
    return settled


@pytest.fixture
def tilt_up(extension: Machine) -> Iterator[Callable[..., Tilt]]:
    """Start a Tilt whose Tiltfile has the two lines."""
    tilts: list[Tilt] = []

    def start(*args: str) -> Tilt:
        tilt = Tilt(extension.home)
        tilts.append(tilt)
        return tilt.start(LOAD.format(folder=extension.extension, args=list(args)))

    yield start
    for tilt in tilts:
        tilt.stop()


def evaluate(machine: Machine, *args: str) -> tuple[dict[str, Any], str]:
    """Evaluate the Tiltfile as Tilt does, without starting anything: its result and its log."""
    tiltfile = machine.extension / "Tiltfile"
    ran = subprocess.run(
        [tools.path("tilt"), "alpha", "tiltfile-result", "-f", tiltfile, "--", *args],
        env=Tilt(machine.home).env,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return json.loads(ran.stdout) if ran.returncode == 0 else {}, ran.stderr


def serve_env(result: dict[str, Any]) -> dict[str, str]:
    [manifest] = result["Manifests"]
    env = manifest["DeployTarget"]["ServeCmd"]["Env"]
    return dict(pair.split("=", 1) for pair in env)


def raw(env: dict[str, str]) -> dict[str, str]:
    """Give the arguments as `config.py` takes them from the environment."""
    return {key.removeprefix(PREFIX).lower(): value for key, value in env.items()}


ELEVEN = "a." * 10 + "b"
"""A domain with a label too many."""


class TestArguments:
    """The Tiltfile refuses what `core/settings.py` refuses, and has its defaults.

    Both have to look: the Tiltfile while Tilt loads it, so that Tilt's log has the sentence before
    there is a venv to run Python in; the operator because its environment may come from anybody.
    """

    @pytest.mark.parametrize(
        "args, variable, value",
        [
            pytest.param([], "NAMESPACES", "", id="no namespaces"),
            pytest.param([], "ENGINE", "auto", id="default engine"),
            pytest.param([], "LINGER", "30", id="default linger"),
            pytest.param([], "BARE_NAMES", "true", id="default bare names"),
            pytest.param([], "ALLOW_OTHER_USERS", "false", id="default other users"),
            pytest.param([], "ALLOW_HOSTNAMES", "", id="no further hostnames"),
            pytest.param(
                ["--allow_hostnames=dev.example.com, a.b", "--allow_hostnames=c.d"],
                "ALLOW_HOSTNAMES",
                "dev.example.com,a.b,c.d",
                id="hostnames",
            ),
            pytest.param(["--namespaces=a", "--namespaces=b"], "NAMESPACES", "a,b", id="repeated"),
            pytest.param(["--namespaces=b, a"], "NAMESPACES", "b,a", id="commas"),
            pytest.param(["--namespaces=" + "a" * 63], "NAMESPACES", "a" * 63, id="longest name"),
            pytest.param(["--exclude=kube-system"], "EXCLUDE", "kube-system", id="exclude"),
            pytest.param([], "SKIP", "", id="nothing skipped"),
            pytest.param(["--skip=a/b, c/d", "--skip=a/c"], "SKIP", "a/b,c/d,a/c", id="skip"),
            pytest.param(["--engine=native"], "ENGINE", "native", id="native"),
            *(
                pytest.param([f"--root={way}"], "ROOT", way.value, id=f"root {way}")
                for way in RootChoice
            ),
            pytest.param(["--linger=0"], "LINGER", "0", id="no linger"),
            pytest.param(["--linger=300"], "LINGER", "300", id="longest linger"),
            pytest.param(["--bare_names=False"], "BARE_NAMES", "false", id="no bare names"),
            pytest.param(
                ["--allow_other_users=True"], "ALLOW_OTHER_USERS", "true", id="other users"
            ),
        ],
    )
    def test_good_ones_reach_the_operator(
        self, extension: Machine, args: list[str], variable: str, value: str
    ) -> None:
        result, log = evaluate(extension, *args)
        assert result, log
        env = serve_env(result)
        assert env[PREFIX + variable] == value
        parse(raw(env))

    def test_left_out_they_are_the_operators_own_defaults(self, extension: Machine) -> None:
        result, log = evaluate(extension)
        assert result, log
        assert parse(raw(serve_env(result))) == Settings()

    LONG = "a" * 64
    REFUSED = (
        (["--namespaces=Shop"], "namespaces", "'Shop' is not the name of a namespace"),
        (["--namespaces=-a"], "namespaces", "'-a' is not the name of a namespace"),
        (["--namespaces=" + LONG], "namespaces", f"'{LONG}' is not the name of a namespace"),
        (["--exclude=a.b"], "exclude", "'a.b' is not the name of a namespace"),
        (["--namespaces=a,a"], "namespaces", "'a' is listed more than once"),
        (["--namespaces=a", "--exclude=a"], "exclude", "'a' is also in namespaces"),
        (["--kubefwd=bin/kubefwd"], "kubefwd", "'bin/kubefwd' is not an absolute path"),
        (["--kubefwd=/k", "--engine=native"], "kubefwd", "a path is given, but engine is 'native'"),
        (["--engine=fast"], "engine", "'fast' is not an engine"),
        (["--root=su"], "root", "'su' is no way to root: use 'auto', "),
        (["--linger=301"], "linger", "'301' is not a whole number of seconds"),
        (["--linger=-1"], "linger", "'-1' is not a whole number of seconds"),
        (["--linger=soon"], "linger", "'soon' is not a whole number of seconds"),
        (["--bare_names=maybe"], "bare_names", "'maybe' is neither true nor false"),
        (["--skip=web"], "skip", "'web' is not a service"),
        (["--skip=a/b/c"], "skip", "'a/b/c' is not a service"),
        (["--skip=a/B"], "skip", "'a/B' is not a service"),
        (["--skip=a/b,a/b"], "skip", "'a/b' is listed more than once"),
        (["--allow_hostnames=com"], "allow_hostnames", "'com' is not a domain of 2 to 10 labels"),
        (["--allow_hostnames=A.b"], "allow_hostnames", "'A.b' is not a domain of 2 to 10 labels"),
        (["--allow_hostnames=a..b"], "allow_hostnames", "'a..b' is not a domain of 2 to 10 labels"),
        (["--allow_hostnames=" + ELEVEN], "allow_hostnames", f"'{ELEVEN}' is not a domain of 2 to"),
        (
            ["--allow_hostnames=" + ",".join(f"d{n}.b" for n in range(21))],
            "allow_hostnames",
            "21 domains are more than 20",
        ),
        (["--allow_hostnames=a.b,a.b"], "allow_hostnames", "'a.b' is listed more than once"),
        (["--allow_other_users=bob"], "allow_other_users", "'bob' is neither true nor false"),
    )

    @pytest.mark.parametrize(
        "args, sentence",
        [
            *[(args, f"kubefwd: argument '{name}': {text}") for args, name, text in REFUSED],
            (["--nonsense=1"], "unknown flag: --nonsense"),
        ],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_bad_ones_fail_with_a_sentence(
        self, extension: Machine, args: list[str], sentence: str
    ) -> None:
        result, log = evaluate(extension, *args)
        assert result == {}
        assert sentence in log

    @pytest.mark.parametrize(
        "args, name",
        [(args, name) for args, name, _ in REFUSED],
        ids=lambda value: " ".join(value) if isinstance(value, list) else "",
    )
    def test_operator_refuses_them_too(self, args: list[str], name: str) -> None:
        given = dict(argument.removeprefix("--").split("=", 1) for argument in args)
        with pytest.raises(SettingsError, match=f"^{name}: "):
            parse(given)


class TestUp:
    def test_operator_runs_from_the_cache_and_its_resource_has_the_button(
        self, extension: Machine, tilt_up: Callable[..., Tilt]
    ) -> None:
        tilt = tilt_up("--namespaces=extra")
        status = running(tilt)
        assert status["state"] == "NoCluster"
        argv = command_line(status["pid"])
        assert argv[0] == str(extension.venvs[0] / "bin" / "python")
        assert argv[2] == str(extension.packages[0])
        assert argv[3:] == ["kopf", "run", "-A", "--standalone", "-m", "kubefwd_operator.handlers"]
        button = tilt.object("uibuttons", "kubefwd:refresh")
        assert button["spec"]["location"]["componentID"] == "kubefwd:run"
        assert button["metadata"]["ownerReferences"][0]["name"] == "kubefwd:config"

    def test_changed_package_restarts_it_from_the_new_copy(
        self, extension: Machine, tilt_up: Callable[..., Tilt]
    ) -> None:
        tilt = tilt_up()
        [old] = extension.packages
        first = running(tilt)["pid"]
        extension.change_package("pulled")
        wait_for(lambda: running(tilt)["pid"] != first, "another operator")
        second = running(tilt)["pid"]
        assert Path(command_line(second)[2]) in set(extension.packages) - {old}
        wait_for(lambda: not alive(first), "the end of the first")

    def test_bad_argument_is_explained_in_tilts_log(self, tilt_up: Callable[..., Tilt]) -> None:
        tilt = tilt_up("--linger=soon")
        sentence = "kubefwd: argument 'linger': 'soon' is not a whole number of seconds"
        wait_for(lambda: sentence in tilt.output, "the sentence in the log")

    def test_extension_may_vanish_under_the_running_operator(
        self, extension: Machine, tilt_up: Callable[..., Tilt]
    ) -> None:
        tilt = tilt_up()
        status = running(tilt)
        extension.extension.rename(extension.extension.with_name("gone"))
        tilt.click("2020-01-01T00:00:00.000001Z")
        wait_for(lambda: running(tilt)["generation"] != status["generation"], "a new generation")
        assert running(tilt)["pid"] == status["pid"]


def running(tilt: Tilt) -> dict[str, Any]:
    """Give the status of the operator that this Tilt runs, once there is one."""
    wait_for(tilt.status, f"a status; Tilt's log:\n{tilt.output}")
    status = tilt.status()
    assert status is not None
    return status


def command_line(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_text().split("\0")[:-1]


class TestOtherCommands:
    """`tilt ci` and `tilt down`, with the extension's Tiltfile inside the main one."""

    @pytest.fixture
    def tilt(self, extension: Machine) -> Tilt:
        tilt = Tilt(extension.home)
        main = "local_resource('main', cmd='true')\n"
        (tilt.folder / "Tiltfile").write_text(f"{main}include('{extension.extension}/Tiltfile')\n")
        return tilt

    def run(self, tilt: Tilt, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [tools.path("tilt"), *arguments],
            cwd=tilt.folder,
            env=tilt.env,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def test_ci_ends_although_nothing_is_forwarded(self, tilt: Tilt) -> None:
        ran = self.run(tilt, "ci", "--port", str(tilt.port), "--timeout", "60s")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert "kubefwd-operator: ready, from" in ran.stdout

    def test_down_has_nothing_to_do(self, tilt: Tilt, extension: Machine) -> None:
        shutil.rmtree(extension.cache)
        ran = self.run(tilt, "down")
        assert ran.returncode == 0, ran.stdout + ran.stderr
        assert not extension.cache.exists()
