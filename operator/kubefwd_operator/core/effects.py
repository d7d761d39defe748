"""Effects: what a click changes in Memory, and the sentence that answers it.

The page may be stale, and Tilt enforces neither choices nor confirmations, so everything is judged
again here: a click that makes no sense (any more) changes nothing, and its sentence says why.

Stop takes a namespace out whoever brought it in, until Forward brings it back; the argument
`exclude` wins over both. To pause is to keep all of that and forward nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from kubefwd_operator.core.buttons import ACTION, CHOICE, NAMESPACE, NO_CHOICE, PAUSE
from kubefwd_operator.core.clicks import Click, Intent
from kubefwd_operator.core.memory import MAX_REMEMBERED, Answer, Memory
from kubefwd_operator.core.names import is_label
from kubefwd_operator.core.settings import NO_NAMESPACE
from kubefwd_operator.core.text import plain

MAX_TYPED = 80
"""Characters of what somebody typed that a sentence repeats."""


@dataclass(frozen=True, slots=True)
class Brought:
    """What namespaces come in without a button's help, and which the developer has ruled out."""

    names: frozenset[str] = frozenset()
    exclude: frozenset[str] = frozenset()

    def forwarded(self, memory: Memory) -> frozenset[str]:
        """Name what is forwarded with this Memory, or would be if it were not paused."""
        return (self.names | set(memory.added)) - set(memory.stopped) - self.exclude


@dataclass(frozen=True, slots=True)
class Effects:
    """Memory after the clicks, what to say to each, and how often to repair the hosts file."""

    memory: Memory
    answers: tuple[Answer, ...] = ()
    repairs: int = 0


def act(clicks: Iterable[Click], memory: Memory, brought: Brought) -> Effects:
    """Act on clicks, one after the other. Several that start anew do so once."""
    answers: list[Answer] = []
    repairs, generation = 0, memory.generation
    for click in clicks:
        memory, answer = _effect(click, memory, brought)
        answers.append(answer)
        repairs += click.intent is Intent.REPAIR
    if answers:
        generation += memory.generation > generation
        memory = replace(memory, generation=generation, answer=answers[-1])
    return Effects(memory, tuple(answers), repairs)


_Inputs = Mapping[str, str]
_Effect = tuple[Memory, Answer]


def _effect(click: Click, memory: Memory, brought: Brought) -> _Effect:
    match click.intent:
        case Intent.FORWARD:
            return _forward(click.inputs, memory, brought)
        case Intent.STOP:
            return _stop(click.inputs, memory, brought)
        case Intent.PAUSE:
            return _pause(click.inputs, memory)
        case Intent.REPAIR:
            return memory, _yes(click.intent, "the names are to be written into /etc/hosts anew.")
        case Intent.REFRESH | Intent.AUTHORIZE:
            anew = replace(memory, generation=memory.generation + 1)
            later = memory.paused and click.intent is Intent.REFRESH
            return anew, _yes(click.intent, _ANEW[click.intent] + _LATER * later + ".")


_ANEW = {
    Intent.REFRESH: "the forwarding starts anew",
    Intent.AUTHORIZE: "root is asked for once more",
}
_LATER = ", once Resume is clicked"


def _forward(inputs: _Inputs, memory: Memory, brought: Brought) -> _Effect:
    name = _asked_for(inputs, brought.forwarded(memory))
    if refusal := _no_forward(name, memory, brought):
        return memory, _no(Intent.FORWARD, refusal)
    if name not in brought.names:
        memory = replace(memory, added=_with(name, memory.added))
    memory = replace(memory, stopped=_without(name, memory.stopped))
    later = _LATER if memory.paused else " from now on"
    return memory, _yes(Intent.FORWARD, f"'{name}' is forwarded{later}.")


def _no_forward(name: str, memory: Memory, brought: Brought) -> str:
    """Say why this namespace is not to be forwarded; nothing when it is."""
    if not name:
        return "no namespace was given: type its name, or choose one."
    if not is_label(name):
        return NO_NAMESPACE.format(_typed(name)) + "."
    if name in brought.exclude:
        return f"'{name}' is in the argument `exclude`, which wins: take it out there."
    if name in brought.forwarded(memory):
        return f"'{name}' is forwarded already." + " It is paused: click Resume." * memory.paused
    return ""


def _asked_for(inputs: _Inputs, forwarded: frozenset[str]) -> str:
    """Take what was typed, else what was chosen.

    The page remembers what was typed the last time (Tilt 0.37) and sends it along with a choice:
    a name that is forwarded already gives way to the choice.
    """
    typed, chosen = inputs.get(NAMESPACE, "").strip(), inputs.get(CHOICE, "").strip()
    chosen = "" if chosen == NO_CHOICE else chosen
    stale = typed in forwarded and chosen not in forwarded
    return (chosen or typed) if stale else (typed or chosen)


def _stop(inputs: _Inputs, memory: Memory, brought: Brought) -> _Effect:
    name = inputs.get(CHOICE, "").strip()
    if not name:
        return memory, _no(Intent.STOP, "no namespace was chosen: choose one.")
    if name not in brought.forwarded(memory):
        return memory, _no(Intent.STOP, f"'{_typed(name)}' is not forwarded, so nothing stops.")
    memory = replace(
        memory, added=_without(name, memory.added), stopped=_with(name, memory.stopped)
    )
    sentence = f"'{name}' is forwarded no more, until '{Intent.FORWARD}' brings it back."
    return memory, _yes(Intent.STOP, sentence)


def _pause(inputs: _Inputs, memory: Memory) -> _Effect:
    action = inputs.get(ACTION, "")
    wanted = action == PAUSE if action else not memory.paused
    button = "Pause" if wanted else "Resume"
    if wanted == memory.paused:
        state = "paused" if memory.paused else "not paused"
        return memory, Answer(button, f"it is {state} already.", refused=True)
    sentence = "every name is released, and connections end." if wanted else "the pause is over."
    return replace(memory, paused=wanted), Answer(button, sentence)


def _yes(intent: Intent, sentence: str) -> Answer:
    return Answer(intent.value, sentence)


def _no(intent: Intent, sentence: str) -> Answer:
    return Answer(intent.value, sentence, refused=True)


def _with(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return (*_without(name, names), name)[-MAX_REMEMBERED:]


def _without(name: str, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(each for each in names if each != name)


def _typed(text: str) -> str:
    """Make one short line of what somebody typed."""
    line = " ".join(plain(text).split())
    return line if len(line) <= MAX_TYPED else line[: MAX_TYPED - 1] + "…"
