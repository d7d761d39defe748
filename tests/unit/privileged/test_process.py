"""Programs started on the way to root: heard, reaped, dismissed, let go."""

import asyncio
import os
import signal
import sys

import psutil
import pytest
from tests.lab.eventual import eventually_async

from kubefwd_operator.privileged.process import Child


def shell(script: str, heard: list[str], **environ: str) -> Child:
    return Child(("/bin/sh", "-c", script), environ, heard.append)


def runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


async def test_lines_are_heard_as_they_come_and_the_code_is_told() -> None:
    heard: list[str] = []
    child = shell("echo one; echo two >&2; printf three; exit 3", heard)
    assert await child.ended() == 3
    assert heard == ["one", "two", "three"]
    assert list(child.said) == heard
    assert child.reap(), "asking again changes nothing"


async def test_a_signal_is_a_negative_code() -> None:
    assert await shell("kill -9 $$", []).ended() == -signal.SIGKILL


async def test_it_has_its_own_session_its_own_environment_and_nothing_to_read() -> None:
    heard: list[str] = []
    own, nothing = "os.getsid(0) == os.getpid()", "sys.stdin.read() == ''"
    script = f"import os, sys; print({own}, {nothing}, sorted(os.environ))"
    child = Child((sys.executable, "-c", script), {"LC_ALL": "C"}, heard.append)
    assert await child.ended() == 0
    assert heard[0].startswith("True True ['LC_ALL'")


async def test_nothing_of_ours_is_inherited_but_its_output() -> None:
    heard: list[str] = []
    with open("/etc/passwd") as file:  # noqa: ASYNC230, PTH123 - held open to be not inherited
        child = shell("ls -l /proc/self/fd; true", heard)
        await child.ended()
        assert file.name not in "".join(heard)


async def test_a_flood_of_output_neither_blocks_it_nor_us() -> None:
    heard: list[str] = []
    child = shell("i=0; while [ $i -lt 3000 ]; do echo $i; i=$((i+1)); done", heard)
    assert await child.ended() == 0
    assert heard[-1] == "2999"
    assert len(heard) == 3000
    assert len(child.said) == 20


async def test_a_line_without_end_is_cut() -> None:
    heard: list[str] = []
    child = shell("head -c 100000 /dev/zero | tr '\\0' x; echo; echo end", heard)
    while not heard:
        assert len(child._rest) <= 500
        await asyncio.sleep(0)
    await child.ended()
    assert len(heard[0]) == 500
    assert heard[-1] == "end"


async def test_what_is_dismissed_ends_with_its_children() -> None:
    heard: list[str] = []
    child = shell("sleep 300 & echo $!; wait", heard)
    await eventually_async(lambda: heard)
    child.dismiss()
    assert await child.ended() == -signal.SIGTERM
    sleeper = int(heard[0])
    await eventually_async(lambda: not runs(sleeper))
    child.dismiss()


async def test_what_is_let_go_lives_on() -> None:
    child = shell("exec sleep 300", [])
    child.let_go()
    assert not child.reap()
    assert psutil.Process(child.pid).is_running()
    os.kill(child.pid, signal.SIGKILL)
    assert await child.ended() == -signal.SIGKILL


async def test_a_program_that_is_not_there_is_an_error_and_leaves_nothing_open() -> None:
    before = psutil.Process().num_fds()
    with pytest.raises(FileNotFoundError):
        Child(("/nowhere/sudo",), {}, print)
    assert psutil.Process().num_fds() == before
