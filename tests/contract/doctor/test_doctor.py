"""The whole command `doctor` as a developer, on a machine of its own with a real sudo and cluster.

What is wrong is made so: mounts, sudoers, nsswitch.conf, RBAC. Nobody is ever asked for a password,
and nothing is changed.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from tests.lab import tools
from tests.lab.cluster import Cluster
from tests.lab.fixtures import Lab
from tests.lab.tilt import CHECKOUT
from tests.lab.user import SUDOERS, Dev

from kubefwd_operator.privileged import sudoers
from kubefwd_operator.privileged.command import command, typed
from kubefwd_operator.privileged.surroundings import INTERPRETERS, ROOT_FOLDER

pytestmark = [pytest.mark.contract, pytest.mark.isolated]

HOSTS, NSSWITCH, SUDO = Path("/etc/hosts"), Path("/etc/nsswitch.conf"), Path("/usr/bin/sudo")
SILENT = {"SUDO_ASKPASS": ""}


@dataclass(frozen=True)
class Told:
    """What doctor has said."""

    code: int
    checks: dict[str, list[dict[str, str]]]

    @property
    def bad(self) -> dict[str, list[str]]:
        """The levels of what is not well, by check."""
        levels = {
            name: [one["level"] for one in found if one["level"] != "ok"]
            for name, found in self.checks.items()
        }
        return {name: found for name, found in levels.items() if found}

    def text(self, check: str) -> str:
        return "\n".join(f"{one['message']}\n{one['fix']}" for one in self.checks[check])


Doctor = Callable[..., Told]


@pytest.fixture
def doctor(lab: Lab, dev: Dev, cluster: Cluster) -> Iterator[Doctor]:
    """Return a function that runs it, with the admin's kubeconfig and an askpass program."""
    dev.sudoers()
    dev.answer_with(dev.password)
    prompts, kubeconfig = dev.prompts, lab.kubeconfig(cluster)
    path = f"{tools.tilt_path().parent}:{dev.environment['PATH']}"

    def run(*words: str, **env: str) -> Told:
        before = _etc()
        done = dev.run(
            sys.executable, CHECKOUT / "operator", "doctor", "--json", *words,
            env={"KUBECONFIG": str(kubeconfig), "PATH": path, **env}, check=False,
        )  # fmt: skip
        assert done.stderr == ""
        assert _etc() == before, "doctor has changed something"
        found: dict[str, Any] = json.loads(done.stdout)
        assert found["code"] == done.returncode
        return Told(done.returncode, {one["name"]: one["findings"] for one in found["checks"]})

    yield run
    assert dev.prompts == prompts, "somebody was asked for a password"


def _etc() -> dict[str, str]:
    files = (path for path in Path("/etc").rglob("*") if path.is_file())
    return {str(path): sha256(path.read_bytes()).hexdigest() for path in files}


@contextmanager
def content(file: Path, text: str) -> Iterator[None]:
    """Give a file other content meanwhile."""
    before = file.read_bytes()
    file.write_text(text)
    try:
        yield
    finally:
        file.write_bytes(before)


@contextmanager
def mounted(source: Path, at: Path, *options: str) -> Iterator[None]:
    """Bind-mount one file over another meanwhile."""
    subprocess.run(["mount", "--bind", source, at], check=True)
    try:
        if options:
            subprocess.run(["mount", "-o", ",".join(("remount", "bind", *options)), at], check=True)
        yield
    finally:
        subprocess.run(["umount", at], check=True)


# --- all well --------------------------------------------------------------------------------


def test_a_machine_where_all_is_well(doctor: Doctor) -> None:
    told = doctor()
    assert told.bad == {}
    assert told.code == 0
    assert "will be asked for your password (sudo -A)" in told.text("way to root")
    assert "lab answers (v" in told.text("cluster")
    assert "In default you may" in told.text("cluster")
    assert "can be written by root" in told.text("hosts file")


def test_the_table_is_for_people(doctor: Doctor, dev: Dev) -> None:
    done = dev.run(sys.executable, CHECKOUT / "operator", "doctor", check=False)
    assert done.returncode == 2
    assert "FAIL    There is no kubeconfig" in done.stdout
    assert "fix: Log in to a cluster" in done.stdout


# --- the cluster -----------------------------------------------------------------------------


def test_no_kubeconfig(doctor: Doctor) -> None:
    told = doctor(KUBECONFIG="/nowhere")
    assert (told.code, told.bad) == (2, {"cluster": ["fail"]})
    assert "There is no kubeconfig: /nowhere does not exist." in told.text("cluster")


def test_an_unreachable_cluster(doctor: Doctor, dev: Dev) -> None:
    config = {
        "current-context": "away",
        "contexts": [{"name": "away", "context": {"cluster": "c"}}],
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
    }
    file = dev.write("away", json.dumps(config))
    told = doctor(KUBECONFIG=str(file))
    assert (told.code, told.bad) == (2, {"cluster": ["fail"]})
    assert "connection refused" in told.text("cluster")
    assert "kubectl --context away get --raw /version" in told.text("cluster")


def test_rights_are_asked_of_the_cluster(doctor: Doctor, lab: Lab, cluster: Cluster) -> None:
    for name in ("first", "second"):
        cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    reading = {"apiGroups": [""], "resources": ["services", "pods"], "verbs": ["list", "watch"]}
    slices = {**reading, "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"]}
    forward = {"apiGroups": [""], "resources": ["pods/portforward"], "verbs": ["get", "create"]}
    cluster.allow("restricted", "first", [reading, slices, forward])
    cluster.allow("restricted", "second", [reading])
    file = lab.kubeconfig(cluster, "restricted")
    told = doctor("-n", "first", "-n", "second", "-n", "third", KUBECONFIG=str(file))
    assert (told.code, told.bad) == (2, {"cluster": ["warning", "fail", "fail", "fail", "fail"]})
    text = told.text("cluster")
    assert "In first you may list services" in text
    assert "In second you may not list and watch endpointslices.discovery.k8s.io: pods" in text
    assert "In second you may not get and create pods/portforward." in text
    assert "kubectl auth can-i get pods --subresource=portforward --namespace second" in text
    assert "In third you may not list and watch services." in text
    # What is said is true: kubectl says so as well.
    kubectl = ["--as=restricted", "auth", "can-i", "list", "services", "-n"]
    assert cluster.kubectl(*kubectl, "second").strip() == "yes"


def test_a_namespace_that_is_not_there(doctor: Doctor) -> None:
    told = doctor("-n", "nowhere")
    assert (told.code, told.bad) == (1, {"cluster": ["warning"]})
    assert "There is no namespace nowhere." in told.text("cluster")


# --- root ------------------------------------------------------------------------------------


def test_nobody_can_be_asked(doctor: Doctor) -> None:
    told = doctor(**SILENT)
    assert (told.code, told.bad) == (1, {"way to root": ["warning"]})
    text = told.text("way to root")
    assert "sudo -n would need a password; SUDO_ASKPASS is not set" in text
    assert "bin/kubefwd-operator" in text
    assert " authorize --instance tilt-10350\n" in text


def test_sudo_without_a_password(doctor: Doctor, dev: Dev) -> None:
    dev.sudoers(password=False)
    told = doctor(**SILENT)
    assert (told.code, told.bad) == (0, {})
    assert "Nobody is asked (sudo -n)" in told.text("way to root")


def test_a_password_that_sudo_remembers_is_neither_used_nor_forgotten(
    doctor: Doctor, dev: Dev
) -> None:
    """It belongs to whoever gave it, which the operator is not."""
    remembering = SUDOERS.read_text().replace("timestamp_timeout=0", "timestamp_timeout=5")
    with content(SUDOERS, remembering):
        assert dev.run("sudo", "-n", "true", check=False).returncode == 1
        dev.run("sudo", "-S", "true", given=f"{dev.password}\n")
        assert doctor(**SILENT).bad == {"way to root": ["warning"]}
        dev.run("sudo", "-n", "true")
        dev.run("sudo", "-K")


@pytest.mark.parametrize("port, free", [("10350", True), ("10351", False)])
def test_the_line_of_sudoers_is_for_one_instance(
    doctor: Doctor, dev: Dev, port: str, free: bool
) -> None:
    argv = command(INTERPRETERS[0], ROOT_FOLDER, "tilt-10350")
    file = Path("/etc/sudoers.d/zz-test")
    file.write_text(sudoers.line(dev.name, dev.uid, argv) + "\n")
    file.chmod(0o440)
    try:
        told = doctor("--port", port, **SILENT)
    finally:
        file.unlink()
    assert ("Nobody is asked (sudo -n)" in told.text("way to root")) is free
    assert told.code == (0 if free else 1)


def test_no_sudo(doctor: Doctor) -> None:
    with mounted(Path("/dev/null"), SUDO):
        told = doctor()
    assert (told.code, told.bad) == (2, {"sudo": ["warning"], "way to root": ["fail"]})
    assert "There is no way to root" in told.text("way to root")
    assert f"{typed((ROOT_FOLDER,))} --instance tilt-10350 --uid" in told.text("way to root")


# --- names and network -----------------------------------------------------------------------


def test_a_hosts_file_that_is_mounted(doctor: Doctor, tmp_path: Path) -> None:
    own = tmp_path / "hosts"
    own.write_bytes(HOSTS.read_bytes())
    with mounted(own, HOSTS):
        told = doctor()
        assert (told.code, told.bad) == (0, {})
        assert "is bind-mounted (a container?)" in told.text("hosts file")
    with mounted(own, HOSTS, "ro"):
        told = doctor()
        assert (told.code, told.bad) == (2, {"hosts file": ["fail"]})
        assert "sudo mount -o remount,rw /etc/hosts" in told.text("hosts file")


def test_an_immutable_hosts_file(doctor: Doctor) -> None:
    if subprocess.run(["chattr", "+i", HOSTS], check=False).returncode:
        pytest.skip("NOT TESTED: this file system has no immutable files")
    try:
        told = doctor()
    finally:
        subprocess.run(["chattr", "-i", HOSTS], check=True)
    assert (told.code, told.bad) == (2, {"hosts file": ["fail"]})
    assert "sudo chattr -i -a /etc/hosts" in told.text("hosts file")


def test_a_foreign_block(doctor: Doctor) -> None:
    with content(HOSTS, f"{HOSTS.read_text()}127.1.27.1 web web.shop\n"):
        told = doctor()
    assert (told.code, told.bad) == (1, {"hosts file": ["warning"]})
    assert "1 lines of a kubefwd that is not ours (web)" in told.text("hosts file")


def test_a_block_whose_helper_is_gone(doctor: Doctor) -> None:
    line = "127.18.0.1 web.shop # kubefwd-operator:4711.tilt-77\n"
    with content(HOSTS, f"{line}{HOSTS.read_text()}"):
        assert "names of 4711.tilt-77" in doctor().text("hosts file")
        pretender = [
            sys.executable,
            "-c",
            "__import__('sys').stdin.read()",
            "pycache_prefix",
            "--instance",
            "tilt-77",
        ]
        with subprocess.Popen([*pretender, "."], stdin=subprocess.PIPE):
            assert doctor().bad == {}


def test_dns_before_the_hosts_file(doctor: Doctor) -> None:
    with content(NSSWITCH, "passwd: files\ngroup: files\nhosts: dns files\n"):
        told = doctor()
    assert (told.code, told.bad) == (1, {"name order": ["warning"]})
    assert "write the line as: hosts: files dns" in told.text("name order")


def test_a_proxy_without_exceptions(doctor: Doctor) -> None:
    told = doctor("-n", "default", HTTP_PROXY="http://127.0.0.1:1")
    assert (told.code, told.bad) == (1, {"proxies": ["warning"]})
    assert ",.default,.svc,.svc.cluster.local" in told.text("proxies")
    well = doctor(HTTP_PROXY="http://127.0.0.1:1", no_proxy=".default,.svc,.svc.cluster.local")
    assert (well.code, well.bad) == (0, {})
