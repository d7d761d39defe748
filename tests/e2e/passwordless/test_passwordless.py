"""With the helper installed and the printed line in sudoers, nobody is asked for anything."""

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    end_helpers,
    helpers,
    is_ready,
    kubefwds,
    wait_answer,
    wait_clean,
    wait_false,
)
from tests.lab.proc import free_port
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

from kubefwd_operator.installer import PLACE

pytestmark = pytest.mark.engines("native", "kubefwd")

WEB = "web.storefront"
LINES = Path("/etc/sudoers.d/zz-kubefwd-operator")
SILENT = {"SUDO_ASKPASS": ""}
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module", autouse=True)
def private_place() -> Iterator[None]:
    """Lay a file system of this namespace's own over the folder that is installed into."""
    over = Path("/run/lab-over")
    for name in ("up", "work"):
        (over / name).mkdir(parents=True)
    parent = Path(PLACE).parent
    layers = f"lowerdir={parent},upperdir={over}/up,workdir={over}/work"
    subprocess.run(["mount", "-t", "overlay", "-o", layers, "lab", parent], check=True)
    yield
    subprocess.run(["umount", "-l", parent], check=True)


@pytest.fixture
def ours(lab: Lab, dev: Dev, engine: str) -> Command:
    """Return a function that runs the command line tool as the developer."""
    dev.run("sh", lab.checkout / "operator/bootstrap.sh", timeout=120)
    program = dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator"

    def run(*words: object, **options: object) -> "subprocess.CompletedProcess[str]":
        return dev.run(program, *words, **options)  # type: ignore[arg-type]  # as Dev.run takes them

    return run


@pytest.fixture
def installed(ours: Command, lab: Lab, dev: Dev, engine: str) -> Iterator[int]:
    """Install, and put what is printed into sudoers; give the port of the Tilt that it is for."""
    more = ["--kubefwd", lab.kubefwd] if engine == "kubefwd" else []
    before = dev.prompts
    ours("install-helper", *more)
    assert dev.prompts == before + 1
    port = free_port()
    printed = ours("sudoers", "--port", port).stdout
    assert printed.count("NOPASSWD") == 1 + len(more) // 2
    LINES.write_text(printed)
    LINES.chmod(0o440)
    subprocess.run(["visudo", "-c"], check=True, capture_output=True)
    yield port
    LINES.unlink()
    dev.sudoers()
    ours("uninstall-helper")


@pytest.fixture
def hosts() -> Iterator[bytes]:
    before = HOSTS.read_bytes()
    yield before
    end_helpers()
    wait_clean(before)


def _argv(dev: Dev, port: int, *change: str) -> list[str]:
    """The argv that the line allows, word for word, with a word replaced."""
    line = LINES.read_text().splitlines()[2]
    words = line.split("NOSETENV: ")[1].replace("\\", "").split()
    old, new = change or ("", "")
    assert not old or old in words
    return [new if word == old else word for word in words]


def _sudo_lists(dev: Dev, argv: list[str]) -> bool:
    return dev.run("sudo", "-n", "-l", *argv, check=False).returncode == 0


def test_services_answer_and_nobody_was_asked(
    start_tilt: Callable[..., Tilt], installed: int, dev: Dev, hosts: bytes, engine: str
) -> None:
    dev.sudoers(allowed=False)  # but for the printed lines
    before = dev.prompts
    tilt = start_tilt(Path(__file__).parent, port=installed, env=SILENT)
    wait_answer(WEB)
    tilt.wait_status(is_ready)
    assert dev.prompts == before
    worker = helpers()[0].cmdline()
    assert f"{PLACE}/root" in worker
    assert not any(str(dev.home) in word for word in worker)
    assert bool(kubefwds()) == (engine == "kubefwd")
    assert "Root came without a question (sudo -n)" in tilt.run_output
    assert tilt.stop() is not None
    wait_clean(hosts)


def test_another_argument_is_refused_by_sudo(installed: int, dev: Dev) -> None:
    dev.sudoers(allowed=False)
    argv = _argv(dev, installed)
    assert _sudo_lists(dev, argv)
    for changed in (
        _argv(dev, installed, f"tilt-{installed}", "tilt-1"),
        _argv(dev, installed, "-I", "-i"),
        _argv(dev, installed, f"{PLACE}/root", str(dev.home)),
        [*argv, "--uid", "0"],
        argv[:-1],
        argv[:1],
        [*argv[:1], "-c", "1"],
    ):
        assert not _sudo_lists(dev, changed), changed
        refused = dev.run("sudo", "-n", *changed, check=False)
        assert "password is required" in refused.stderr or "not allowed" in refused.stderr
    kept = dev.run("sudo", "-n", "LD_PRELOAD=/x.so", *argv, check=False)
    assert "not allowed to set" in kept.stderr


def test_domains_of_hostnames_are_part_of_the_line(
    start_tilt: Callable[..., Tilt],
    ours: Command,
    installed: int,
    lab: Lab,
    dev: Dev,
    hosts: bytes,
) -> None:
    domains = "dev.example.com,a.b"
    LINES.write_text(ours("sudoers", "--port", installed, "--hostnames", domains).stdout)
    dev.sudoers(allowed=False)
    argv, before = _argv(dev, installed), dev.prompts
    assert argv[-1] == domains
    assert _sudo_lists(dev, argv)
    assert not _sudo_lists(dev, [*argv[:-1], "a.b"])
    line = lab.extension(allow_hostnames=domains)
    tilt = start_tilt(f"{line}k8s_yaml('storefront.yaml')\n", port=installed, env=SILENT)
    wait_answer(WEB)
    assert dev.prompts == before
    assert helpers()[0].cmdline()[-1] == domains
    tilt.stop()
    wait_clean(hosts)


@pytest.mark.parametrize("part", [".", "root", "root/helper/worker.py"])
def test_no_line_is_printed_for_what_others_can_change_and_it_is_not_run(
    start_tilt: Callable[..., Tilt], ours: Command, installed: int, dev: Dev, part: str
) -> None:
    path = Path(PLACE) / part
    mode = path.stat().st_mode & 0o7777
    path.chmod(mode | 0o002)
    try:
        refused = ours("sudoers", "--port", installed, check=False)
        assert refused.returncode == 1
        assert "NOPASSWD" not in refused.stdout
        assert f"{path} can be changed by others than root" in refused.stderr
        if part == "root":
            tilt = start_tilt(Path(__file__).parent, port=installed, env=SILENT)
            message = wait_false(tilt, "HelperReady", "WaitingForAuthorization")
            assert "can be changed by others than root" in message
            assert "can be changed by others than root" in tilt.run_output
            tilt.stop()
    finally:
        path.chmod(mode)


def test_a_helper_of_another_version_is_named_and_the_ordinary_way_goes_on(
    start_tilt: Callable[..., Tilt], installed: int, dev: Dev, hosts: bytes
) -> None:
    with (Path(PLACE) / "root/__main__.py").open("a") as file:
        file.write("# of yesterday\n")
    before = dev.prompts
    tilt = start_tilt(Path(__file__).parent, port=installed)
    wait_answer(WEB)
    assert dev.prompts == before + 1
    assert "is of another version than this operator" in tilt.run_output
    assert "install-helper again" in tilt.run_output
    assert f"{PLACE}/root" not in helpers()[0].cmdline()
    tilt.stop()
    wait_clean(hosts)


def test_uninstalled_it_asks_again(
    start_tilt: Callable[..., Tilt], ours: Command, installed: int, dev: Dev, hosts: bytes
) -> None:
    ours("uninstall-helper")
    assert not Path(PLACE).exists()
    before = dev.prompts
    tilt = start_tilt(Path(__file__).parent, port=installed)
    wait_answer(WEB)
    assert dev.prompts == before + 1
    tilt.stop()
    wait_clean(hosts)
