"""Tilt ends and starts again, or is told something else beside `tilt up`: names follow."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    address,
    end_helpers,
    forms,
    helpers,
    operators,
    undone,
    wait_answer,
    wait_clean,
    wait_gone,
)
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")

WEB = forms("web", "storefront")
LEDGER = forms("ledger", "billing")
BEFORE = HOSTS.read_bytes()


@pytest.fixture(scope="module")
def tilt(lab: Lab, engine: str) -> Iterator[Tilt]:
    """A Tilt whose helper lingers for longer than any of these tests."""
    made = lab.tilt(Path(__file__).parent, name=engine, env={"LINGER": "120"})
    yield made.start()
    made.stop()
    end_helpers()
    wait_clean(BEFORE)


@pytest.fixture(autouse=True)
def forwarded(tilt: Tilt) -> None:
    """Let every test begin, and end, with both namespaces forwarded."""
    wait_answer(*WEB, *LEDGER)


@pytest.fixture
def unasked(dev: Dev, forwarded: None) -> Iterator[None]:
    """See that a test ends with the helper with which it began, and without a prompt."""
    asked, kept = dev.prompts, helpers()
    yield
    assert helpers() == kept
    assert dev.prompts == asked


@pytest.mark.usefixtures("unasked")
def test_a_tilt_that_is_stopped_and_started_forwards_again(tilt: Tilt, engine: str) -> None:
    ip = address("web.storefront")
    tilt.stop()
    eventually(lambda: undone(BEFORE))
    assert not operators()
    tilt.start()
    wait_answer(*WEB, *LEDGER)
    # kubefwd numbers its namespaces in the order of their deployment.
    assert engine == "kubefwd" or address("web.storefront") == ip


@pytest.mark.usefixtures("unasked")
def test_names_leave_with_tilt_down_and_return_when_deployed_again(tilt: Tilt) -> None:
    running = operators()
    tilt.down()
    wait_gone(*WEB, *LEDGER)
    # Not by `tilt trigger`: it deletes first, and Tilt may delete what it has just applied.
    for file in ("storefront.yaml", "billing.yaml"):
        text = (tilt.folder / file).read_text()
        tilt.write(file, text.replace("{labels: {app:", "{labels: {again: 'yes', app:"))
    wait_answer(*WEB, *LEDGER)
    assert operators() == running


@pytest.mark.usefixtures("unasked")
def test_names_follow_tilt_args(tilt: Tilt) -> None:
    running = operators()
    tilt.run("args", "web")
    wait_gone(*LEDGER)
    wait_answer(*WEB)
    tilt.wait_log('Resource "ledger" disabled')  # enabled before that, Tilt deploys nothing
    tilt.run("args", "--clear")
    wait_answer(*WEB, *LEDGER)
    assert operators() == running


@pytest.mark.usefixtures("unasked")
def test_names_follow_a_reload_of_the_tiltfile(tilt: Tilt, cluster: Cluster) -> None:
    running, text = operators(), tilt.tiltfile
    tilt.write("Tiltfile", text.replace("k8s_yaml('billing.yaml')", ""))
    wait_gone(*LEDGER)
    wait_answer(*WEB)
    # Tilt deletes the namespace, too; nothing can be deployed into one that is ending.
    eventually(lambda: not cluster.api.exists("/api/v1/namespaces/billing"))
    tilt.write("Tiltfile", text)
    wait_answer(*WEB, *LEDGER)
    assert operators() == running


@pytest.mark.usefixtures("unasked")
def test_an_argument_of_the_extension_takes_effect_in_a_reload(tilt: Tilt) -> None:
    text = tilt.tiltfile
    tilt.write("Tiltfile", text.replace("ENGINE + [", "ENGINE + ['--exclude=billing', "))
    wait_gone(*LEDGER)
    wait_answer(*WEB)
    tilt.write("Tiltfile", text)
    wait_answer(*LEDGER)


def test_a_tilt_that_starts_after_the_linger_asks_once_more(tilt: Tilt, dev: Dev) -> None:
    asked, text = dev.prompts, tilt.tiltfile
    tilt.stop()
    tilt.write("Tiltfile", text.replace("os.environ['LINGER']", "'1'"))
    tilt.start()
    wait_answer(*WEB, *LEDGER)
    assert dev.prompts == asked  # the linger that counts is the one from before
    tilt.stop()
    wait_clean(BEFORE)
    tilt.start()
    wait_answer(*WEB, *LEDGER)
    assert dev.prompts == asked + 1
