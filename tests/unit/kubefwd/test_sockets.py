"""Which sockets listen: what each system prints, and a real one."""

import logging
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from kubefwd_operator.engines.kubefwd import sockets
from kubefwd_operator.engines.kubefwd.sockets import Sockets, look, parse_netstat, parse_proc
from kubefwd_operator.engines.kubefwd.truth import Place

# As Linux 6.18 prints it: two that listen on loopback, one that does everywhere, one outside of
# 127.0.0.0/8 (128.1.27.1), one connection, one that has ended, one at the range's very end.
PROC = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 011B017F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1931 1
   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1932 1
   2: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1933 1
   3: 011B0180:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1934 1
   4: 021B017F:0050 0100007F:D431 01 00000000:00000000 00:00000000 00000000     0        0 1935 1
   5: 031B017F:0050 0100007F:D432 06 00000000:00000000 03:00000FA0 00000000     0        0 0 3
   6: FFFFFF7F:FFFF 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1936 1
"""

# The same as macOS prints it, and sockets for both families at once. Put together after published
# output, not recorded on a macOS: addresses have 22 columns there.
NETSTAT = """\
Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)    \n\
tcp4       0      0  127.1.27.1.80          *.*                    LISTEN     \n\
tcp4       0      0  127.0.0.1.8080         *.*                    LISTEN     \n\
tcp46      0      0  *.22                   *.*                    LISTEN     \n\
tcp4       0      0  *.22                   *.*                    LISTEN     \n\
tcp4       0      0  128.1.27.1.80          *.*                    LISTEN     \n\
tcp4       0      0  127.1.27.2.80          127.0.0.1.54321        ESTABLISHED
tcp4       0      0  127.1.27.3.80          127.0.0.1.54322        TIME_WAIT  \n\
tcp4       0      0  127.255.255.255.65535  *.*                    LISTEN     \n\
udp4       0      0  127.1.27.4.53          *.*                               \n\
"""

FOUND = Sockets(
    frozenset({("127.1.27.1", 80), ("127.0.0.1", 8080), ("127.255.255.255", 65535)}),
    frozenset({("127.1.27.2", 80)}),
)


@pytest.fixture(autouse=True)
def _nothing_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_told", set())


@pytest.mark.skipif(sys.byteorder != "little", reason="the sample is of a little-endian machine")
def test_linux() -> None:
    assert parse_proc(PROC) == FOUND


def test_linux_on_a_big_endian_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "byteorder", "big")
    found = parse_proc(PROC.replace("011B017F", "7F011B01"))
    assert found.listening >= {("127.1.27.1", 80)}


def test_macos() -> None:
    assert parse_netstat(NETSTAT) == FOUND


@pytest.mark.parametrize(
    ("parse", "heading"),
    [
        pytest.param(parse_proc, PROC.splitlines()[0], id="Linux"),
        pytest.param(parse_netstat, "\n".join(NETSTAT.splitlines()[:2]), id="macOS"),
    ],
)
def test_no_socket_is_an_answer_and_no_heading_is_none(
    parse: Callable[[str], Sockets], heading: str
) -> None:
    assert parse(heading + "\n") == Sockets()
    for text in ("", "\n", "something else\n"):
        with pytest.raises(ValueError, match="list of sockets"):
            parse(text)


async def test_a_real_socket() -> None:
    with socket.create_server(("127.1.2.3", 0)) as server:
        place: Place = server.getsockname()
        with socket.create_connection(place) as client:
            there = await look()
            assert there is not None
            assert place in there.listening
            assert client.getsockname() not in there.listening
            assert {place, client.getsockname()} <= there.connected
    later = await look()
    assert later is not None
    assert place not in later.listening


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that has a macOS with this netstat."""

    def be(*netstat: str) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        monkeypatch.setattr(sockets, "NETSTAT", netstat)

    return be


async def test_netstat_is_run(macos: Callable[..., None], tmp_path: Path) -> None:
    printed = tmp_path / "printed"
    printed.write_text(NETSTAT)
    macos("/bin/cat", str(printed))
    assert await look() == FOUND


@pytest.mark.parametrize(
    ("netstat", "why"),
    [
        pytest.param(["/no/such/netstat"], "No such file", id="missing"),
        pytest.param(["/bin/cat", "/no/such/file"], "status 1", id="fails"),
        pytest.param(["/bin/cat"], "does not print a list", id="says nothing"),
        pytest.param(["/bin/sleep", "60"], "timed out", id="hangs"),
    ],
)
async def test_what_cannot_be_known_is_none_and_told_once(
    macos: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    netstat: list[str],
    why: str,
) -> None:
    monkeypatch.setattr(sockets, "SECONDS", 0.1)
    macos(*netstat)
    with caplog.at_level(logging.WARNING):
        assert await look() is None
        assert await look() is None
    assert [why in record.getMessage() for record in caplog.records] == [True]


async def test_an_unreadable_list(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr(sockets, "PROC", tmp_path / "tcp")
    monkeypatch.setattr(sys, "platform", "linux")
    assert await look() is None
    assert str(tmp_path) in caplog.text
