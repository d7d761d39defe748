"""What is found of operators that have ended, on a machine laid out in a folder."""

import fcntl
import socket
from collections import Counter
from pathlib import Path

import pytest

from kubefwd_operator.privileged import leftovers
from kubefwd_operator.privileged.leftovers import (
    in_use,
    listens,
    roots,
    run_directories,
    size,
)
from kubefwd_operator.privileged.surroundings import ROOT_FOLDER

ME, OTHER = "1000.tilt-10350", "10001.tilt-1"
CONTENT = f"""127.18.0.3 web # kubefwd-operator:{ME}
::ffff:127.18.0.3 web # kubefwd-operator:{ME}\r
# waits for db # kubefwd-operator:{OTHER}
127.0.0.1 localhost
127.0.0.1 mine # kubefwd-operator:{ME} of mine
127.0.0.1 mine # kubefwd-operator:tilt-1
"""


def test_what_root_keeps_is_counted_by_owner(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_bytes(CONTENT.encode())
    (tmp_path / "state/leases").mkdir(parents=True)
    (tmp_path / "state/lock").touch()
    (tmp_path / f"state/{OTHER}.kubefwd").mkdir()
    (tmp_path / f"state/{ME}.alive").touch()
    for ip in ("127.18.0.3", "127.18.0.4"):
        (tmp_path / "state/leases" / ip).symlink_to(ME)
    found = roots(tmp_path / "hosts", tmp_path / "state")
    assert found.lines == Counter({ME: 2, OTHER: 1})
    assert found.owners() == [ME, OTHER]
    assert found.of_user(1000) == [ME], "the other uid only begins alike"
    assert found.of(ME) == "2 lines of /etc/hosts, 2 leased addresses"
    assert found.of(OTHER) == "1 lines of /etc/hosts, 1 copy of kubefwd"
    assert found.of("1000.tilt-2") == ""


def test_where_root_keeps_nothing_nothing_is_found(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    assert roots(tmp_path / "hosts", tmp_path / "state").owners() == []


def test_the_ledger_is_where_root_has_it() -> None:
    assert f'"{leftovers.STATE}"' in Path(ROOT_FOLDER, "__main__.py").read_text()


def test_run_directories_are_found_in_both_places_and_nothing_else(tmp_path: Path) -> None:
    home, runtime = tmp_path / "home", tmp_path / "run"
    tops = (runtime / "7/kubefwd-operator", home / ".local/state/kubefwd-operator")
    for top in tops:
        (top / "tilt-1").mkdir(parents=True)
        (top / "Not-Ours").mkdir()
        (top / "file").touch()
        (top / "link").symlink_to(home)
    assert run_directories(7, home, runtime) == [top / "tilt-1" for top in tops]
    assert run_directories(8, tmp_path, runtime) == []


@pytest.mark.parametrize("depth", [0, 12], ids=["short", "longer than a socket's path"])
def test_an_operator_that_listens_is_told_from_one_that_has_ended(
    tmp_path: Path, depth: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path.joinpath(*["x" * 20] * depth)
    folder.mkdir(parents=True, exist_ok=True)
    assert not listens(folder), "no socket"
    monkeypatch.chdir(folder)
    with socket.socket(socket.AF_UNIX) as operator:
        operator.bind("helper.sock")
        operator.listen()
        monkeypatch.chdir(tmp_path)
        assert listens(folder)
    assert not listens(folder), "a socket that nobody listens on any more"
    assert Path.cwd() == tmp_path
    assert not listens(tmp_path / "missing")


@pytest.mark.parametrize("name", ["lock", "venvs/a.1/pyvenv.cfg", "packages/b/venv"])
def test_a_cache_is_in_use_while_somebody_holds_a_lock_in_it(tmp_path: Path, name: str) -> None:
    for each in ("lock", "venvs/a.1/pyvenv.cfg", "packages/b/venv"):
        (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / each).touch()
    assert not in_use(tmp_path)
    with (tmp_path / name).open() as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        assert in_use(tmp_path)
    assert not in_use(tmp_path)
    assert not in_use(tmp_path / "missing")


def test_sizes_do_not_follow_links(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    (tmp_path / "below/file").write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to("/usr")
    assert size(tmp_path) == 1000
