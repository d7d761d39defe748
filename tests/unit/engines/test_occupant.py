"""Who listens where a service should: what Linux's lists say, and what may be read of processes."""

import os
import sys
from pathlib import Path

import pytest

from kubefwd_operator.engines import occupant
from kubefwd_operator.engines.occupant import Listening, Occupant, blocks, find, parse

pytestmark = pytest.mark.skipif(
    sys.byteorder != "little" or sys.platform != "linux", reason="the samples are of Linux on x86"
)

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout"
PLACE = ("127.18.0.3", 8080)
OURS, MAPPED = "0300127F", "0000000000000000FFFF0000"
EVERY, EVERY_6 = "0" * 8, "0" * 32


def line(address: str, state: str = "0A", uid: int = 1000, inode: int = 7, port: int = 8080) -> str:
    peer = "0" * len(address)
    where = f"{address}:{port:04X} {peer}:0000"
    return (
        f"   0: {where} {state} 00000000:00000000 00:00000000 00000000  {uid}  0 {inode} 1 0 100\n"
    )


def listening(address: str, port: int = 8080) -> Listening:
    return Listening(address, port, 1000, "7")


@pytest.mark.parametrize(
    "lines, found",
    [
        pytest.param([HEAD], [], id="nobody"),
        pytest.param([], [], id="nothing at all"),
        pytest.param([HEAD, line(OURS)], [listening(OURS)], id="one"),
        pytest.param([HEAD, line(EVERY_6)], [listening(EVERY_6)], id="one of IPv6"),
        pytest.param(
            [HEAD, line(OURS), line(OURS, "01"), line(EVERY)],
            [listening(OURS)],
            id="listeners come first, so nothing behind the first other one is read",
        ),
        pytest.param([HEAD, "   0: half a line"], [], id="a line of another kind"),
    ],
)
def test_the_list_of_sockets(lines: list[str], found: list[Listening]) -> None:
    assert list(parse(lines)) == found


def test_the_list_is_read_to_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupant, "MAX_SOCKETS", 3)
    assert len(list(parse([HEAD, *[line(OURS)] * 9]))) == 2


@pytest.mark.parametrize(
    "there, blocking",
    [
        pytest.param([OURS], OURS, id="the very address"),
        pytest.param([EVERY], EVERY, id="every address"),
        pytest.param([MAPPED + OURS], MAPPED + OURS, id="the address, by an IPv6 socket"),
        pytest.param([MAPPED + EVERY], MAPPED + EVERY, id="every IPv4 one, by an IPv6 socket"),
        pytest.param([EVERY_6], EVERY_6, id="every address of both kinds"),
        pytest.param([EVERY_6, EVERY], EVERY, id="what surely blocks comes first"),
        pytest.param([EVERY, OURS], OURS, id="the very address comes first"),
        pytest.param(["0100007F"], None, id="another address"),
        pytest.param(["0" * 24 + "01000000"], None, id="::1"),
    ],
)
def test_who_is_in_the_way(there: list[str], blocking: str | None) -> None:
    found = blocks(PLACE, [listening(address) for address in there])
    assert (found and found.address) == blocking
    assert blocks((PLACE[0], 8081), [listening(address) for address in there]) is None


class Proc:
    """A /proc with lists of sockets and processes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "net").mkdir()
        (folder / "self").mkdir()

    def lists(self, *lines: str, name: str = "tcp") -> None:
        (self.folder / "net" / name).write_text("".join((f"{HEAD}\n", *lines)))

    def process(self, pid: int, name: str | None, *links: str) -> None:
        (self.folder / str(pid) / "fd").mkdir(parents=True)
        if name is not None:
            (self.folder / str(pid) / "comm").write_text(f"{name}\n")
        for number, link in enumerate(links):
            (self.folder / str(pid) / "fd" / str(number)).symlink_to(link)


@pytest.fixture
def proc(tmp_path: Path) -> Proc:
    return Proc(tmp_path)


def found(proc: Proc) -> str:
    """How the occupant of PLACE is named; empty when nobody is found."""
    return str(find([PLACE], proc.folder).get(PLACE, ""))


def test_a_program_of_ours_is_named(proc: Proc) -> None:
    proc.lists(line(EVERY, uid=os.geteuid()))
    proc.process(40, "sh", "/dev/null", "socket:[8]")
    proc.process(41, "node", "/dev/null", "socket:[7]")
    assert found(proc) == "node (process 41) on 0.0.0.0:8080"


@pytest.mark.parametrize(
    "address, shown",
    [
        pytest.param(OURS, "127.18.0.3:8080", id="IPv4"),
        pytest.param(MAPPED + EVERY, "[::ffff:0.0.0.0]:8080", id="IPv4 in IPv6"),
        pytest.param(EVERY_6, "[::]:8080", id="IPv6"),
    ],
)
def test_where_it_listens(proc: Proc, address: str, shown: str) -> None:
    proc.lists(line(address, uid=os.geteuid()), name="tcp6" if len(address) > 8 else "tcp")
    proc.process(41, "node", "socket:[7]")
    assert found(proc) == f"node (process 41) on {shown}"


def test_of_others_the_user_is_named(proc: Proc) -> None:
    proc.lists(line(EVERY, uid=0 if os.geteuid() else 2))
    proc.process(41, "node", "socket:[7]")  # nobody could read this, were it another user's
    user = "root" if os.geteuid() else "bin"
    assert found(proc) == f"a program of user {user} on 0.0.0.0:8080"


def test_a_user_without_a_name_has_a_number(proc: Proc) -> None:
    proc.lists(line(EVERY, uid=34567))
    assert found(proc) == "a program of user 34567 on 0.0.0.0:8080"


def test_a_program_of_ours_that_hides_is_one_of_our_user(proc: Proc) -> None:
    proc.lists(line(EVERY, uid=os.geteuid()))
    assert find([PLACE], proc.folder)[PLACE].pid == 0


def test_a_process_that_has_just_ended_has_no_name(proc: Proc) -> None:
    proc.lists(line(EVERY, uid=os.geteuid()))
    proc.process(41, None, "socket:[7]")
    assert found(proc) == "a program (process 41) on 0.0.0.0:8080"


def test_nobody_is_found_where_nothing_listens(proc: Proc) -> None:
    assert found(proc) == ""  # without any list
    proc.lists(line(EVERY, port=8081))
    assert found(proc) == ""


def test_only_so_much_is_looked_at(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(occupant, "MAX_DESCRIPTORS", 3)
    proc.lists(line(EVERY, uid=os.geteuid()))
    proc.process(42, "java", *["socket:[1]"] * 3)
    proc.process(41, "node", "socket:[7]")
    assert find([PLACE], proc.folder)[PLACE].pid == 0


def test_other_platforms_are_not_asked(proc: Proc, monkeypatch: pytest.MonkeyPatch) -> None:
    proc.lists(line(EVERY))
    monkeypatch.setattr(sys, "platform", "darwin")
    assert find([PLACE], proc.folder) == {}


def test_people_read_it() -> None:
    assert str(Occupant("0.0.0.0:80", "dev", "node", 7)) == "node (process 7) on 0.0.0.0:80"
    assert str(Occupant("0.0.0.0:80", "root")) == "a program of user root on 0.0.0.0:80"
