"""There can be one kubefwd on a machine: another user's is left alone, and said."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.contract.kubefwd.kit import PATH, kubeconfig
from tests.lab.cluster import Cluster
from tests.lab.fixtures import Lab
from tests.lab.forwarding import is_ready, kubefwds, wait_answer
from tests.lab.proc import Server, listening
from tests.lab.tilt import Tilt

pytestmark = pytest.mark.engines("kubefwd")

PROJECT = "k8s_yaml(['storefront.yaml'])\n"


@pytest.fixture
def other(lab: Lab, cluster: Cluster, tmp_path: Path) -> Iterator[Server]:
    """A kubefwd that somebody else has started by hand, as root."""
    command = [lab.kubefwd, "svc", "-c", str(kubeconfig(cluster, tmp_path / "config"))]
    env = {"PATH": PATH, "HOME": str(tmp_path), "KUBEFWD_API_KEY": "theirs"}
    server = Server("kubefwd", command, tmp_path / "kubefwd.log", env=env)
    server.wait_healthy(lambda: listening(80, "127.2.27.1"))
    yield server
    server.stop()


def test_it_is_said_and_ours_starts_when_that_one_has_ended(
    start_tilt: Callable[..., Tilt], lab: Lab, other: Server
) -> None:
    tilt = start_tilt(lab.extension() + PROJECT)
    status = tilt.wait_status(lambda now: now["state"] == "HeldByOtherUser")
    assert "127.2.27.1:80" in status["message"]
    assert "Only one kubefwd can run on a machine" in status["message"]
    assert not kubefwds()
    assert other.exit_code is None
    other.stop()
    wait_answer("web.storefront")
    tilt.wait_status(is_ready)


def test_auto_goes_on_with_the_native_engine_and_refresh_tries_again(
    start_tilt: Callable[..., Tilt], lab: Lab, other: Server
) -> None:
    tilt = start_tilt(lab.extension(engine="auto") + PROJECT)
    wait_answer("web.storefront")
    status = tilt.wait_status(is_ready)
    assert status["engine"] == "native"
    assert status["engineWhy"].startswith("kubefwd cannot be used: ")
    assert other.exit_code is None
    other.stop()
    tilt.click("kubefwd:refresh")
    tilt.wait_status(lambda now: is_ready(now) and now["engine"] == "kubefwd")
    wait_answer("web.storefront")
