"""Proxies, loopback addresses and other forwarders."""

import errno
import os
from pathlib import Path

import pytest
from tests.unit.doctor.kit import FAIL, OK, WARN, case, told

from kubefwd_operator.core.settings import EngineChoice
from kubefwd_operator.doctor import forwarders, loopback, proxies
from kubefwd_operator.doctor.finding import Level
from kubefwd_operator.doctor.forwarders import Program, judge_forwarders

PROXY = {"HTTP_PROXY": "http://proxy:3128"}
WHOLE = ".shop,.svc,.svc.cluster.local"


@pytest.mark.parametrize(
    "environ, level, words",
    [
        pytest.param({}, OK, "no proxy", id="none"),
        pytest.param({"http_proxy": ""}, OK, "no proxy", id="an empty one"),
        pytest.param(PROXY, WARN,
                     "there is no no_proxy.\nBefore `tilt up` and in your shell: "
                     "export no_proxy=\"${no_proxy:+$no_proxy,}localhost,127.0.0.0/8,.shop,.svc,"
                     ".svc.cluster.local\"", id="no no_proxy"),
        pytest.param({**PROXY, "no_proxy": WHOLE}, OK, "HTTP_PROXY: no_proxy leave", id="matching"),
        pytest.param({**PROXY, "NO_PROXY": "*"}, OK, "NO_PROXY leave", id="everything"),
        pytest.param({**PROXY, "no_proxy": ".svc,cluster.local"}, WARN, "127.0.0.0/8,.shop\"",
                     id="one is missing"),
        pytest.param({**PROXY, "no_proxy": WHOLE, "NO_PROXY": "corp"}, WARN,
                     "no_proxy and NO_PROXY does not", id="one spelling is not enough"),
        pytest.param({"all_proxy": "socks5://p:1"}, WARN, "all_proxy would send", id="all_proxy"),
    ],
)  # fmt: skip
def test_proxies(environ: dict[str, str], level: Level, words: str) -> None:
    told(proxies.judge_proxies(environ, ["shop"]), level, words)


async def test_the_namespaces_are_those_that_are_wanted() -> None:
    found = await proxies.environment(case(environ=PROXY, namespaces=("billing", "shop")))
    told(found, WARN, ",.billing,.shop,")


@pytest.mark.parametrize(
    "platform, error, level, words",
    [
        pytest.param("linux", None, OK, "answers", id="well"),
        pytest.param("darwin", OSError(errno.EADDRNOTAVAIL, "x"), OK, "macOS", id="macOS"),
        pytest.param("linux", OSError(errno.EADDRNOTAVAIL, "x"), FAIL, "127.0.0.1/8 dev lo",
                     id="a narrower lo"),
        pytest.param("linux", TimeoutError(), FAIL, "does not answer in time", id="a firewall"),
        pytest.param("linux", OSError(errno.ENETUNREACH, "Network is unreachable"), FAIL,
                     "Network is unreachable", id="lo is down"),
    ],
)  # fmt: skip
def test_loopback(platform: str, error: OSError | None, level: Level, words: str) -> None:
    told(loopback.judge_loopback(platform, error), level, words)


async def test_this_machines_loopback() -> None:
    told(await loopback.addresses(case()), OK)


ANOTHER = Program(7, "kubefwd")


@pytest.mark.parametrize(
    "programs, api, ours, engine, level, words",
    [
        pytest.param([], False, False, "auto", OK, "No other", id="none"),
        pytest.param([ANOTHER], True, True, "auto", OK, "No other", id="our own kubefwd"),
        pytest.param([ANOTHER], True, False, "auto", WARN, "(process 7)", id="another"),
        pytest.param([], True, False, "auto", WARN, "127.2.27.1:80", id="its address alone"),
        pytest.param([ANOTHER], True, False, "kubefwd", FAIL, "engine='native'", id="we need it"),
        pytest.param([Program(8, "telepresence")], False, False, "auto", WARN,
                     "telepresence quit", id="telepresence"),
    ],
)  # fmt: skip
def test_forwarders(
    programs: list[Program], api: bool, ours: bool, engine: str, level: Level, words: str
) -> None:
    found = judge_forwarders(programs, api=api, ours=ours, engine=EngineChoice(engine))
    told(found, level, words)


def test_processes_are_read_off_the_system(tmp_path: Path) -> None:
    for pid, name in {"12": "telepresence", "7": "kubefwd", "9": "bash", "self": "kubefwd"}.items():
        (tmp_path / pid).mkdir()
        (tmp_path / pid / "comm").write_text(f"{name}\n")
    (tmp_path / "13").mkdir()  # it has ended meanwhile
    assert forwarders._read_proc(tmp_path) == [ANOTHER, Program(12, "telepresence")]
    text = "    7 /usr/local/bin/kubefwd\n   12 telepresence\n"
    assert forwarders.parse_ps(text) == [ANOTHER, Program(12, "telepresence")]


async def test_a_program_of_that_name_is_found(tmp_path: Path) -> None:
    """The name of this very process becomes one of those that are known."""
    comm = Path("/proc/self/task") / str(os.getpid()) / "comm"
    if not comm.exists():
        pytest.skip("NOT TESTED: there is no /proc here")
    before = comm.read_text()
    try:
        comm.write_text("telepresence")
        sentences = [one.sentence for one in await forwarders.others(case())]
    finally:
        comm.write_text(before)
    assert any(f"telepresence runs (process {os.getpid()})" in one for one in sentences)
