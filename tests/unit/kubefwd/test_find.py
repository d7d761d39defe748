"""Which kubefwd may be used, on real files: small shell scripts stand in for the program."""

import asyncio
import hashlib
import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
import uvloop
from tests.lab.eventual import eventually_async

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.engines.kubefwd.find import (
    MARK,
    MAX_BYTES,
    PIECE,
    Content,
    _Unfit,
    find,
    judge,
    objection,
    scan,
)
from kubefwd_operator.engines.kubefwd.version import Answer, understand
from kubefwd_operator.root.helper.peer import identify

ME = os.geteuid()
ENVIRON = {"PATH": "/usr/bin:/bin", "HOME": "/home/dev", "AWS_SECRET": "s", "KUBECONFIG": "k"}
KNOWS = f"# {MARK.decode()}\n"
GENEROUS = 60.0
SHORT = 0.2

Change = Callable[[Path], object]


def script(
    path: Path, body: str = "echo 1.25.16", *, knows: bool = True, mode: int = 0o755
) -> Path:
    path.write_text(f"#!/bin/sh\n{KNOWS if knows else ''}{body}\n")
    path.chmod(mode)
    return path


@pytest.fixture
def program(tmp_path: Path) -> Path:
    return script(tmp_path / "kubefwd")


async def refused(
    path: object, environ: Mapping[str, str] = ENVIRON, seconds: float = GENEROUS
) -> str:
    """The sentence, which always ends with the way out that needs no kubefwd."""
    found = await find(str(path), environ, seconds)
    assert isinstance(found, NoKubefwd)
    assert found.why.endswith(" engine='native' needs none.")
    assert found.why.isprintable()
    return found.why.removesuffix(" engine='native' needs none.")


async def accepted(path: object, environ: Mapping[str, str] = ENVIRON) -> PinnedKubefwd:
    found = await find(str(path), environ, GENEROUS)
    assert isinstance(found, PinnedKubefwd), found
    return found


# --- what is found ---------------------------------------------------------------------------


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


async def test_a_usable_one_is_pinned_by_path_content_and_version(program: Path) -> None:
    assert await accepted(program) == PinnedKubefwd(str(program), sha256(program), "1.25.16")


async def test_without_a_path_it_is_looked_for_on_path(program: Path) -> None:
    environ = {"PATH": f"/nowhere:{program.parent}:/bin"}
    assert (await accepted("", environ)).path == str(program)


async def test_one_that_is_named_goes_before_the_one_on_path(program: Path, tmp_path: Path) -> None:
    other = script(tmp_path / "other", "echo 1.26.0")
    assert (await accepted(other, {"PATH": str(tmp_path)})).version == "1.26.0"


async def test_the_path_of_our_own_environment_is_not_looked_at(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(program.parent))
    assert "kubefwd is not on PATH" in await refused("", {})


async def test_links_are_followed_to_the_file_itself(program: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/kubefwd").symlink_to("../second")
    (tmp_path / "second").symlink_to(program)
    assert (await accepted(tmp_path / "bin/kubefwd")).path == str(program)
    assert (await accepted("", {"PATH": str(tmp_path / "bin")})).path == str(program)


async def test_what_is_accepted_is_what_root_takes_on_its_command_line(tmp_path: Path) -> None:
    (tmp_path / "köln fwd ¡").mkdir()
    found = await accepted(script(tmp_path / "köln fwd ¡/it's kubefwd"))
    line = ("--instance", "a", "--kubefwd", found.path, "--sha256", found.sha256)
    assert identify(line, {"SUDO_UID": str(ME)}).kubefwd == found.path


@pytest.mark.parametrize("before", [0, 1, len(MARK) - 1, len(MARK)])
async def test_the_mark_may_lie_across_two_pieces(tmp_path: Path, before: int) -> None:
    head = b"#!/bin/sh\necho 1.25.16\nexit\n"
    content = head + b"." * (PIECE - before - len(head)) + MARK + b"\n"
    assert content.index(MARK) == PIECE - before
    program = tmp_path / "kubefwd"
    program.write_bytes(content)
    program.chmod(0o755)
    assert (await accepted(program)).sha256 == hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("size", [1, 2, 7, 14, 15, 16, 40])
@pytest.mark.parametrize(
    "content, knows",
    [
        pytest.param(b"", False, id="nothing"),
        pytest.param(b"." * 17 + MARK + b".", True, id="in the middle"),
        pytest.param(b"." * 23 + MARK, True, id="at the end"),
        pytest.param(MARK[:-1] + b"." + MARK[1:], False, id="never whole"),
        pytest.param(MARK[:6] + MARK, True, id="after its own beginning"),
        pytest.param(MARK + b"." * 99, True, id="at the beginning"),
    ],
)
def test_pieces_of_any_size_say_the_same(content: bytes, knows: bool, size: int) -> None:
    pieces = [content[at : at + size] for at in range(0, len(content), size)]
    assert scan(pieces) == Content(hashlib.sha256(content).hexdigest(), knows)


# --- the file --------------------------------------------------------------------------------


async def test_none_at_all_says_what_to_install(tmp_path: Path) -> None:
    assert await refused("", {"PATH": str(tmp_path)}) == (
        "kubefwd is not on PATH: install version 1.25.15 or newer (brew install kubefwd, or "
        "https://github.com/txn2/kubefwd/releases), or give the path of one."
    )


async def test_what_is_on_path_but_may_not_be_run_does_not_count(program: Path) -> None:
    script(program, mode=0o644)
    assert "kubefwd is not on PATH" in await refused("", {"PATH": str(program.parent)})


async def test_a_relative_folder_on_path_is_no_place(
    program: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(program.parent)
    assert "'./kubefwd' is not an absolute path" in await refused("", {"PATH": "."})


GIVE = "give the path of a program that you can read and run."


def circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path)


def other_kind(make: Change) -> Change:
    def change(path: Path) -> None:
        path.unlink()
        make(path)

    return change


@pytest.mark.parametrize(
    "change, why",
    [
        pytest.param(Path.unlink, f" (No such file or directory): {GIVE}", id="not there"),
        pytest.param(circle, f" (Too many levels of symbolic links): {GIVE}", id="links in circle"),
        pytest.param(
            other_kind(Path.mkdir),
            ": it is a directory: give the path of the program in it.",
            id="a directory",
        ),
        pytest.param(
            other_kind(os.mkfifo),
            ": it is not a regular file: give the path of a program.",
            id="a FIFO that nobody writes to",
        ),
        pytest.param(
            lambda path: path.chmod(0o644), ": it is not executable: chmod +x.", id="no x bit"
        ),
        pytest.param(
            lambda path: path.chmod(0o757), ": everybody can change it: chmod o-w.", id="o+w"
        ),
        pytest.param(
            lambda path: os.truncate(path, MAX_BYTES + 1),
            ": it is larger than 256 MiB: install version 1.25.15 or newer (brew install kubefwd, "
            "or https://github.com/txn2/kubefwd/releases).",
            id="too large",
        ),
    ],
)
async def test_a_file_that_is_no_use_says_why_and_what_to_do(
    program: Path, change: Change, why: str
) -> None:
    change(program)
    before = psutil.Process().num_fds()
    assert await refused(program) == f"{program} cannot be used as kubefwd{why}"
    assert psutil.Process().num_fds() == before


async def test_a_file_below_a_file_is_not_there(program: Path) -> None:
    assert f"kubefwd (Not a directory): {GIVE}" in await refused(f"{program}/kubefwd")


@pytest.mark.skipif(ME == 0, reason="NOT TESTED: root may read everything")
async def test_a_file_that_we_may_not_read_says_so(program: Path) -> None:
    script(program, mode=0o311)
    assert f"cannot be used as kubefwd (Permission denied): {GIVE}" in await refused(program)


@pytest.mark.skipif(ME != 0, reason="NOT TESTED: only root can give a file away")
async def test_a_file_of_another_user_is_refused(program: Path) -> None:
    os.chown(program, 12345, 12345)
    assert await refused(program) == (
        f"{program} cannot be used as kubefwd: it belongs to another user: make a copy of your own."
    )


async def test_behind_a_link_both_names_are_said(program: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(program)
    script(program, mode=0o757)
    assert f"{tmp_path}/link ({program}) cannot be used" in await refused(tmp_path / "link")


@pytest.mark.parametrize(
    "path, shown",
    [
        pytest.param("/opt/kube\nfwd", r"'/opt/kube\nfwd'", id="a newline"),
        pytest.param("/opt/kube\0fwd", r"'/opt/kube\x00fwd'", id="a NUL"),
        pytest.param("/opt/\x1b[2J", r"'/opt/\x1b[2J'", id="a terminal's command"),
        pytest.param("/opt/\udcff", r"'/opt/\udcff'", id="not UTF-8"),
        pytest.param("/" + "k" * 1024, f"'/{'k' * 199}'", id="too long"),
    ],
)
async def test_a_name_that_root_would_not_take_is_refused(path: str, shown: str) -> None:
    assert await refused(path) == (
        f"{shown} cannot be used as kubefwd: its path is longer than 1024 characters, or has some "
        "that cannot be shown. Put it elsewhere."
    )


async def test_a_link_to_nothing_says_where_it_leads(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/nowhere/kubefwd")
    assert await refused(tmp_path / "link") == (
        f"{tmp_path}/link (/nowhere/kubefwd) cannot be used as kubefwd (No such file or "
        f"directory): {GIVE}"
    )


async def test_the_name_behind_a_link_counts_as_well(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(script(tmp_path / "kube\nfwd"))
    assert r"kube\nfwd' cannot be used as kubefwd" in await refused(tmp_path / "link")


async def test_a_relative_path_is_refused() -> None:
    assert await refused("bin/kubefwd") == (
        "kubefwd: 'bin/kubefwd' is not an absolute path: give one, or have one on PATH."
    )


@pytest.mark.parametrize(
    "mode, owner, size, why",
    [
        pytest.param(0o100755, 1000, 1, "", id="one's own"),
        pytest.param(0o100755, 0, 1, "", id="root's"),
        pytest.param(0o100775, 1000, 1, "", id="the group may write, as Homebrew has it"),
        pytest.param(0o100755, 1000, MAX_BYTES, "", id="just not too large"),
        pytest.param(0o104755, 1000, 1, "", id="set-uid to oneself"),
        pytest.param(0o104755, 0, 1, "it is set-uid root: chmod u-s", id="set-uid root"),
        pytest.param(0o100755, 1001, 1, "it belongs to another user", id="another user's"),
        pytest.param(0o100757, 0, 1, "everybody can change it", id="world-writable"),
        pytest.param(0o100644, 0, 1, "it is not executable", id="not executable"),
        pytest.param(0o020755, 0, 1, "it is not a regular file", id="a device"),
    ],
)
def test_who_may_have_a_hand_in_the_file(mode: int, owner: int, size: int, why: str) -> None:
    found = objection(os.stat_result((mode, 1, 1, 1, owner, 0, size, 0, 0, 0)), 1000)
    assert found.partition(":")[0] == why.partition(":")[0]


# --- the program -----------------------------------------------------------------------------

ASKED = "when asked for its version (kubefwd version quiet)"
INSTALL = (
    "install version 1.25.15 or newer (brew install kubefwd, or "
    "https://github.com/txn2/kubefwd/releases)."
)


@pytest.mark.parametrize(
    "body, trouble",
    [
        pytest.param("echo Welcome; echo 1.25.16", "says 'Welcome'", id="something else"),
        pytest.param("echo 'unknown flag: quiet'", "says 'unknown flag: quiet'", id="another's"),
        pytest.param("printf '\\033[1m\\001hi\\377'", "says '[1mhi�'", id="no text"),
        pytest.param("exit 0", "says nothing", id="nothing"),
        pytest.param("echo 1.25.16 >&2", "says nothing", id="the version as an error"),
        pytest.param("echo 1.25.16; exit 3", "ends with code 3, after '1.25.16'", id="fails"),
        pytest.param("exit 1", "ends with code 1", id="fails without a word"),
        pytest.param("kill -SEGV $$", "is ended by signal 11", id="crashes"),
        pytest.param(
            "head -c 10000000 /dev/zero | tr '\\0' 1", "prints far more than a version", id="10 MB"
        ),
        pytest.param("exec yes 1.25", "prints far more than a version", id="without end"),
    ],
)
async def test_a_program_that_says_no_version_is_not_taken_for_kubefwd(
    program: Path, body: str, trouble: str
) -> None:
    script(program, body)
    assert await refused(program) == (
        f"{program} {trouble} {ASKED}: is it kubefwd? Try that in a terminal, or {INSTALL}"
    )


def overwrite(path: Path, content: str) -> None:
    path.write_text(content)


@pytest.mark.parametrize(
    "content, reason",
    [
        pytest.param(f"#!/nowhere/sh\n{KNOWS}", "No such file or directory", id="no interpreter"),
        pytest.param(f"\x7fELF{KNOWS}", "Exec format error", id="of another machine"),
    ],
)
async def test_a_program_that_does_not_start_says_why(
    program: Path, content: str, reason: str
) -> None:
    overwrite(program, content)
    assert f"{program} cannot be started ({reason}) {ASKED}" in await refused(program)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("sleep 300 & echo $! >{0}; wait", id="says nothing"),
        pytest.param("sleep 300 & echo $! >{0}; echo 1.25.16; wait", id="says it and stays"),
        pytest.param("sleep 300 & echo $! >{0}; exec >&-; wait", id="closes its output and stays"),
        pytest.param("sleep 300 & echo $! >{0}; echo 1.25.16", id="leaves a child behind"),
        pytest.param("trap '' TERM INT HUP; sleep 300 & echo $! >{0}; wait", id="will not end"),
    ],
)
async def test_one_that_hangs_is_ended_with_its_children(
    program: Path, tmp_path: Path, body: str
) -> None:
    file = tmp_path / "pid"
    script(program, body.format(shlex.quote(str(file))))
    begun, before = time.monotonic(), psutil.Process().children()
    why = await refused(program, seconds=SHORT)
    assert f"{program} does not end within 0.2 s {ASKED}: is it kubefwd?" in why
    assert time.monotonic() - begun < GENEROUS
    assert psutil.Process().children() == before, "not even a zombie"
    if pid := read(file):  # a machine may be so slow that it was ended before
        await eventually_async(lambda: gone(pid))


def gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def read(file: Path) -> int:
    """The number that a script has written; 0 while it has not."""
    return int(file.read_text().strip() or 0) if file.exists() else 0


async def test_a_child_that_has_left_its_session_holds_up_nobody(
    program: Path, tmp_path: Path
) -> None:
    file = tmp_path / "pid"
    # It holds on to the script's output, and tells its number where errors go: to the file.
    stray = "import os, time; os.setsid(); os.write(2, b'%d' % os.getpid()); time.sleep(300)"
    run = shlex.join((sys.executable, "-IS", "-c", stray)) + f" 2>{shlex.quote(str(file))} &"
    script(program, f"{run}\nuntil [ -s {shlex.quote(str(file))} ]; do sleep 0.01; done")
    open_before = psutil.Process().num_fds()
    try:
        assert "does not end within 1 s" in await refused(program, seconds=1.0)
        await eventually_async(lambda: psutil.Process().num_fds() == open_before, period=0.01)
    finally:
        if pid := read(file):
            os.kill(pid, signal.SIGKILL)


async def test_who_gives_up_leaves_nothing_running(program: Path, tmp_path: Path) -> None:
    file = tmp_path / "pid"
    script(program, f"echo $$ >{shlex.quote(str(file))}; exec sleep 300")
    looking = asyncio.create_task(find(str(program), ENVIRON, GENEROUS))
    pid = await eventually_async(lambda: read(file), period=0.01)
    looking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await looking
    assert gone(pid)


@pytest.fixture
def waiting_terminal() -> Iterator[None]:
    """Let our standard input be one that has not come to its end; pytest's own is empty."""
    kept, (reader, writer) = os.dup(0), os.pipe()
    os.dup2(reader, 0)
    yield
    os.dup2(kept, 0)
    for fd in (kept, reader, writer):
        os.close(fd)


@pytest.mark.usefixtures("waiting_terminal")
async def test_it_is_asked_alone_with_little_to_know_and_nothing_to_read(
    program: Path, tmp_path: Path
) -> None:
    file = shlex.quote(str(tmp_path / "told"))
    script(program, f'(echo "$*"; cat; env | cut -d= -f1 | sort) >{file}; echo 1.25.16')
    await accepted(program)
    told = (tmp_path / "told").read_text().split("\n")
    assert told[0] == "version quiet"
    assert {*told[1:-1]} - {"PWD", "OLDPWD", "SHLVL", "_"} == {"HOME", "PATH"}


async def test_what_the_environment_lacks_it_is_run_without(program: Path) -> None:
    assert (await accepted(program, {})).version == "1.25.16"


async def test_a_version_may_come_bit_by_bit(program: Path) -> None:
    script(program, "printf v1.2; sleep 0.05; printf 5.1; sleep 0.05; echo 6")
    assert (await accepted(program)).version == "1.25.16"


def test_the_same_works_on_uvloop(program: Path, tmp_path: Path) -> None:
    async def all_of_it() -> None:
        await accepted(program)
        flood = script(tmp_path / "flood", "exec yes 1.25")
        assert "prints far more" in await refused(flood)
        hang = script(tmp_path / "hang", "sleep 300 & wait")
        assert "does not end" in await refused(hang, seconds=SHORT)

    uvloop.run(all_of_it())


@pytest.mark.parametrize(
    "said, version",
    [
        ("1.25.16\n", "1.25.16"),
        ("v1.25.16\r\n", "1.25.16"),
        ("  0.0.0 \n\n", "0.0.0"),
        ("1.26", "1.26"),
        ("1.26.0.1", "1.26.0.1"),
        ("1.26.0-rc.1+build_7", "1.26.0-rc.1+build_7"),
        ("1", ""),
        ("1.2.3.4.5.", "1.2.3.4.5."),
        ("kubefwd 1.25.16", ""),
        ("1.25.16\n1.25.15", ""),
        ("1.25.16 (dirty)", ""),
        ("١.٢", ""),
        ("1.2" + "0" * 197, "1.2" + "0" * 197),
        ("1.2" + "0" * 198, ""),
        ("1.2" + " " * 300 + "x", ""),
    ],
)
def test_what_is_a_version(said: str, version: str) -> None:
    answer = understand(said.encode(), 0, 5.0)
    assert answer.version == version
    assert bool(answer.trouble) != bool(version)


def test_what_it_says_instead_is_cut_to_a_line() -> None:
    answer = understand(b"\n" + b"x" * 300 + b"\nmore", 0, 5.0)
    assert answer.trouble == f"says '{'x' * 200}'"


# --- both ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer, why",
    [
        pytest.param(
            Answer("1.25.14"),
            "kubefwd 1.25.14 at /k is too old: version 1.25.15 or newer is needed (idle mode with "
            "an API key). Upgrade it (brew upgrade kubefwd, or "
            "https://github.com/txn2/kubefwd/releases).",
            id="an old release",
        ),
        pytest.param(Answer("0.0.0"), "kubefwd 0.0.0 at /k is too old: ", id="an old source"),
        pytest.param(Answer("1.9"), "kubefwd 1.9 at /k is too old: ", id="a short version"),
        pytest.param(
            Answer("1.25.15"),
            "/k calls itself 1.25.15, but does not know KUBEFWD_API_KEY: it may be a script that "
            "starts kubefwd. Give the path of the program itself.",
            id="a script around a new one",
        ),
        pytest.param(Answer("2.0-rc"), "/k calls itself 2.0-rc, but ", id="a short new version"),
        pytest.param(
            Answer(trouble="says 'hello'"),
            "/k is too old, or is not kubefwd: it does not know KUBEFWD_API_KEY, and it says "
            f"'hello' {ASKED}. To have kubefwd, {INSTALL}",
            id="something else",
        ),
    ],
)
def test_one_that_does_not_know_the_key_is_never_used(answer: Answer, why: str) -> None:
    with pytest.raises(_Unfit) as unfit:
        judge("/k", Content("0" * 64, knows_key=False), answer)
    assert str(unfit.value).startswith(why)


@pytest.mark.parametrize(
    "body, why",
    [
        ("echo 1.22.5", "kubefwd 1.22.5 at {} is too old: version 1.25.15 or newer is needed"),
        ("exec echo 1.25.16", "{} calls itself 1.25.16, but does not know KUBEFWD_API_KEY"),
        ("echo hello", "{} is too old, or is not kubefwd: it does not know KUBEFWD_API_KEY, and"),
    ],
)
async def test_a_program_without_the_mark_is_run_to_name_it_only(
    program: Path, body: str, why: str
) -> None:
    script(program, body, knows=False)
    assert (await refused(program)).startswith(why.format(program))
