"""The conversation with a helper, on real sockets: what works, and everything that goes wrong."""

import asyncio
import logging
import os
import resource
import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.unit.privileged.fake_helper import FakeHelper
from tests.unit.privileged.talk import IP, TalksToHelper, free_port

from kubefwd_operator.core.errors import HelperGone, HelperRefused
from kubefwd_operator.core.kubefwd import KubefwdAccess
from kubefwd_operator.core.names import HostsEntry
from kubefwd_operator.privileged.channel import SILENT_BEATS, Helper
from kubefwd_operator.privileged.leftovers import HOSTS
from kubefwd_operator.privileged.rivals import Contested
from kubefwd_operator.privileged.wire import Event

LOG = logging.getLogger("test")


class Pair:
    """Our Helper and the fake at the other end."""

    def __init__(self, beat: float = 60, hosts_file: Path = HOSTS, **faults: Any) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        self.fake = FakeHelper(theirs, hosts=None if hosts_file == HOSTS else hosts_file, **faults)
        self.helper = Helper(ours, session=1, log=LOG, beat=beat, hosts_file=hosts_file)

    async def greeted(self) -> "Pair":
        self.fake.start()
        await self.helper.hello(30)
        return self


@pytest.fixture
async def pair(tmp_path: Path) -> AsyncIterator[Pair]:
    (tmp_path / "hosts").touch()
    pair = await Pair(hosts_file=tmp_path / "hosts").greeted()
    yield pair
    pair.helper.close()
    pair.fake.connection.close()


async def heard(pair: Pair, count: int) -> None:
    while len(pair.fake.heard) < count:  # noqa: ASYNC110 - the fake is a thread
        await asyncio.sleep(0.01)


class TestFake(TalksToHelper):
    @pytest.fixture
    async def helper(self, pair: Pair) -> Helper:
        return pair.helper


async def test_hello_says_version_and_linger_and_learns_who_answers(pair: Pair) -> None:
    assert pair.fake.heard[0] == {"id": 1, "verb": "hello", "version": 1, "linger": 30}
    assert (pair.helper.pid, pair.helper.guardian) == (os.getpid(), 2)


async def test_a_helper_of_another_version_is_refused() -> None:
    pair = Pair()
    answer = asyncio.create_task(pair.helper.hello(30))
    await asyncio.sleep(0)
    pair.fake.say(b'{"id":1,"ok":true,"version":2}\n')
    with pytest.raises(HelperRefused) as refused:
        await answer
    assert refused.value.code == "version"
    pair.helper.close()
    pair.fake.connection.close()


async def test_who_waits_for_a_name_is_passed_on(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("# waits for web localhost # kubefwd-operator:7.other\n")
    pair = await Pair(hosts_file=hosts).greeted()
    try:
        entries = [
            HostsEntry(IP, "web", "shop", bare=True),
            HostsEntry(IP, "localhost", "shop", bare=True),
        ]
        outcome = await pair.helper.hosts(entries)
        assert [each.name for each in outcome.withheld] == ["localhost"]
        assert outcome.contested == (Contested("web", "7.other"),)
    finally:
        pair.helper.close()
        pair.fake.connection.close()


async def test_a_hosts_file_that_cannot_be_read_tells_nothing(tmp_path: Path) -> None:
    pair = Pair(hosts_file=tmp_path / "none")
    pair.fake.hosts = None
    await pair.greeted()
    try:
        outcome = await pair.helper.hosts([HostsEntry(IP, "web", "shop", bare=True)])
        assert (outcome.withheld, outcome.contested) == ((), ())
    finally:
        pair.helper.close()
        pair.fake.connection.close()


async def test_hosts_entries_travel_with_every_field(pair: Pair) -> None:
    sent = HostsEntry(IP, "db", "shop", "db-0", bare=True, short=False, hostnames=("a.test",))
    await pair.helper.hosts([sent])
    (entry,) = pair.fake.heard[-1]["entries"]
    assert entry == {
        "ip": IP,
        "service": "db",
        "namespace": "shop",
        "pod": "db-0",
        "bare": True,
        "short": False,
        "hostnames": ["a.test"],
    }


async def test_everything_pending_fails_when_the_helper_goes(pair: Pair) -> None:
    pair.fake.deaf = True
    pending = [asyncio.create_task(pair.helper.listen(IP, free_port())) for _ in range(3)]
    await heard(pair, 4)
    pair.fake.connection.shutdown(socket.SHUT_RDWR)
    outcomes = await asyncio.gather(*pending, return_exceptions=True)
    assert [type(one) for one in outcomes] == [HelperGone] * 3
    assert "closed the connection" in await pair.helper.gone()


@pytest.mark.parametrize(
    "garbage, how",
    [
        (b"not json\n", "not JSON"),
        (b"[1]\n", "not an object"),
        (b'{"id":1}\n', "without `id` or `ok`"),
        (b'{"id":"1","ok":true}\n', "without `id` or `ok`"),
        (b'{"id":null,"ok":false,"message":"no such verb"}\n', "no such verb"),
        (b"x" * (1 << 20), "more than"),
    ],
    ids=["no json", "no object", "no ok", "id is text", "request unread", "too long"],
)
async def test_a_helper_that_does_not_keep_to_the_format_is_left(
    pair: Pair, garbage: bytes, how: str
) -> None:
    await asyncio.to_thread(pair.fake.say, garbage)
    assert how in await pair.helper.gone()


async def test_an_answer_to_nothing_is_let_pass(pair: Pair) -> None:
    pair.fake.say(b'{"id":999,"ok":true}\n')
    assert (await pair.helper.hosts([])).changed


async def test_what_the_helper_says_is_logged(pair: Pair, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    pair.fake.say(b'{"event":"log","level":"warning","message":"hosts is a bind mount"}\n')
    pair.fake.say(b'{"event":"log","level":"info","message":"swept"}\n')
    await pair.helper.hosts([])
    assert ("test", logging.WARNING, "helper: hosts is a bind mount") in caplog.record_tuples
    assert ("test", logging.INFO, "helper: swept") in caplog.record_tuples


async def test_a_request_that_is_too_long_is_refused_before_it_is_sent(pair: Pair) -> None:
    entries = [HostsEntry(IP, "s" * 60, "n" * 60, "p" * 60)] * 6000
    with pytest.raises(HelperRefused) as refused:
        await pair.helper.hosts(entries)
    assert refused.value.code == "limit"
    assert pair.helper.alive


async def test_a_request_larger_than_the_socket_buffer_arrives_whole(pair: Pair) -> None:
    entries = [HostsEntry(IP, "s" * 60, "n" * 60)] * 4000
    assert (await pair.helper.hosts(entries)).changed
    assert len(pair.fake.heard[-1]["entries"]) == 4000


async def test_a_silent_helper_is_gone_after_so_many_heartbeats() -> None:
    pair = await Pair(beat=0.02).greeted()
    await pair.helper.hosts([])
    pair.fake.deaf = True
    assert "has not answered" in await pair.helper.gone()
    beats = [one for one in pair.fake.heard if one.get("verb") == "heartbeat"]
    assert len(beats) == SILENT_BEATS


async def test_heartbeats_that_are_answered_keep_it() -> None:
    pair = await Pair(beat=0.01).greeted()
    await heard(pair, 3 * SILENT_BEATS)
    assert pair.helper.alive
    pair.helper.close()
    await asyncio.sleep(0)
    assert "this operator" in await pair.helper.gone()


@pytest.fixture
def low_limit() -> Iterator[None]:
    """No descriptor can be opened any more, until the limit is back."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.dup(0)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_lost_descriptor_costs_its_own_request_only() -> None:
    pair = await Pair(lossy=True).greeted()
    port = free_port()
    with pytest.raises(HelperRefused, match="too many open files") as refused:
        await pair.helper.listen(IP, port)
    assert refused.value.code == "limit"
    assert pair.fake.listening == {}, "the helper was told to let its copy go"
    pair.fake.lossy = False
    (await pair.helper.listen(IP, port)).close()
    pair.helper.close()
    pair.fake.connection.close()


async def test_too_many_open_files_are_a_condition_and_no_end(
    pair: Pair, request: pytest.FixtureRequest
) -> None:
    """The fake has its listener before the limit falls; the descriptor has no room to arrive."""
    port = free_port()
    pair.fake.deaf = True
    asked = asyncio.create_task(pair.helper.listen(IP, port))
    await heard(pair, 2)
    listener = socket.create_server((IP, port))
    pair.fake.listening[IP, port] = listener
    pair.fake.deaf = False
    line = b'{"id":%d,"ok":true}\n' % pair.fake.heard[-1]["id"]
    request.getfixturevalue("low_limit")
    socket.send_fds(pair.fake.connection, [line], [listener.fileno()])
    with pytest.raises(HelperRefused, match="too many open files"):
        await asked
    assert pair.helper.alive


def test_the_same_works_on_uvloop() -> None:
    async def talk() -> None:
        pair = await Pair().greeted()
        ports = sorted({free_port() for _ in range(20)})
        listeners = await asyncio.gather(*(pair.helper.listen(IP, port) for port in ports))
        assert [one.getsockname()[1] for one in listeners] == ports
        entries = [HostsEntry(IP, "s" * 60, "n" * 60)] * 4000
        assert (await pair.helper.hosts(entries)).changed
        for one in listeners:
            one.close()
        pair.helper.close()
        pair.fake.connection.close()

    uvloop.run(talk())


# --- kubefwd ---------------------------------------------------------------------------------

ACCESS = KubefwdAccess("https://10.0.0.1", ca="CA", token="t0ken")


async def test_which_kubefwd_it_was_authorised_with_is_learnt_by_hello(pair: Pair) -> None:
    assert pair.helper.kubefwd == ""
    other = await Pair(kubefwd="ab" * 32).greeted()
    assert other.helper.kubefwd == "ab" * 32
    other.helper.close()
    other.fake.connection.close()


async def test_kubefwd_is_started_with_values_and_its_key_is_not_shown(pair: Pair) -> None:
    started = await pair.helper.kubefwd_start(ACCESS)
    assert (started.key, started.pid) == ("k" * 32, 4711)
    assert started.key not in repr(started)
    asked = {key: value for key, value in pair.fake.heard[-1].items() if key != "id"}
    assert asked == {
        "verb": "kubefwd-start",
        "server": "https://10.0.0.1",
        "tls_server_name": "",
        "ca": "CA",
        "certificate": "",
        "key": "",
        "token": "t0ken",
    }


async def test_what_root_refuses_has_its_code(pair: Pair) -> None:
    with pytest.raises(HelperRefused) as refused:
        await pair.helper.kubefwd_start(KubefwdAccess("http://10.0.0.1"))
    assert refused.value.code == "protocol"


async def test_kubefwd_is_given_tokens_and_ended(pair: Pair) -> None:
    await pair.helper.kubefwd_token("fresh")
    await pair.helper.kubefwd_stop()
    said = [(each["verb"], each.get("token")) for each in pair.fake.heard[-2:]]
    assert said == [("kubefwd-token", "fresh"), ("kubefwd-stop", None)]


async def test_what_it_says_goes_to_whom_it_concerns_else_to_the_log(
    pair: Pair, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    pair.fake.say(b'{"event": "log", "level": "warning", "message": "for the log"}\n')
    await pair.helper.kubefwd_token("ordered after it")
    messages = [record.message for record in caplog.records]
    assert messages == ["helper: for the log", "root: kubefwd-token done"]
    heard: list[Event] = []
    pair.helper.heard = heard.append
    pair.fake.say(b'{"event": "exited", "level": "warning", "message": "ended"}\n')
    await pair.helper.kubefwd_token("ordered after it")
    assert heard == [Event("exited", "warning", "ended")]
    assert [record.message for record in caplog.records if record.levelno > logging.INFO] == [
        "helper: for the log"
    ]
