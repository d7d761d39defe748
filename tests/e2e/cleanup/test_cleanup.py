"""`cleanup` removes every trace, says each, and leaves alone what is in use."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    end_helpers,
    helpers,
    kubefwds,
    operators,
    sudos,
    wait_answer,
    wait_clean,
)
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")

WEB = "web.storefront"
LEASES = Path("/run/kubefwd-operator/leases")


class Cleanup:
    """The command line tool, and what there is for it to remove."""

    def __init__(self, lab: Lab, dev: Dev) -> None:
        self.dev, self._lab = dev, lab
        self.cache = dev.home / ".cache/kubefwd-operator"
        self.bootstrap()

    def bootstrap(self) -> None:
        """Make what is removed here. There is no network: the venv comes from a copy."""
        venvs, copy = self.cache / "venvs", self.dev.home / "venvs"
        there, gone = (venvs, copy) if venvs.exists() else (copy, venvs)
        if not gone.exists():
            self.dev.run("cp", "-a", there, gone)
        self.dev.run("sh", self._lab.checkout / "operator/bootstrap.sh", timeout=120)

    def __call__(self, *words: str, code: int = 0) -> str:
        ran = self.dev.run(self.cache / "bin/kubefwd-operator", "cleanup", *words, check=False)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return ran.stdout

    def run_directories(self) -> list[Path]:
        tops = (self.dev.home / ".local/state", Path(f"/run/user/{self.dev.uid}"))
        return [path for top in tops for path in top.glob("kubefwd-operator/*")]


@pytest.fixture
def cleanup(lab: Lab, dev: Dev, engine: str) -> Iterator[Cleanup]:
    before = HOSTS.read_bytes()
    yield Cleanup(lab, dev)
    end_helpers()
    wait_clean(before)


def _kill_everything(tilt: Tilt) -> None:
    """Both root halves at once, so that nobody is left to undo anything."""
    halves = helpers()
    for process in halves:
        process.suspend()
    tilt.kill()
    for process in [*halves, *operators(), *sudos(), *kubefwds()]:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    eventually(lambda: not [*helpers(), *operators(), *sudos(), *kubefwds()])


def test_after_a_kill_of_everything_nothing_is_left(
    start_tilt: Callable[..., Tilt], cleanup: Cleanup, dev: Dev, engine: str
) -> None:
    before = HOSTS.read_bytes()
    tilt = start_tilt(Path(__file__).parent)
    wait_answer(WEB)
    _kill_everything(tilt)
    left = HOSTS.read_bytes()
    assert left != before
    asked, owner = dev.prompts, f"{dev.uid}.{tilt.instance}"

    would = cleanup("--dry-run")
    assert "would remove, as root: " in would
    assert "lines of /etc/hosts" in would
    assert f" of {owner}" in would
    assert f"would remove: {cleanup.cache} (" in would
    assert (HOSTS.read_bytes(), dev.prompts) == (left, asked)
    assert cleanup.cache.exists()
    assert cleanup.run_directories()

    did = cleanup()
    assert dev.prompts == asked + 1
    assert HOSTS.read_bytes() == before
    assert did.count("\n") == would.count("\n") + 1, "the run directory of the clean-up itself"
    for line in would.splitlines():
        assert line.removeprefix("would remove").split(" (")[0].lstrip(":") in did
    assert list(cleanup.cache.iterdir()) == [], "in the lab it is a mount point"
    assert not cleanup.run_directories()
    assert list(LEASES.iterdir()) == []
    assert list(LEASES.parent.glob("*.kubefwd")) == []
    eventually(lambda: not helpers())


def test_a_running_operator_keeps_what_it_needs(
    start_tilt: Callable[..., Tilt], cleanup: Cleanup, dev: Dev
) -> None:
    tilt = start_tilt(Path(__file__).parent)
    wait_answer(WEB)
    hosts, asked, kept = HOSTS.read_bytes(), dev.prompts, helpers()
    for words in (["--dry-run"], []):
        said = cleanup(*words, code=1)
        assert f"kept: what {tilt.instance} has: its operator runs: stop its Tilt first" in said
        assert f"kept: {cleanup.cache}" in said
        assert "removed" not in said
    wait_answer(WEB)
    assert (HOSTS.read_bytes(), dev.prompts, helpers()) == (hosts, asked, kept)
    tilt.stop()


def test_a_helper_that_lingers_is_ended_without_a_question(
    start_tilt: Callable[..., Tilt], cleanup: Cleanup, dev: Dev
) -> None:
    tilt = start_tilt(Path(__file__).parent)
    wait_answer(WEB)
    tilt.stop()
    eventually(lambda: not operators())
    assert helpers()
    asked = dev.prompts
    said = cleanup()
    assert f"ended: the helper that waited for an operator of {tilt.instance}" in said
    assert dev.prompts == asked
    eventually(lambda: not helpers())


def test_when_root_is_not_given_it_says_what_is_left(
    start_tilt: Callable[..., Tilt], cleanup: Cleanup, dev: Dev
) -> None:
    before = HOSTS.read_bytes()
    tilt = start_tilt(Path(__file__).parent)
    wait_answer(WEB)
    _kill_everything(tilt)
    dev.answer_with(None)
    try:
        said = cleanup(code=1)
    finally:
        dev.answer_with(dev.password)
    assert "lines of /etc/hosts" in said
    assert "root was not given" in said
    assert HOSTS.read_bytes() != before
    assert f"kept: {cleanup.cache}: it is what cleanup is run from" in said
    cleanup()
    assert HOSTS.read_bytes() == before


def test_with_sudo_it_says_to_be_run_without(cleanup: Cleanup, dev: Dev) -> None:
    program = cleanup.cache / "bin/kubefwd-operator"
    ran = dev.run("sudo", "-A", program, "cleanup", check=False)
    assert ran.returncode == 1
    assert "without sudo" in ran.stderr
    left = [path for path in cleanup.cache.rglob("*") if path.lstat().st_uid == 0]
    assert not left, "what is root's the developer could not remove"
