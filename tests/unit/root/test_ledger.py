"""Leases: an address belongs to one living owner at a time."""

import contextlib
import os
import threading
from pathlib import Path

import pytest
from tests.unit.root.leases import alive, ours

from kubefwd_operator.root.helper import ledger as module
from kubefwd_operator.root.helper.ledger import Ledger, alias
from kubefwd_operator.root.helper.protocol import Refusal

ME, OTHER = "1000.tilt-10350", "1001.tilt-10350"
IP = "127.18.0.3"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


def _living(folder: Path, owner: str) -> tuple[Ledger, int]:
    ledger = Ledger(str(folder), owner)
    return ledger, alive(ledger)


def test_an_address_is_taken_once_and_given_back(folder: Path) -> None:
    ledger, _ = _living(folder, ME)
    ledger.lease(IP)
    ledger.lease(IP)
    ledger.lease("127.18.0.4")
    assert ours(ledger) == {IP, "127.18.0.4"}
    ledger.free(ledger.mine, [IP, "127.18.0.9"])
    assert ours(ledger) == {"127.18.0.4"}
    ledger.free(ledger.mine)
    assert ours(ledger) == set()


def test_another_living_owner_is_refused_and_told_who_holds_it(folder: Path) -> None:
    mine, _ = _living(folder, ME)
    theirs, _ = _living(folder, OTHER)
    mine.lease(IP)
    with pytest.raises(Refusal, match=ME) as refusal:
        theirs.lease(IP)
    assert refusal.value.code == "leased"
    theirs.free(theirs.mine, [IP])
    assert ours(mine) == {IP}
    mine.free(mine.mine, [IP])
    theirs.lease(IP)
    assert ours(theirs) == {IP}


def test_a_dead_owner_s_address_is_free(folder: Path) -> None:
    dead, life = _living(folder, OTHER)
    dead.lease(IP)
    os.close(life)
    mine, _ = _living(folder, ME)
    mine.lease(IP)
    assert ours(mine) == {IP}
    assert ours(dead) == set()


def test_a_sweep_frees_what_the_dead_hold_only(folder: Path) -> None:
    mine, _ = _living(folder, ME)
    dead, life = _living(folder, OTHER)
    mine.lease(IP)
    dead.lease("127.18.0.4")
    mine.free(mine.dead)
    assert ours(dead) == {"127.18.0.4"}
    os.close(life)
    mine.free(mine.dead)
    assert ours(dead) == set()
    assert ours(mine) == {IP}


def test_an_instance_lives_once(folder: Path) -> None:
    first, life = _living(folder, ME)
    with pytest.raises(Refusal, match="Another helper"):
        first.live(0.05)
    threading.Timer(0.1, os.close, [life]).start()
    alive(first, 5)
    assert not first.dead(ME)
    assert first.dead(OTHER)


def test_one_at_a_time_changes_anything(folder: Path) -> None:
    ledger = Ledger(str(folder), ME)
    order: list[int] = []
    inside = threading.Event()

    def second() -> None:
        inside.wait(2)
        with ledger.lock():
            order.append(2)

    thread = threading.Thread(target=second)
    thread.start()
    with ledger.lock():
        inside.set()
        thread.join(0.1)
        order.append(1)
    thread.join()
    assert order == [1, 2]


def test_the_lock_is_free_again_after_an_error(folder: Path) -> None:
    ledger = Ledger(str(folder), ME)
    with contextlib.suppress(ZeroDivisionError), ledger.lock():
        raise ZeroDivisionError
    with ledger.lock():
        pass


def test_a_folder_that_others_can_write_is_refused(folder: Path) -> None:
    Ledger(str(folder), ME)
    folder.chmod(0o777)
    with pytest.raises(Refusal, match="only root"):
        Ledger(str(folder), ME)


def test_a_link_in_place_of_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "trap").mkdir()
    folder.symlink_to(tmp_path / "trap")
    with pytest.raises(Refusal, match="only root"):
        Ledger(str(folder), ME)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make another user's folder")
def test_another_user_s_folder_is_refused(folder: Path) -> None:
    folder.mkdir()
    os.chown(folder, 65534, 65534)
    with pytest.raises(Refusal, match="only root"):
        Ledger(str(folder), ME)


def test_a_link_in_place_of_a_lock_is_refused(folder: Path, tmp_path: Path) -> None:
    ledger = Ledger(str(folder), ME)
    (folder / f"{ME}.alive").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        ledger.live(0)


@pytest.mark.parametrize(
    "platform, add, command",
    [
        ("darwin", True, "/sbin/ifconfig lo0 alias 127.18.0.3 netmask 255.255.255.255"),
        ("darwin", False, "/sbin/ifconfig lo0 -alias 127.18.0.3"),
        ("linux", True, ""),
        ("linux", False, ""),
    ],
)
def test_macos_needs_an_alias_of_lo0(platform: str, add: bool, command: str) -> None:
    assert " ".join(alias(platform, IP, add)) == command


@pytest.mark.parametrize(
    "program, add, told",
    [
        pytest.param("/bin/true", True, "", id="it is added"),
        pytest.param("/bin/false", True, "/bin/false has failed", id="it cannot be added"),
        pytest.param("/bin/false", False, "", id="it is gone already"),
    ],
)
def test_an_alias_that_cannot_be_added_is_told(
    monkeypatch: pytest.MonkeyPatch, program: str, add: bool, told: str
) -> None:
    monkeypatch.setattr(module, "alias", lambda *_: [program])
    with pytest.raises(Refusal, match=told) if told else contextlib.nullcontext():
        module._plumb(IP, add)
