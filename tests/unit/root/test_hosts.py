"""The hosts file: one block per owner, and every other byte as it was."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.root.leases import alive

from kubefwd_operator.privileged.rivals import Contested, contested
from kubefwd_operator.privileged.withheld import withheld
from kubefwd_operator.root.helper import hosts as module
from kubefwd_operator.root.helper.hosts import Hosts, block, holders, without
from kubefwd_operator.root.helper.ledger import Ledger
from kubefwd_operator.root.helper.names import HostsEntry, spell
from kubefwd_operator.root.helper.protocol import Refusal

ME, OTHER = "1000.tilt-10350", "1001.tilt-10350"
WEB = HostsEntry("127.18.0.3", "web", "shop", bare=True)
_my = ME.__eq__
ODD = [
    pytest.param(b"", id="empty"),
    pytest.param(b"127.0.0.1 localhost\n", id="ordinary"),
    pytest.param(b"127.0.0.1 localhost", id="no final newline"),
    pytest.param(b"127.0.0.1 localhost\r\n\r\n10.0.0.1 a\r\n", id="CRLF"),
    pytest.param(b"10.0.0.1 a\r10.0.0.2 b", id="CR"),
    pytest.param(b"# caf\xe9 \xff\xfe\x00\n\x0b\x0c\x1c\x85\n", id="not UTF-8, odd line ends"),
    pytest.param(b"\xef\xbb\xbf127.0.0.1 localhost\n\n\n", id="BOM, blank lines"),
    pytest.param(b"\n", id="one newline"),
    pytest.param(b"# kubefwd-operator: not a mark\n# kubefwd-operator:x\n", id="nearly our mark"),
]


def _make(folder: Path, owner: str = ME) -> Hosts:
    hosts = folder / "hosts"
    if not hosts.exists():
        hosts.write_bytes(b"127.0.0.1 localhost\n")
    ledger = Ledger(str(folder / "state"), owner)
    alive(ledger)
    return Hosts(str(hosts), ledger)


@pytest.fixture
def mine(tmp_path: Path) -> Hosts:
    return _make(tmp_path)


@pytest.fixture
def file(mine: Hosts) -> Path:
    return Path(mine.path)


@pytest.mark.parametrize("content", ODD)
def test_after_undo_the_file_is_byte_equal(mine: Hosts, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    assert mine.replace([WEB])
    assert file.read_bytes().endswith(content)
    assert b"127.18.0.3 web web.shop " in file.read_bytes()
    mine.remove(_my)
    assert file.read_bytes() == content


@pytest.mark.parametrize("content", ODD)
def test_what_the_user_adds_meanwhile_is_kept(mine: Hosts, file: Path, content: bytes) -> None:
    file.write_bytes(content)
    mine.replace([WEB])
    file.write_bytes(b"10.9.9.9 before\n" + file.read_bytes() + b"10.9.9.9 after")
    mine.remove(_my)
    assert file.read_bytes() == b"10.9.9.9 before\n" + content + b"10.9.9.9 after"


def test_a_line_that_the_user_puts_into_our_block_is_kept(mine: Hosts, file: Path) -> None:
    mine.replace([WEB])
    first, rest = file.read_bytes().split(b"\n", 1)
    file.write_bytes(first + b"\n10.9.9.9 mine\n" + rest)
    mine.remove(_my)
    assert file.read_bytes() == b"10.9.9.9 mine\n127.0.0.1 localhost\n"


@given(content=st.binary(max_size=200), other=st.booleans())
def test_any_bytes_come_back(content: bytes, other: bool) -> None:
    lines = block([WEB], ME, holders(content), ())
    theirs = block([WEB], OTHER, {}, ()) if other else b""
    kept = without(content, lambda owner: owner == ME)
    assert without(lines + theirs + kept, lambda owner: owner == ME) == theirs + kept


@given(st.lists(st.sampled_from([b"a", b" ", b"#", b"\r", b"\n", b"kubefwd-operator:", b"1.b"])))
def test_near_marks_are_not_ours(parts: list[bytes]) -> None:
    content = b"".join(parts)
    assert without(content, lambda owner: owner == ME) == content


def test_a_block_has_a_line_per_address_and_its_ipv6_twin() -> None:
    lines = block([WEB], ME, {}, ())
    names = "web web.shop web.shop.svc web.shop.svc.cluster.local # kubefwd-operator:" + ME
    assert lines.decode() == f"127.18.0.3 {names}\n::ffff:127.18.0.3 {names}\n"


def test_a_name_has_several_addresses_when_the_service_is_headless() -> None:
    lines = block([WEB, WEB._replace(ip="127.18.0.4")], ME, {}, ())
    assert lines.count(b"\n") == 4


@pytest.mark.parametrize(
    "entry, held, lost",
    [
        pytest.param(WEB, {"web": ""}, "web", id="the user's own line"),
        pytest.param(WEB, {"web": OTHER}, "web", id="another instance"),
        pytest.param(WEB._replace(namespace="com"), {}, "web.com", id="a public suffix"),
        pytest.param(WEB._replace(service="box"), {}, "box", id="the machine's own name"),
        pytest.param(WEB._replace(hostnames=("bank.com",)), {}, "bank.com", id="hostname"),
        pytest.param(
            WEB._replace(namespace="com", hostnames=("web.com",)),
            {},
            "web.com",
            id="a hostname that is a refused short name",
        ),
        pytest.param(
            WEB._replace(hostnames=("shop.test",)),
            {"shop.test": ""},
            "shop.test",
            id="a hostname of the user's own line",
        ),
        pytest.param(
            WEB._replace(hostnames=("shop.test",)),
            {"shop.test": OTHER},
            "shop.test",
            id="a hostname of another instance",
        ),
    ],
)
def test_a_name_is_withheld_alone(entry: HostsEntry, held: dict[str, str], lost: str) -> None:
    lines = block([entry], ME, held, ("box",))
    words = [word for line in lines.split(b"\n") for word in line.split(b"#")[0].split()]
    left = [name.encode() for name in spell(entry) if name != lost]
    assert words == [b"127.18.0.3", *left, b"::ffff:127.18.0.3", *left]


def test_hostnames_follow_the_names_of_the_cluster() -> None:
    entry = WEB._replace(hostnames=("shop.test", "api.dev.example.com"))
    lines = block([entry], ME, {}, (), ("dev.example.com",))
    assert lines.count(b"\n") == 2
    for line in lines.splitlines():
        assert line.split(b" # ")[0].endswith(b".cluster.local shop.test api.dev.example.com")


def test_an_entry_given_twice_is_written_once() -> None:
    assert block([WEB, WEB], ME, {}, ()) == block([WEB], ME, {}, ())


def test_an_entry_without_any_name_left_makes_no_line() -> None:
    lines = block([WEB, WEB], ME, dict.fromkeys(spell(WEB), ""), ())
    assert lines == b""


@pytest.mark.parametrize(
    "content, held",
    [
        pytest.param(b"10.0.0.1 a b\tc\n", {"a": "", "b": "", "c": ""}, id="several names"),
        pytest.param(b"10.0.0.1 a # b\n#10.0.0.1 c\n", {"a": ""}, id="comments"),
        pytest.param(b"10.0.0.1 A.Example.\n", {"a.example": ""}, id="capitals, final dot"),
        pytest.param(b"10.0.0.1 a\r\n10.0.0.2 b", {"a": "", "b": ""}, id="CRLF, no end"),
        pytest.param(
            f"127.18.0.1 a # kubefwd-operator:{OTHER}\n".encode(), {"a": OTHER}, id="instance"
        ),
        pytest.param(
            f"127.18.0.1 a # kubefwd-operator:{OTHER}\n10.0.0.1 a\n".encode(),
            {"a": ""},
            id="the user's line counts more",
        ),
        pytest.param(b"10.0.0.1\n\n \n", {}, id="no names"),
    ],
)
def test_who_holds_a_name(content: bytes, held: dict[str, str]) -> None:
    assert holders(content) == held


def test_the_same_block_again_writes_nothing(mine: Hosts, file: Path) -> None:
    assert mine.replace([WEB])
    before = file.stat()
    assert not mine.replace([WEB])
    assert file.stat().st_ino == before.st_ino
    assert mine.replace([WEB._replace(ip="127.18.0.4")])
    assert mine.replace([])
    assert file.read_bytes() == b"127.0.0.1 localhost\n"


def test_two_owners_have_two_blocks_and_the_first_keeps_the_name(
    mine: Hosts, file: Path, tmp_path: Path
) -> None:
    theirs = _make(tmp_path, OTHER)
    file.write_bytes(b"10.0.0.1 x")
    mine.replace([WEB])
    again = [WEB._replace(ip="127.18.0.4")]
    theirs.replace(again)
    assert {(one.reason, one.holder) for one in withheld(again, file.read_bytes())} == {
        ("held-by-instance", ME)
    }
    mine.remove(_my)
    assert theirs.replace(again)
    assert withheld(again, file.read_bytes()) == ()
    theirs.remove(OTHER.__eq__)
    assert file.read_bytes() == b"10.0.0.1 x"


def test_the_holder_of_a_name_learns_who_waits_for_it(
    mine: Hosts, file: Path, tmp_path: Path
) -> None:
    theirs = _make(tmp_path, OTHER)
    assert mine.replace([WEB])
    wanted = [WEB._replace(ip="127.18.0.4"), WEB._replace(ip="127.18.0.5", namespace="two")]
    theirs.replace(wanted)
    assert contested([f"web.two{end}" for end in ("", ".svc")], file.read_bytes()) == ()
    assert b"127.18.0.5 web.two " in file.read_bytes()
    assert holders(file.read_bytes())["web"] == ME
    assert not mine.replace([WEB])
    assert contested(spell(WEB), file.read_bytes()) == tuple(
        Contested(name, OTHER) for name in spell(WEB)
    )
    theirs.replace([])
    assert not mine.replace([WEB])
    assert contested(spell(WEB), file.read_bytes()) == ()
    mine.remove(_my)
    assert file.read_bytes() == b"127.0.0.1 localhost\n"


def test_owner_mode_and_attributes_are_kept(mine: Hosts, file: Path) -> None:
    file.chmod(0o640)
    os.setxattr(file, "user.colour", b"blue")
    mine.replace([WEB])
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert os.getxattr(file, "user.colour") == b"blue"
    if os.geteuid() == 0:
        os.chown(file, 1234, 4321)
        mine.remove(_my)
        assert (file.stat().st_uid, file.stat().st_gid) == (1234, 4321)


def test_a_link_stays_a_link_and_its_target_is_written(mine: Hosts, file: Path) -> None:
    target = file.parent / "elsewhere"
    target.mkdir()
    file.rename(target / "real")
    file.symlink_to("elsewhere/real")
    mine.replace([WEB])
    assert file.is_symlink()
    assert b"web.shop" in (target / "real").read_bytes()


def test_nothing_is_left_beside_the_file(mine: Hosts, file: Path) -> None:
    mine.replace([WEB])
    assert {path.name for path in file.parent.iterdir()} == {"hosts", "state"}


def test_a_temporary_file_of_a_killed_helper_is_removed(mine: Hosts, file: Path) -> None:
    left = file.parent / ".hosts.kubefwd-operator"
    left.write_bytes(b"half")
    mine.replace([WEB])
    assert not left.exists()


def test_a_change_by_somebody_else_meanwhile_is_not_lost(
    mine: Hosts, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync
    times: list[int] = []

    def fsync(fd: int) -> None:
        real(fd)
        if not times:
            times.append(1)
            file.write_bytes(b"10.0.0.9 web\n")

    monkeypatch.setattr(os, "fsync", fsync)
    mine.replace([WEB])
    assert file.read_bytes().endswith(b"10.0.0.9 web\n")
    assert [(one.name, one.reason) for one in withheld([WEB], file.read_bytes())] == [
        ("web", "held-by-user")
    ]


def test_a_file_that_never_stays_still_is_given_up(
    mine: Hosts, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.fsync

    def fsync(fd: int) -> None:
        real(fd)
        file.write_bytes(file.read_bytes() + b"#\n")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(Refusal, match="keeps changing"):
        mine.replace([WEB])
    assert {path.name for path in file.parent.iterdir()} == {"hosts", "state"}


def _journal(hosts: Hosts) -> Path:
    return Path(hosts.ledger.folder, "hosts.journal")


def _busy(*_: object) -> None:
    raise OSError(16, "Device or resource busy")


def _dies(*_: object) -> None:
    raise ZeroDivisionError


def _renames_of_hosts_fail(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    real = os.rename

    def rename(source: str, target: str) -> None:
        _busy() if target == str(file) else real(source, target)

    monkeypatch.setattr(os, "rename", rename)


def test_a_bind_mounted_file_is_written_in_place(
    mine: Hosts, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renames_of_hosts_fail(monkeypatch, file)
    before = file.stat().st_ino
    mine.replace([WEB])
    assert file.stat().st_ino == before
    assert b"web.shop" in file.read_bytes()
    mine.remove(_my)
    assert file.read_bytes() == b"127.0.0.1 localhost\n"
    assert not _journal(mine).exists()


def test_a_torn_write_in_place_is_finished_from_the_journal(
    mine: Hosts, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _renames_of_hosts_fail(monkeypatch, file)
    content = b"10.0.0.1 a\n" * 50
    file.write_bytes(content)
    real = os.fsync
    with monkeypatch.context() as patch:  # the helper ends in the middle
        patch.setattr(os, "fsync", lambda fd: _dies() if _journal(mine).exists() else real(fd))
        with pytest.raises(ZeroDivisionError):
            mine.replace([WEB])
    file.write_bytes(file.read_bytes()[:100] + b"torn")
    mine.remove(_my)
    assert file.read_bytes() == content


def test_a_journal_older_than_the_users_own_edit_is_dropped(mine: Hosts, file: Path) -> None:
    _journal(mine).write_bytes(b"old")
    os.utime(_journal(mine), (1, 1))
    mine.remove(_my)
    assert file.read_bytes() == b"127.0.0.1 localhost\n"
    assert not _journal(mine).exists()


def _only_for_locks(real: Callable[..., int], fails: Callable[..., int]) -> Callable[..., int]:
    return lambda path, *rest: (real if "state" in path else fails)(path, *rest)


@pytest.mark.parametrize("number", [1, 13, 30], ids=["EPERM", "EACCES", "EROFS"])
def test_a_file_that_cannot_be_written_is_read_only(
    mine: Hosts, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fails(*_: object) -> int:
        raise OSError(number, "no")

    monkeypatch.setattr(module, "_swap", fails)
    monkeypatch.setattr(os, "open", _only_for_locks(os.open, fails))
    with pytest.raises(Refusal) as refusal:
        mine.replace([WEB])
    assert refusal.value.code == "read-only"


def test_a_full_disk_is_an_error_of_the_system_and_nothing_is_changed(
    mine: Hosts, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    before = file.read_bytes()
    monkeypatch.setattr(module, "_overwrite", full)
    with pytest.raises(OSError, match="No space left"):
        mine.replace([WEB])
    assert file.read_bytes() == before
    assert list(file.parent.glob(".*")) == []


def test_a_mounted_file_that_changes_meanwhile_is_read_again(
    mine: Hosts, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    added = b"10.0.0.7 added\n"

    def swap(*_: object) -> None:
        if added not in file.read_bytes():
            file.write_bytes(file.read_bytes() + added)
        _busy()

    monkeypatch.setattr(module, "_swap", swap)
    mine.replace([WEB])
    assert b"web.shop" in file.read_bytes()
    mine.remove(_my)
    assert file.read_bytes() == b"127.0.0.1 localhost\n" + added


def test_a_missing_file_is_an_error_of_the_system(mine: Hosts, file: Path) -> None:
    file.unlink()
    with pytest.raises(FileNotFoundError):
        mine.replace([WEB])


def test_dead_owners_are_swept_and_living_ones_stay(
    mine: Hosts, file: Path, tmp_path: Path
) -> None:
    theirs = _make(tmp_path, OTHER)
    mine.replace([WEB])
    theirs.replace([WEB._replace(service="api")])
    dead = block([WEB._replace(service="db")], "7.dead", {}, ())
    file.write_bytes(dead + file.read_bytes())
    mine.remove(mine.ledger.dead)
    assert b"7.dead" not in file.read_bytes()
    assert ME.encode() in file.read_bytes()
    assert OTHER.encode() in file.read_bytes()
