"""Root: the system's Python, sudo and its flavour, the installed helper, the way to be used.

sudo is only asked to list (`-l`), never to ask for a password (`-n`), and never on a cached one
(`-k`): a timestamp belongs to the terminal that it was given in, which the operator has not.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kubefwd_operator.core.kubefwd import NoKubefwd, PinnedKubefwd
from kubefwd_operator.core.settings import EngineChoice
from kubefwd_operator.doctor.finding import Case, Finding, fail, ok, warn
from kubefwd_operator.doctor.run import Said, run
from kubefwd_operator.engines.kubefwd.find import find
from kubefwd_operator.installer import PLACE
from kubefwd_operator.privileged import advice, surroundings
from kubefwd_operator.privileged import flavour as flavours
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import ALL, Launch, Obstacle, Way, chosen

_LIST = ("-n", "-k", "-l")
_ENTRY = re.compile(r"\s+\((?P<runas>[^)]*)\)\s+(?P<rest>.+)")
_TAG = re.compile(r"([A-Z_]+):\s*")
_INSTALL_SUDO = "Install sudo, or see the line in the check `way to root`."


@dataclass(frozen=True, slots=True)
class Facts:
    """This machine as the ways see it; `silent`: sudo takes the helper's line without a question.

    `given` is how the running operator has got root, empty when it has not. `ways` are those that
    will be tried, in order.
    """

    here: Surroundings
    silent: bool = False
    given: str = ""
    ways: Sequence[Way] = ALL


async def look(case: Case) -> Surroundings:
    """Look around as the operator would, the kubefwd that it would use included."""
    settings = case.settings
    wanted = settings.engine is not EngineChoice.NATIVE and case.engine != "native"
    found = await find(settings.kubefwd, case.environ) if wanted else None
    pin = None if isinstance(found, NoKubefwd) else found
    return await surroundings.look(settings.instance, case.environ, pin, settings.allow_hostnames)


# --- the system's Python, and sudo -----------------------------------------------------------


async def interpreter(case: Case) -> list[Finding]:
    """Look for the Python that root runs."""
    return judge_interpreter(await surroundings.look(case.settings.instance, case.environ))


def judge_interpreter(here: Surroundings) -> list[Finding]:
    """Judge it; what is wrong and what to do are one text."""
    if not here.fault:
        return [ok(f"Root runs {here.interpreter}.")]
    sentence, _, fix = here.fault.rpartition(". ")
    return [fail(f"{sentence}.", fix)]


async def sudo(case: Case) -> list[Finding]:
    """Ask sudo who it is."""
    here = await surroundings.look(case.settings.instance, case.environ)
    said = await run([here.sudo, "--version"], case.environ) if here.sudo else Said()
    return judge_sudo(here, said)


def judge_sudo(here: Surroundings, said: Said) -> list[Finding]:
    """Tell the flavour from the first line of `sudo --version`."""
    if not here.sudo:
        sentence = "There is no sudo that only root can change."
        return [ok(f"{sentence} We are root.") if here.uid == 0 else warn(sentence, _INSTALL_SUDO)]
    line = said.text.partition("\n")[0][:80]
    if said.code != 0 or not line:
        fix = f"Try {here.sudo} --version in a terminal."
        return [warn(f"{here.sudo} does not say its version: {said.trouble}.", fix)]
    flavour = "sudo-rs" if flavours.read([line]).rs else "Todd Miller's sudo"
    return [ok(f"{line} at {here.sudo} ({flavour}).")]


# --- which way -------------------------------------------------------------------------------


async def way(case: Case) -> list[Finding]:
    """Look at which way to root will be used; nobody is asked for anything."""
    here = await look(case)
    silent = False
    if here.sudo and here.uid != 0:
        said = await run([here.sudo, *_LIST], case.environ)
        silent = said.code == 0 and without_password(said.text, here.helper())
    given = _given(case.status or {})
    return judge_ways(Facts(here, silent, given, chosen(case.settings.root)))


def _given(status: Mapping[str, object]) -> str:
    authorization = status.get("authorization")
    given = authorization if isinstance(authorization, Mapping) else {}
    return str(given.get("way") or "root") if given.get("state") == "Authorized" else ""


def without_password(listing: str, argv: tuple[str, ...]) -> bool:
    """Say whether what `sudo -l` lists lets root run exactly that without a question.

    As in sudoers, the last entry that fits decides. Blanks and escapes are compared away; a
    wildcard other than ALL is not believed.
    """
    answer, wanted = False, " ".join(argv).split()
    for line in listing.splitlines():
        entry = _ENTRY.fullmatch(line)
        if not entry or not {"root", "ALL"} & set(re.findall(r"\w+", entry["runas"].split(":")[0])):
            continue
        free = False
        for command in re.split(r"(?<!\\),\s*", entry["rest"]):
            tags = _TAG.match(command)
            while tags:
                free = {"NOPASSWD": True, "PASSWD": False}.get(tags[1], free)
                command = command[tags.end() :]
                tags = _TAG.match(command)
            if command.strip() == "ALL" or command.replace("\\", "").split() == wanted:
                answer = free
    return answer


def judge_ways(facts: Facts) -> list[Finding]:
    """Say which way will be used, in their own order. Pure."""
    here = facts.here
    if here.fault:
        return [fail("No way to root can work: see `system Python`.", "Mend that first.")]
    if facts.given:
        return [ok(f"The running operator has root ({facts.given}).")]
    obstacles = []
    for one in facts.ways:
        plan = one.plan(here)
        if isinstance(plan, Launch) and _works(one, plan, facts):
            return [ok(_welcome(one, here))]
        obstacles.append(_obstacle(one, plan))
    why = "; ".join(obstacles) or "the argument root is 'terminal'"
    fix = _sentence(advice.remedy(here))
    if here.sudo:
        start = (
            "Set SUDO_ASKPASS to a program such as ssh-askpass before `tilt up`, or at its start"
        )
        return [warn(f"Nobody can be asked for root by itself: {why}.", f"{start} {_lower(fix)}")]
    return [fail(f"There is no way to root: {why}.", fix)]


def _works(one: Way, plan: Launch, facts: Facts) -> bool:
    """Say whether it is sure: a person answers a question, and only sudo refuses silently."""
    return one.asks or facts.silent or plan.argv[0] != facts.here.sudo


def _welcome(one: Way, here: Surroundings) -> str:
    if one.asks:
        return f"You will be asked for your password ({one.name}), once per `tilt up`."
    if here.uid == 0:
        return f"Nobody is asked ({one.name}): this is run as root."
    return f"Nobody is asked ({one.name}): a line in sudoers allows it."


def _obstacle(one: Way, plan: Launch | Obstacle) -> str:
    if isinstance(plan, Obstacle):
        return plan.why
    return f"{one.name} would need a password"


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


# --- the installed helper --------------------------------------------------------------------


async def helper(case: Case) -> list[Finding]:
    """Look at what install-helper has installed, if it was run."""
    here = await look(case)
    return judge_helper(here, is_there=_is_there(Path(PLACE)))


def _is_there(place: Path) -> bool:
    return place.exists() or place.is_symlink()


def judge_helper(here: Surroundings, *, is_there: bool) -> list[Finding]:
    """Judge the copy that is there; it is used only where it is this operator's own."""
    if not is_there:
        return [ok("None is installed: root runs the operator's own copy.")]
    if here.outdated:
        sentence, fix = _split(here.outdated)
        return [warn(sentence, fix)]
    pin: PinnedKubefwd | None = here.kubefwd
    what = " and its kubefwd" if pin and Path(PLACE) in Path(pin.path).parents else ""
    return [ok(f"The helper{what} in {PLACE} is root's own, of this version, and used.")]


def _split(text: str) -> tuple[str, str]:
    """Cut a sentence from what to do, where that begins with the word run."""
    sentence, word, rest = re.split(r"([Rr]un )", text, maxsplit=1)
    return f"{sentence.rstrip(' :')}".rstrip(".") + ".", _sentence(word + rest)
