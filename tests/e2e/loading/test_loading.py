"""The ways of loading the extension and its `kubefwd_wait`, and Tilts with other ports.

Two Tilts with the same names are in `two_tilts`; here each has its own.
"""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import address, is_ready, names_of, wait_answer
from tests.lab.tilt import CHECKOUT, Tilt
from tests.lab.user import Dev

REPO = "v1alpha1.extension_repo(name='kubefwd', url='file://{folder}'{more})\n"
CONFIG = (
    "v1alpha1.extension(name='kubefwd:config', repo_name='kubefwd', repo_path='.', args=ENGINE)\n"
)
HOST = "https://github.com"
AFTER = "local_resource('after', 'echo it is up', resource_deps=['answers'])\n"
STOREFRONT, BILLING = "k8s_yaml('storefront.yaml')\n", "k8s_yaml('billing.yaml')\n"
WAYS = {
    "by load_host": ", load_host='kubefwd'|load('ext://kubefwd/wait', 'kubefwd_wait')",
    "as an extension of its own": (
        "|v1alpha1.extension(name='kubefwd_wait', repo_name='kubefwd', repo_path='wait')\n"
        "load('ext://kubefwd_wait', 'kubefwd_wait')"
    ),
    "by path": "|load('{folder}/wait/Tiltfile', 'kubefwd_wait')",
}

Start = Callable[..., Tilt]


@pytest.fixture(scope="module")
def spaced(dev: Dev) -> Path:
    """Give a copy of the extension whose path has blanks."""
    folder = dev.mkdir("my tilt extensions/kube fwd")
    for name in ("operator", "wait"):
        dev.copy(CHECKOUT / name, folder / name)
    return dev.write(folder / "Tiltfile", (CHECKOUT / "Tiltfile").read_text()).parent


def lines(folder: Path, way: str, *targets: str) -> str:
    """Load the extension and `kubefwd_wait` in this way; wait for these."""
    more, load = WAYS[way].format(folder=folder).split("|")
    call = f"kubefwd_wait('answers', {list(targets)!r})\n{AFTER}"
    return f"{REPO.format(folder=folder, more=more)}{CONFIG}{load}\n{call}"


def is_done(tilt: Tilt, resource: str) -> bool:
    status = tilt.get("uiresources", resource)["status"]
    assert status.get("updateStatus") == "ok", (status.get("updateStatus"), tilt.run_output[-2000:])
    return True


def wait_cli(tilt: Tilt, *words: object) -> tuple[int, str]:
    """Run `kubefwd-operator wait` as the developer does in a terminal."""
    dev = tilt.dev
    program = dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator"
    ran = dev.run(program, "wait", "--timeout=60s", *words, check=False, timeout=120)
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.parametrize("way", WAYS)
def test_from_a_path_with_blanks_on_the_usual_port(
    lab: Lab, spaced: Path, start_tilt: Start, way: str
) -> None:
    tilt = start_tilt(lines(spaced, way, "web.storefront:80") + STOREFRONT, port=10350)
    eventually(lambda: is_done(tilt, "after"))
    wait_answer("web.storefront")
    tilt.wait_status(is_ready)
    assert tilt.prompts <= 1
    assert "web.storefront:80 is reachable" in tilt.run_output
    assert wait_cli(tilt, "web.storefront:80")[0] == 0  # it is the Tilt that is meant by default
    named = {each["metadata"]["name"] for each in tilt.list("tiltfiles")}
    assert named == {"(Tiltfile)", "kubefwd:config"}  # what is loaded is not run again by itself
    tilt.down()  # loads the Tiltfile once more, in a process of its own


@pytest.fixture
def published(lab: Lab, dev: Dev) -> str:
    """Put the extension into a git repository; give the README's lines that load it from there.

    git is told to look on this disk for what the lines name, so Tilt clones and checks out as ever.
    """
    readme = (CHECKOUT / "README.md").read_text()
    (block,) = re.findall(r"```starlark\n([^`]*load_host[^`]*)```", readme)
    (ref,) = re.findall(r"ref='([^']+)'", block)
    repository = dev.copy(lab.checkout, "published/kubefwd-operator")
    for words in (
        ("config", "--global", "user.name", "dev"),
        ("config", "--global", "user.email", "dev@lab"),
        ("config", "--global", f"url.file://{repository.parent}/.insteadOf", f"{HOST}/owner/"),
        ("init", "--quiet"),
        ("add", "."),
        ("commit", "--quiet", "--message", "A release"),
        ("tag", ref),
        ("commit", "--quiet", "--allow-empty", "--message", "Later"),
    ):
        dev.run("git", *words, folder=repository)
    return str(block).replace("OWNER", "owner")


def test_the_lines_of_the_readme_work_from_a_git_repository(
    start_tilt: Start, published: str
) -> None:
    for theirs, ours in (
        ("postgres.billing:5432", "ledger.billing:80"),
        ("'postgres'", "'ledger'"),
    ):
        assert theirs in published
        published = published.replace(theirs, ours)
    tilt = start_tilt(STOREFRONT + BILLING + published.replace("./seed.sh", "echo it is up"))
    eventually(partial(is_done, tilt, "seed"))
    for name in ("web.storefront:80", "ledger.billing:80"):
        assert f"{name} is reachable" in tilt.run_output
    repo = tilt.get("extensionrepos", "kubefwd")["status"]
    assert "tilt_modules" in repo["path"]


def test_two_tilts_at_once_wait_for_their_own_names(
    lab: Lab, spaced: Path, start_tilt: Start
) -> None:
    one = lines(spaced, "by load_host", "web.storefront:80") + STOREFRONT
    other = lines(lab.checkout, "by load_host", "ledger.billing:80") + BILLING
    first, second = start_tilt(one, port=10350), start_tilt(other)
    for each in (first, second):
        eventually(partial(is_done, each, "after"))
        each.wait_status(is_ready)
    assert not names_of(first.status()) & names_of(second.status())
    assert wait_cli(first, "web.storefront:80")[0] == 0
    assert wait_cli(first, "ledger.billing:80", "--port", second.port)[0] == 0
    code, said = wait_cli(first, "ledger.billing:80", "--timeout=2s")
    assert code == 1
    assert f"leads to {address('ledger.billing')}, which is not this Tilt's" in said
    second.stop()
    code, said = wait_cli(first, "ledger.billing:80", "--port", second.port, "--timeout=2s")
    assert code == 3
    assert wait_cli(first, "web.storefront:80")[0] == 0


def test_a_name_that_another_tilt_has_is_not_taken_for_ones_own(
    lab: Lab, start_tilt: Start
) -> None:
    source = lab.extension() + STOREFRONT
    first = start_tilt(source)
    wait_answer("web.storefront")
    second = start_tilt(source, cluster=lab.cluster("other"))
    second.wait_status(lambda now: now["services"] and now["services"][0]["reason"] == "NameTaken")
    code, said = wait_cli(second, "web.storefront:80", "--port", second.port, "--timeout=5s")
    assert code == 1
    assert "web.storefront:80 is not reachable within 5s. NameTaken: " in said
    assert first.instance in said
    assert wait_cli(first, "web.storefront:80", "--port", first.port)[0] == 0


def test_at_the_first_start_the_set_up_is_waited_for(
    lab: Lab, dev: Dev, spaced: Path, start_tilt: Start
) -> None:
    for name in ("bin", "packages"):
        dev.run("rm", "-rf", dev.home / ".cache/kubefwd-operator" / name)
    tilt = start_tilt(lines(spaced, "by load_host", "web.storefront:80") + STOREFRONT)
    eventually(lambda: is_done(tilt, "after"))
    assert "kubefwd-operator is being set up; waiting for it" in tilt.run_output
