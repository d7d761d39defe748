"""/etc/hosts: what keeps root from writing it, and who else does."""

import os
from pathlib import Path

import pytest
from tests.unit.doctor.kit import FAIL, OK, WARN, case, told

from kubefwd_operator.doctor import hosts
from kubefwd_operator.doctor.finding import Level
from kubefwd_operator.doctor.hosts import Facts, judge_hosts, mount_points

PLAIN = b"127.0.0.1 localhost\n127.1.26.1 mine\n127.10.27.1 mine\n"
OURS = b"127.18.0.1 web.shop # kubefwd-operator:1000.tilt-1\n"


@pytest.mark.parametrize(
    "facts, level, words",
    [
        pytest.param(Facts(content=PLAIN), OK, "can be written", id="well"),
        pytest.param(Facts(content=PLAIN, mounted=True), OK, "bind-mounted", id="a mount"),
        pytest.param(Facts(target=""), FAIL, "There is no /etc/hosts", id="missing"),
        pytest.param(Facts(immutable=True), FAIL, "chattr -i", id="immutable"),
        pytest.param(Facts(read_only=True), FAIL, "mount -o remount,rw", id="read-only"),
        pytest.param(Facts(read_only=True, mounted=True), FAIL, "remount,rw /etc/hosts",
                     id="a read-only mount"),
        pytest.param(Facts(target="/nix/store/x-hosts"), FAIL, "environment.etc.hosts.mode",
                     id="NixOS"),
        pytest.param(Facts(content=OURS, alive=frozenset({"1000.tilt-1"})), OK, "can be written",
                     id="our own block"),
    ],
)  # fmt: skip
def test_writing(facts: Facts, level: Level, words: str) -> None:
    told(judge_hosts(facts), level, words)


@pytest.mark.parametrize(
    "content, words",
    [
        pytest.param(OURS, ["names of 1000.tilt-1, whose helper does not run", "cleanup"],
                     id="left behind"),
        pytest.param(b"127.1.27.1 web web.shop\n127.1.100.2 db\n",
                     ["2 lines of a kubefwd that is not ours (web, db)", "127.1.27 and up"],
                     id="a foreign kubefwd"),
        pytest.param(b"# [network]\n# generateHosts = false\n", ["WSL writes", "/etc/wsl.conf"],
                     id="WSL"),
        pytest.param(b"# configured 'manage_etc_hosts' as True\n", ["cloud-init writes"],
                     id="cloud-init"),
        pytest.param(b"# BEGIN ANSIBLE MANAGED BLOCK\n", ["Ansible writes"], id="Ansible"),
    ],
)  # fmt: skip
def test_what_is_in_it(content: bytes, words: list[str]) -> None:
    writing, *strangers = judge_hosts(Facts(content=PLAIN + content))
    assert writing.level is OK
    told(strangers, WARN, *words)


def test_a_line_of_ours_with_kubefwds_address_is_ours() -> None:
    line = b"127.1.27.1 web.shop # kubefwd-operator:1000.tilt-1\n"
    told(judge_hosts(Facts(content=line, alive=frozenset({"1000.tilt-1"}))), OK)


def test_mount_points_are_read_with_their_escapes() -> None:
    text = (
        "22 1 0:20 / / rw - ext4 /dev/a rw\n"
        r"30 22 0:20 /x /a\040b rw shared:1 - ext4 /dev/a rw"
        "\n"
    )
    assert mount_points(text) == {"/", "/a b"}


async def test_the_machines_own_file_can_be_looked_at() -> None:
    assert await hosts.file(case())


def test_the_machines_own_file_is_read() -> None:
    facts = hosts.look()
    assert facts.target == os.path.realpath(hosts.HOSTS)
    assert b"localhost" in facts.content


def test_a_file_is_followed_to_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(OURS)
    (tmp_path / "hosts").symlink_to("real")
    facts = hosts.look("tilt-1", tmp_path / "hosts")
    assert facts.target == str(tmp_path / "real")
    assert (facts.mounted, facts.immutable, facts.read_only) == (False, False, False)
    assert facts.alive == (frozenset({"1000.tilt-1"}) if os.geteuid() == 1000 else frozenset())
    mine = OURS.replace(b"1000", str(os.geteuid()).encode())
    (tmp_path / "real").write_bytes(mine)
    assert hosts.look("tilt-1", tmp_path / "hosts").alive == {f"{os.geteuid()}.tilt-1"}
    assert hosts.look("", tmp_path / "none").target == ""
