"""Other programs that forward a cluster here: they want the same names, addresses or /etc/hosts.

Recognised by the names of their processes, as everybody may see them. Of kubefwd, one that our own
helper runs is no other; it is known by its operator's status, and by the address that its API has.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from kubefwd_operator.core.settings import EngineChoice
from kubefwd_operator.doctor.finding import Case, Finding, fail, ok, warn
from kubefwd_operator.doctor.run import run
from kubefwd_operator.engines.kubefwd import sockets

KUBEFWD_API = ("127.2.27.1", 80)
"""Where every kubefwd has its API, ours too."""

KNOWN = {
    "telepresence": "telepresence quit --stop-daemons",
    "kubevpn": "kubevpn quit",
    "kftray": "quit it",
    "kftui": "quit it",
    "sshuttle": "end it",
    "mirrord": "end it",
}
"""Programs that forward clusters, and how each is ended."""

_PROC = Path("/proc")
_NAME = 15  # characters of a process's name that Linux keeps


@dataclass(frozen=True, slots=True)
class Program:
    """A process that runs."""

    pid: int
    name: str


async def others(case: Case) -> list[Finding]:
    """Look at the processes and at kubefwd's own address."""
    seen = await sockets.look()
    api = seen is not None and KUBEFWD_API in seen.listening
    ours = case.engine == "kubefwd"
    engine = case.settings.engine
    return judge_forwarders(await _programs(case), api=api, ours=ours, engine=engine)


def judge_forwarders(
    programs: list[Program], *, api: bool, ours: bool, engine: EngineChoice
) -> list[Finding]:
    """Judge what runs. `api`: kubefwd's address is taken; `ours`: our operator runs one itself."""
    found = [
        warn(
            f"{program.name} runs (process {program.pid}), and forwards a cluster as well.",
            f"If names or addresses clash, end one of the two: {KNOWN[program.name]}.",
        )
        for program in programs
        if program.name in KNOWN
    ]
    kubefwds = [program.pid for program in programs if program.name == "kubefwd"]
    if (kubefwds or api) and not ours:
        found.append(_kubefwd(kubefwds, engine))
    return found or [ok("No other program forwards a cluster here, as far as can be seen.")]


def _kubefwd(pids: list[int], engine: EngineChoice) -> Finding:
    which = f"process {', '.join(map(str, pids))}" if pids else "its API is on 127.2.27.1:80"
    sentence = f"Another kubefwd runs ({which}), and there can be one on a machine"
    if engine is EngineChoice.KUBEFWD:
        return fail(f"{sentence}.", "End it (sudo pkill -x kubefwd), or take engine='native'.")
    return warn(
        f"{sentence}: the native engine is used beside it, and names may clash.",
        "End it if you do not need it: sudo pkill -x kubefwd",
    )


async def _programs(case: Case) -> list[Program]:
    if sys.platform == "linux":
        return _read_proc(_PROC)
    said = await run(["/bin/ps", "-axo", "pid=,comm="], case.environ)
    return parse_ps(said.text)


def _read_proc(proc: Path) -> list[Program]:
    wanted = {name[:_NAME]: name for name in (*KNOWN, "kubefwd")}
    found = []
    for folder in proc.iterdir():
        if folder.name.isdigit():
            try:
                name = (folder / "comm").read_text("utf-8", "replace").strip()
            except OSError:  # it has ended meanwhile
                continue
            if name in wanted:
                found.append(Program(int(folder.name), wanted[name]))
    return sorted(found, key=lambda program: program.pid)


def parse_ps(text: str) -> list[Program]:
    """Read `ps -axo pid=,comm=`, where a name may be a whole path."""
    rows = [line.split(None, 1) for line in text.splitlines()]
    return [
        Program(int(row[0]), Path(row[1].strip()).name)
        for row in rows
        if len(row) > 1 and row[0].isdigit()
    ]
