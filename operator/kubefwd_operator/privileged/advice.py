"""What is said to the developer about becoming root: each sentence names the remedy."""

from collections.abc import Sequence

from kubefwd_operator.core.problem import Problem
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.privileged.answers import Answer
from kubefwd_operator.privileged.attempts import Refusal
from kubefwd_operator.privileged.command import sudo, typed
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import Way


def remedy(here: Surroundings) -> str:
    """Say what to run, exactly: absolute and quoted, because nothing of ours is on PATH."""
    if not here.sudo:
        helper = here.helper(here.uid)
        return f"become root in any terminal of this machine and run:\n{typed(helper)}"
    helper = sudo(here.sudo, here.helper())
    return (
        f"run this in any terminal of this machine:\n{typed(here.authorize)}\n"
        f"or, which is what it runs:\n{typed(helper)}"
    )


def refused(here: Surroundings, refusals: Sequence[Refusal]) -> Problem:
    """Say that every way has come to nothing: `denied` when a person was asked, else `waiting`."""
    if here.fault:
        return Problem(Reason.HELPER_UNAVAILABLE, here.fault)
    asked = [refusal for refusal in refusals if refusal.answer is not Answer.BROKEN]
    return denied(here, asked[-1]) if asked else waiting(here, refusals)


def _note(here: Surroundings) -> str:
    """Say in front what keeps an installed helper from being used."""
    return f"{here.outdated} " if here.outdated else ""


def waiting(here: Surroundings, refusals: Sequence[Refusal]) -> Problem:
    """Say that nobody could be asked. An obstacle to a silent way is no news, what it said is."""
    told = [
        refusal.said if not refusal.launched else f"{refusal.way.name}: {refusal.said}"
        for refusal in refusals
        if refusal.launched or refusal.way.asks
    ]
    why = f"nobody could be asked ({'; '.join(told)})" if told else "nobody is to be asked"
    return Problem(
        Reason.WAITING_FOR_AUTHORIZATION,
        f"{_note(here)}Root is needed once, to open ports on 127.18.0.0/15 and to write names into "
        f"/etc/hosts, and {why}. Please {remedy(here)}",
    )


def prompting(here: Surroundings, way: Way, through: str) -> Problem:
    """Say that a person is being asked."""
    return Problem(
        Reason.WAITING_FOR_AUTHORIZATION,
        f"{_note(here)}{way.name} is asking for your password through {through}. "
        f"If no dialog shows, {remedy(here)}",
    )


def denied(here: Surroundings, refusal: Refusal) -> Problem:
    """Say that a person was asked, and that it came to nothing."""
    return Problem(
        Reason.AUTHORIZATION_DENIED,
        f"{_note(here)}{refusal.way.name} did not give root ({refusal.said}). Nothing is asked "
        f"again by itself: click Authorize or Refresh to be asked once more, or {remedy(here)}",
    )


def order(ways: Sequence[Way]) -> str:
    """Say what will be tried, in order."""
    names = [way.name for way in ways] + ["a line to paste into a terminal"]
    return f"Ways to root, in the order in which they are tried: {', '.join(names)}."


def welcomed(name: str, way: Way | None) -> str:
    """Say how root came, and why if nobody was asked."""
    if way is not None and way.asks:
        return f"Root was given through {name}."
    if way is not None:
        return f"Root came without a question ({name}): {way.why}."
    if name == "terminal":
        return "Root was given from a terminal."
    return "Root came without a question: the helper from before was still waiting for us."


def lost(here: Surroundings | None, how: str) -> Problem:
    """Say that there was a helper, and that it is gone."""
    again = f", or {remedy(here)}" if here else ""
    return Problem(
        Reason.AUTHORIZATION_LOST,
        f"{how} Nothing is forwarded until root is given again: click Refresh to be asked{again}",
    )


def superseded(instance: str) -> Problem:
    """Say that another operator has taken the place."""
    return Problem(
        Reason.SUPERSEDED,
        f"Another operator of the same Tilt ({instance}) has started and forwards now; this one "
        "has stopped. End this one: Tilt should run only one.",
    )


def unusable(why: str) -> Problem:
    """Say that the run directory cannot be used."""
    return Problem(Reason.HELPER_UNAVAILABLE, f"The privileged helper cannot be reached: {why}")


def broken() -> Problem:
    """Own up to a defect; the log has its traceback."""
    return Problem(
        Reason.INTERNAL_ERROR,
        "Becoming root has failed for a reason inside kubefwd-operator and is tried again; "
        "please report the traceback in the log of kubefwd:run.",
    )
