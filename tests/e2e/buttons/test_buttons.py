"""The buttons on kubefwd:run, clicked in Tilt's real page by a real browser."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.sync_api import Page
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    condition,
    end_helpers,
    forms,
    helpers,
    is_ready,
    listeners,
    namespaces_of,
    operators,
    wait_answer,
    wait_clean,
    wait_gone,
)
from tests.lab.page import ask, button, choose, confirm, page
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = [pytest.mark.browser, pytest.mark.engines("native", "kubefwd")]

WEB, LEDGER = forms("web", "storefront"), forms("ledger", "billing")
BEFORE = HOSTS.read_bytes()
ASK = b"GET / HTTP/1.1\r\nHost: web.storefront\r\n\r\n"


@pytest.fixture(scope="module")
def tilt(lab: Lab, engine: str) -> Iterator[Tilt]:
    """A Tilt that leaves no helper to the next engine's."""
    made = lab.tilt(Path(__file__).parent, name=engine)
    yield made.start()
    made.stop()
    end_helpers()
    wait_clean(BEFORE)


@pytest.fixture(scope="module")
def elsewhere(tilt: Tilt, cluster: Cluster) -> None:
    """Two namespaces of the cluster that Tilt knows nothing of, and one that is excluded."""
    for name in ("billing", "search"):
        cluster.apply((tilt.folder / f"{name}.yaml").read_text())
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "vault"}})


@pytest.fixture(autouse=True)
def opened(tilt: Tilt, dev: Dev, elsewhere: None, tmp_path: Path) -> Iterator[Page]:
    """The page of kubefwd:run, with storefront forwarded alone, and no question at the end."""
    wait_answer(*WEB)
    tilt.wait_status(is_ready)
    helper, asked = helpers(), dev.prompts
    with page(tilt, "r/kubefwd:run/overview") as shown:
        button(shown, "Trigger Pause").wait_for()
        yield shown
        shown.screenshot(path=tmp_path / "after.png")
    for name in namespaces_of(tilt.status()):
        if name != "storefront":
            tilt.click("kubefwd:stop", choice=("choice", name))
            tilt.wait_status(lambda status, name=name: name not in namespaces_of(status))  # type: ignore[misc]
    assert helpers() == helper
    assert dev.prompts == asked


def forwarded(tilt: Tilt, *names: str) -> None:
    """Wait until exactly these namespaces are forwarded."""
    tilt.wait_status(lambda status: namespaces_of(status) == list(names))


def said(tilt: Tilt, opened: Page, text: str) -> None:
    """Wait until the log says it, in a terminal and in the page."""
    tilt.wait_log(text)
    opened.get_by_text(text).first.wait_for()


def ended(connection: socket.socket) -> bool:
    """Wait for the end of a connection on which nothing is asked; kubefwd ends it with a FIN."""
    connection.settimeout(60)
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


def alive(connection: socket.socket) -> bool:
    """Ask once more on a connection that is open."""
    connection.sendall(ASK)
    return connection.recv(65536).startswith(b"HTTP/1.1 200")


def test_a_namespace_is_typed_forwarded_and_stopped_beside_another(
    tilt: Tilt, opened: Page
) -> None:
    with socket.create_connection(("web.storefront", 80)) as tunnel:
        assert alive(tunnel)
        dialog = ask(opened, "Forward a namespace")
        dialog.locator("#namespace").fill("billing")
        confirm(dialog)
        said(tilt, opened, "Forward a namespace: 'billing' is forwarded from now on.")
        wait_answer(*LEDGER)

        dialog = ask(opened, "Stop forwarding")
        assert choose(opened, dialog, "billing") == ["storefront", "billing"]
        dialog.get_by_role("button", name="Cancel").click()
        assert namespaces_of(tilt.status()) == ["storefront", "billing"]

        dialog = ask(opened, "Stop forwarding")
        choose(opened, dialog, "billing")
        confirm(dialog)
        said(tilt, opened, "Stop forwarding: 'billing' is forwarded no more")
        wait_gone(*LEDGER)
        assert alive(tunnel)
    assert namespaces_of(tilt.status()) == ["storefront"]


def test_one_that_is_in_the_cluster_is_chosen(tilt: Tilt, opened: Page) -> None:
    def offered() -> bool:
        (_, choice) = tilt.get("uibuttons", "kubefwd:forward")["spec"]["inputs"]
        return {"billing", "search"} <= set(choice["choice"]["choices"])

    eventually(offered)
    dialog = ask(opened, "Forward a namespace")
    choices = choose(opened, dialog, "search")
    assert not {"storefront", "vault", "kube-system"} & set(choices)
    confirm(dialog)
    said(tilt, opened, "Forward a namespace: 'search' is forwarded from now on.")
    wait_answer(*forms("index", "search"))


@pytest.mark.parametrize(
    "name, why",
    [
        pytest.param("Foo_Bar", "'Foo_Bar' is not the name of a namespace: use", id="no name"),
        pytest.param("vault", "'vault' is in the argument `exclude`, which wins", id="excluded"),
        pytest.param("storefront", "'storefront' is forwarded already.", id="there already"),
        pytest.param("", "no namespace was given", id="nothing"),
    ],
)
def test_what_cannot_be_forwarded_is_refused_with_a_sentence(
    tilt: Tilt, opened: Page, name: str, why: str
) -> None:
    dialog = ask(opened, "Forward a namespace")
    dialog.locator("#namespace").fill(name)
    confirm(dialog)
    said(tilt, opened, f"Forward a namespace: {why}")
    answer = tilt.wait_status(lambda status: why in status["lastClick"]["sentence"])["lastClick"]
    assert answer["refused"]
    assert namespaces_of(tilt.status()) == ["storefront"]
    assert is_ready(tilt.status())


def test_one_that_the_cluster_lacks_is_taken_and_says_so(tilt: Tilt, opened: Page) -> None:
    dialog = ask(opened, "Forward a namespace")
    dialog.locator("#namespace").fill("nowhere")
    confirm(dialog)
    status = tilt.wait_status(
        lambda status: (
            [each["reason"] for each in status["namespaces"]] == ["Ready", "NamespaceNotFound"]
        )
    )
    assert condition(status, "NamespacesSynced")["reason"] == "NamespaceNotFound"


def test_pause_asks_first_releases_every_name_and_resume_brings_them_back(
    tilt: Tilt, opened: Page
) -> None:
    button(opened, "Trigger Pause").click()
    button(opened, "Cancel Pause").click()
    button(opened, "Trigger Pause").click()
    assert is_ready(tilt.status())
    with socket.create_connection(("web.storefront", 80)) as tunnel:
        assert alive(tunnel)
        button(opened, "Confirm Pause").click()
        assert ended(tunnel)
    said(tilt, opened, "Paused: Nothing is forwarded: click Resume")
    eventually(lambda: HOSTS.read_bytes() == BEFORE and not listeners())
    assert tilt.status()["state"] == "Paused"
    button(opened, "Trigger Resume").click()
    said(tilt, opened, "Resume: the pause is over.")
    wait_answer(*WEB)
    button(opened, "Trigger Pause").wait_for()


def test_repair_hosts_puts_back_what_somebody_took_out(tilt: Tilt, opened: Page) -> None:
    HOSTS.write_bytes(BEFORE)
    wait_gone(*WEB)
    button(opened, "Trigger Repair hosts").click()
    said(tilt, opened, "names are in /etc/hosts.")
    wait_answer(*WEB)


def settled(tilt: Tilt) -> dict[str, str]:
    """Return the versions of our buttons, when they show what is forwarded and can be."""
    buttons = {each["metadata"]["name"]: each for each in tilt.list("uibuttons")}
    (_, offered) = buttons["kubefwd:forward"]["spec"]["inputs"]
    assert {"search", "storefront"} <= set(offered["choice"]["choices"])
    (stop,) = buttons["kubefwd:stop"]["spec"]["inputs"]
    assert stop["choice"]["choices"] == ["billing"]
    ours = [name for name in buttons if name.startswith("kubefwd:") and name != "kubefwd:refresh"]
    return {name: buttons[name]["metadata"]["resourceVersion"] for name in ours}


def restart_by_tilt(tilt: Tilt) -> None:
    tilt.run("trigger", "kubefwd:run")


def kill_and_restart(tilt: Tilt) -> None:
    (operator,) = operators()
    operator.kill()
    operator.wait(60)
    tilt.run("trigger", "kubefwd:run")


@pytest.mark.parametrize("restart", [restart_by_tilt, kill_and_restart])
def test_what_was_chosen_survives_a_restart_of_the_operator(
    tilt: Tilt, opened: Page, restart: Callable[[Tilt], None]
) -> None:
    tilt.click("kubefwd:forward", namespace=("text", "billing"))
    forwarded(tilt, "storefront", "billing")
    tilt.click("kubefwd:stop", choice=("choice", "storefront"))
    forwarded(tilt, "billing")
    wait_answer(*LEDGER)
    before, shown = tilt.status()["pid"], eventually(partial(settled, tilt))
    restart(tilt)
    tilt.wait_status(lambda status: status["pid"] != before and is_ready(status))
    forwarded(tilt, "billing")
    wait_answer(*LEDGER)
    assert settled(tilt) == shown  # not written anew, so a page that is open can go on clicking
    tilt.click("kubefwd:forward", namespace=("text", "storefront"))
    forwarded(tilt, "storefront", "billing")
