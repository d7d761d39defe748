"""The whole main job, and nothing that Tilt owns is written: a proxy before its apiserver sees it.

The extension is loaded once the proxy is there; `os.putenv` leads the operator, and nobody else, to
it.
"""

from collections.abc import Callable
from pathlib import Path

from tests.contract.tilt.recorder import Recording, recording
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    is_ready,
    namespaces_of,
    wait_answer,
    wait_clean,
    wait_gone,
)
from tests.lab.tilt import GROUP, Tilt, extension

MAPS, ROWS, BUTTONS = (f"{GROUP}/{kind}" for kind in ("configmaps", "uiresources", "uibuttons"))
MUST = {
    ("POST", MAPS),
    ("PUT", f"{MAPS}/kubefwd:status"),
    ("PUT", f"{MAPS}/kubefwd:memory"),
    ("POST", ROWS),
    ("POST", BUTTONS),
    ("PUT", f"{ROWS}/kubefwd:ns:storefront/status"),
    ("DELETE", f"{ROWS}/kubefwd:ns:storefront"),
    ("DELETE", f"{ROWS}/kubefwd:ns:billing"),
}
MAY = {
    ("PUT", f"{BUTTONS}/kubefwd:forward"),
    ("PUT", f"{BUTTONS}/kubefwd:stop"),
    ("DELETE", f"{BUTTONS}/kubefwd:stop"),
    ("PUT", f"{ROWS}/kubefwd:ns:billing/status"),
    ("PUT", f"{ROWS}/kubefwd:status/status"),  # while root is asked for
    ("DELETE", f"{ROWS}/kubefwd:status"),
}
READ = {"uibuttons", "clusters", "kubernetesapplys", "kubernetesdiscoveries", "configmaps"}
MISTAKE = '''

@kopf.on.update(*TILT, "uibuttons")
async def mistake(**_: Any) -> None:
    """Do nothing: Kopf writes all the same."""
'''


def load(tilt: Tilt, folder: Path, seen: Recording) -> None:
    """Load the extension from this folder; its operator takes the proxy for Tilt."""
    tilt.wait_deployed("web")
    led = f"os.putenv('TILT_CONFIG', {seen.env['TILT_CONFIG']!r})\n"
    tilt.add(led + extension(folder))


def test_the_main_job_writes_nothing_but_our_own_objects(
    start_tilt: Callable[..., Tilt], lab: Lab
) -> None:
    hosts = HOSTS.read_bytes()
    tilt = start_tilt(Path(__file__).parent)
    with recording(tilt) as seen:
        load(tilt, lab.checkout, seen)
        wait_answer("web.storefront")
        first = tilt.wait_status(is_ready)

        tilt.add("k8s_yaml('billing.yaml')\n")
        wait_answer("ledger.billing", "web.storefront")
        tilt.click("kubefwd:refresh")
        tilt.wait_status(lambda now: now["generation"] > first["generation"] and is_ready(now))
        wait_answer("ledger.billing", "web.storefront")
        tilt.disable("web")
        wait_gone("web.storefront")
        tilt.wait_status(lambda now: namespaces_of(now) == ["billing"])
        tilt.enable("web")
        wait_answer("web.storefront")
        tilt.wait_status(lambda now: len(namespaces_of(now)) == 2 and is_ready(now))
        tilt.stop()
        wait_clean(hosts)

        assert {path.removeprefix(GROUP).split("/")[1] for _, path in group(seen)} >= READ
        assert MUST <= seen.writes <= MUST | MAY


def test_an_operator_with_an_update_handler_would_be_seen(
    start_tilt: Callable[..., Tilt], lab: Lab
) -> None:
    mistaken = lab.dev.copy(lab.checkout, "mistaken")
    handlers = mistaken / "operator" / "kubefwd_operator" / "handlers.py"
    lab.dev.write(handlers, handlers.read_text() + MISTAKE)
    tilt = start_tilt(Path(__file__).parent)
    with recording(tilt) as seen:
        load(tilt, mistaken, seen)
        wait_answer("web.storefront")
        found = eventually(lambda: seen.writes - MUST - MAY)
        tilt.stop()
    button = f"{GROUP}/uibuttons/kubefwd:refresh"
    assert ("PATCH", button) in found


def group(seen: Recording) -> list[tuple[str, str]]:
    """Return the requests for Tilt's kinds."""
    return [each for each in seen.requests if each[1].startswith(f"{GROUP}/")]
