"""`tilt ci` on a project with the extension: it ends by itself, with the code of the project.

The extension alone does not decide how it ends, whether it forwards or may not; a resource that
waits for a name does, and so does a set-up that fails. Tilt waits for the resources of the main
Tiltfile only, so without such a resource it may end before anything is forwarded.
"""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from tests.lab import inside
from tests.lab.fixtures import Lab
from tests.lab.forwarding import HOSTS, end_helpers, wait_clean
from tests.lab.tilt import Tilt
from tests.lab.user import Dev, without_sudo

FOLDER = Path(__file__).parent
WAIT = """
load('ext://kubefwd/wait', 'kubefwd_wait')
kubefwd_wait('shop answers', {targets!r}, timeout={timeout!r}, resource_deps=['web'])
local_resource('after', {ask!r}, resource_deps=['shop answers'])
"""
ASK = "curl -sSf --noproxy '*' http://web.storefront/ > answer"
TWO_PORTS = """
apiVersion: v1
kind: Service
metadata: {name: two, namespace: storefront}
spec:
  selector: {app: web}
  ports: [{name: http, port: 80, targetPort: 8080}, {name: none, port: 81, targetPort: 8081}]
"""

ENDS = 180.0  # seconds
Ci = Callable[..., tuple[int, Tilt]]


@pytest.fixture
def ci(lab: Lab, dev: Dev, engine: str) -> Iterator[Ci]:
    """Run `tilt ci` to its end; give its code and the Tilt. Afterwards nothing of it is left."""
    hosts = HOSTS.read_bytes()
    ran: list[Tilt] = []

    def run(more: str = "", **options: object) -> tuple[int, Tilt]:
        tilt = lab.tilt(FOLDER, **options)  # type: ignore[arg-type]  # as Lab.tilt takes them
        tilt.add(more)
        ran.append(tilt)
        return tilt.ci().exited(ENDS), tilt

    yield run
    for tilt in ran:
        tilt.stop()
    end_helpers()
    wait_clean(hosts)
    dev.answer_with(dev.password)
    dev.sudoers()


def waiting(*targets: str, timeout: str = "2m") -> str:
    return WAIT.format(targets=list(targets), timeout=timeout, ask=ASK)


def test_it_ends_well_when_the_project_is_up(ci: Ci) -> None:
    code, tilt = ci()
    assert code == 0, tilt.run_output


@pytest.mark.parametrize("how", ["denied", "without sudo", "nobody to ask"])
def test_it_ends_well_although_nothing_can_be_forwarded(ci: Ci, dev: Dev, how: str) -> None:
    if how == "denied":
        dev.answer_with(None)
    env = {"SUDO_ASKPASS": ""} if how == "nobody to ask" else {}
    with without_sudo() if how == "without sudo" else nullcontext():
        # The extension's resource is up before the project is: it counts for nothing.
        code, tilt = ci("local_resource('late', 'sleep 10')\n", env=env)
    assert code == 0, tilt.run_output
    assert "kubefwd:run" in tilt.run_output


def test_a_set_up_that_fails_fails_it(ci: Ci, dev: Dev) -> None:
    env = {"XDG_CACHE_HOME": str(dev.mkdir("an empty cache")), "PIP_RETRIES": "0"}
    code, tilt = ci("local_resource('late', 'sleep 60')\n", env=env)  # there is no network here
    assert code == 1
    assert "The packages could not be installed" in tilt.run_output


def test_a_project_that_fails_fails_as_it_would_alone(ci: Ci) -> None:
    code, tilt = ci("local_resource('broken', 'exit 3')\n")
    assert code == 1
    assert "broken" in tilt.run_output


@pytest.mark.engines("native", "kubefwd")
def test_what_depends_on_a_name_runs_when_it_answers(ci: Ci) -> None:
    code, tilt = ci(waiting("web.storefront:80", "web:80", "web.storefront.svc.cluster.local:80"))
    assert code == 0, tilt.run_output
    assert '"web"' in (tilt.folder / "answer").read_text()
    said = tilt.run_output
    for name in ("web.storefront:80", "web:80", "web.storefront.svc.cluster.local:80"):
        assert f"{name} is reachable, at 127.1" in said
    assert tilt.prompts == 1


def test_a_name_that_never_answers_fails_it_in_time_and_says_why(ci: Ci) -> None:
    code, tilt = ci(waiting("web.storefront:80", "wbe.storefront:80", timeout="20s"))
    assert code == 1
    said = tilt.run_output
    assert "web.storefront:80 is reachable" in said
    assert "wbe.storefront:80 is not reachable within " in said
    assert "Namespace 'storefront' has no service 'wbe': there are " in said
    assert not (tilt.folder / "answer").exists()


@pytest.mark.engines("native", "kubefwd")
def test_a_port_on_which_no_pod_listens_never_answers(ci: Ci, engine: str) -> None:
    """The engine's own listener accepts there: a plain connect would be well."""
    targets = waiting("two.storefront:80", "two.storefront:81", timeout="40s")
    code, tilt = ci(f"k8s_yaml(blob({TWO_PORTS!r}))\n{targets}")
    assert code == 1
    assert "two.storefront:80 is reachable" in tilt.run_output
    assert "two.storefront:81 is not reachable within " in tilt.run_output
    (line,) = [line for line in tilt.run_output.splitlines() if "81 is not reachable" in line]
    reasons = {"native": ["connection refused"], "kubefwd": ["kubefwd ended", "kubefwd does not"]}
    assert any(reason in line for reason in [*reasons[engine], "Reconnecting"]), line


def test_without_a_way_to_root_a_name_never_answers_and_the_reason_says_what_to_run(
    ci: Ci,
) -> None:
    with without_sudo():
        code, tilt = ci(waiting("web.storefront:80", timeout="20s"))
    assert code == 1
    said = tilt.run_output
    assert "web.storefront:80 is not reachable within " in said
    assert "WaitingForAuthorization: " in said
    assert "become root in any terminal" in said


def test_in_a_container_one_is_root_and_needs_no_sudo(lab: Lab, tmp_path: Path) -> None:
    lab.cluster()
    root = Dev("root", 0, 0, inside.HOME.parent / "root")
    cache = root.mkdir(".cache") / "kubefwd-operator"
    subprocess.run(["cp", "-a", inside.BOOTSTRAP_CACHE, cache], check=True)
    subprocess.run(["chown", "-R", "0:0", cache], check=True)
    hosts = HOSTS.read_bytes()
    with without_sudo():
        tilt = Lab(tmp_path, root, clusters=lab.clusters).tilt(FOLDER)
        tilt.add(waiting("web.storefront:80"))
        assert tilt.ci().exited(ENDS) == 0, tilt.run_output
    assert '"web"' in (tilt.folder / "answer").read_text()
    end_helpers()
    wait_clean(hosts)


def test_a_password_that_is_refused_is_the_reason(ci: Ci, dev: Dev) -> None:
    dev.answer_with(None)
    code, tilt = ci(waiting("web.storefront:80", timeout="20s"))
    assert code == 1
    assert "AuthorizationDenied: " in tilt.run_output


def test_without_the_extension_there_is_nobody_to_wait_for(lab: Lab) -> None:
    whole = (FOLDER / "Tiltfile").read_text().splitlines(keepends=True)
    tilt = lab.tilt("".join(line for line in whole if "kubefwd:config" not in line))
    tilt.add(waiting("web.storefront:80", timeout="5s"))
    assert tilt.ci().exited(ENDS) == 1
    assert "was not set up within" in tilt.run_output or "has not reported" in tilt.run_output
