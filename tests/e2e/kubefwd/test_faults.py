"""What kubefwd does wrong, or has done to it, is mended without a prompt, and said."""

import json
from collections.abc import Iterator

import psutil
import pytest
from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.forwarding import (
    HOSTS,
    address,
    folder_of,
    get,
    helpers,
    is_ready,
    kubefwds,
    names_of,
    operators,
    row,
    sudos,
    wait_answer,
)
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("kubefwd")

ALL = ("web.storefront", "web.twin", "ledger.billing")
BEFORE = HOSTS.read_bytes()


@pytest.fixture(autouse=True)
def forwarded(tilt: Tilt, dev: Dev) -> Iterator[None]:
    """Let every test begin and end with everything forwarded, by one helper and one prompt."""
    wait_answer(*ALL)
    tilt.wait_status(is_ready)
    kept, asked = helpers(), dev.prompts
    yield
    wait_answer(*ALL)
    assert (helpers(), dev.prompts) == (kept, asked)


def running() -> psutil.Process:
    """Return the one kubefwd."""
    (found,) = kubefwds()
    return found


def another_than(before: psutil.Process) -> psutil.Process:
    """Wait for another kubefwd, the only one."""

    def others() -> list[psutil.Process]:
        found = kubefwds()
        assert len(found) == 1
        return [] if found == [before] else found

    return eventually(others)[0]


def test_the_status_says_which_engine_and_why(tilt: Tilt) -> None:
    status = tilt.status()
    assert status["engine"] == "kubefwd"
    assert "kubefwd" in status["engineWhy"]
    assert "Forwarding with kubefwd" in tilt.output


def test_two_namespaces_may_have_a_service_of_the_same_name(tilt: Tilt) -> None:
    assert get("web").json()["namespace"] == "storefront"
    assert get("web.twin").json()["namespace"] == "twin"
    assert address("web.twin") != address("web.storefront")
    found = row(tilt.status(), "web.twin")
    assert found["reason"] == "NameElsewhere"
    assert "web" not in found["names"]


def test_one_that_is_killed_is_started_again(tilt: Tilt) -> None:
    before = running()
    before.kill()
    another_than(before)
    tilt.wait_log("kubefwd has ended with code -9")
    wait_answer(*ALL)
    tilt.wait_status(is_ready)


def test_one_that_hangs_is_replaced(tilt: Tilt) -> None:
    before = running()
    before.suspend()
    another_than(before)
    tilt.wait_log("does not answer at")
    wait_answer(*ALL)


def test_refresh_starts_another(tilt: Tilt) -> None:
    before = running()
    tilt.click("kubefwd:refresh")
    another_than(before)
    wait_answer(*ALL)
    tilt.wait_status(lambda status: is_ready(status) and status["generation"] == 1)


def _patch(cluster: Cluster, ports: list[Json]) -> None:
    patch = json.dumps({"spec": {"ports": ports}})
    cluster.kubectl("-n", "twin", "patch", "service", "web", "--type=merge", "-p", patch)


def test_a_service_that_is_edited_is_forwarded_as_it_is_now(tilt: Tilt, cluster: Cluster) -> None:
    before = running()
    _patch(cluster, [{"port": 80, "targetPort": 9090}])
    eventually(lambda: get("web.twin").json()["port"] == 9090)
    tilt.wait_log("its Service no longer leads")
    _patch(cluster, [{"port": 80, "targetPort": 8080}])
    eventually(lambda: get("web.twin").json()["port"] == 8080)
    assert running() == before


def test_a_service_without_pods_says_so_and_answers_when_it_has_one(
    tilt: Tilt, cluster: Cluster
) -> None:
    before = running()
    scale = ("-n", "twin", "scale", "deployment", "twin-web")
    cluster.kubectl(*scale, "--replicas=0")
    found = row(
        tilt.wait_status(lambda now: row(now, "web.twin")["reason"] == "NoPods"), "web.twin"
    )
    assert found["state"] == "Waiting"
    cluster.kubectl(*scale, "--replicas=1")
    wait_answer("web.twin")
    assert running() == before


def test_no_secret_is_told(tilt: Tilt, dev: Dev) -> None:
    process = running()
    key = process.environ()["KUBEFWD_API_KEY"]
    folder = folder_of(process)
    config = json.loads((folder / "kubeconfig").read_text())
    user = config["users"][0]["user"]
    secrets = [key, *(value for name, value in user.items() if "data" in name)]
    if "tokenFile" in user:
        secrets.append((folder / "token").read_text())
    told = [tilt.output, json.dumps(tilt.get("configmaps", "kubefwd:status"))]
    ours = (*operators(), *sudos(), *helpers(), process)
    told += [" ".join(each.cmdline()) for each in ours]
    told.append(HOSTS.read_text())
    assert not [secret for secret in secrets for text in told if secret in text]
    for path in (folder, f"/proc/{process.pid}/environ"):
        refused = dev.run("sh", "-c", f"ls {folder} && cat {path}", check=False)
        assert refused.returncode
        assert not refused.stdout
    assert len(secrets) > 1


def test_the_machine_is_clean_at_the_end(tilt: Tilt) -> None:
    assert BEFORE in HOSTS.read_bytes()
    assert len(names_of(tilt.status())) > len(ALL)
