"""Memory: what must survive a restart of the operator, but die with Tilt.

It is kept in Tilt's ConfigMap `kubefwd:memory`, as one JSON document under one key. Nothing in it
is vital: without it namespaces are put in order by their last deployment, and a click made while
the operator was down goes unnoticed. So garbage is not an error but an empty Memory and a sentence
for the log, and the next write replaces it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

CONFIG_MAP, KEY = "kubefwd:memory", "memory.json"
"""The ConfigMap's name in Tilt, and the only key of its data."""

VERSION = 1

MAX_REMEMBERED = 1000
"""How many namespaces, resources and buttons are remembered at most, each."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What was said to a click: the button's text, and a sentence. `refused`: nothing was done."""

    button: str
    sentence: str
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.button}: {self.sentence}"


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered.

    `order`: namespaces in order of first deployment, also those that have left, so that one that
    comes back has its place again. `results`: by KubernetesApply, the namespaces of its last good
    deployment, which a failing one must not take away. `added`, `stopped`: namespaces brought in,
    and taken out whoever brings them in, with buttons. `paused`: nothing is to be forwarded.
    `clicks`: by button, the last click acted on; `answer`: what was said to the last of all.
    `generation` counts Refreshes.
    """

    order: tuple[str, ...] = ()
    results: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    added: tuple[str, ...] = ()
    clicks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    generation: int = 0
    stopped: tuple[str, ...] = ()
    paused: bool = False
    answer: Answer | None = None


def prune(order: tuple[str, ...], present: frozenset[str]) -> tuple[str, ...]:
    """Forget the oldest absent names when there are more than MAX_REMEMBERED; keep present ones."""
    surplus = max(0, len(order) - MAX_REMEMBERED)
    absent = [name for name in order if name not in present][:surplus]
    forgotten = frozenset(absent)
    return tuple(name for name in order if name not in forgotten)


def encode(memory: Memory) -> dict[str, str]:
    """Write the ConfigMap's data; equal memories give equal text."""
    document = {
        "version": VERSION,
        "generation": memory.generation,
        "order": memory.order,
        "results": dict(sorted(memory.results.items())),
        "added": memory.added,
        "stopped": memory.stopped,
        "paused": memory.paused,
        "clicks": dict(sorted(memory.clicks.items())),
        "answer": asdict(memory.answer) if memory.answer else None,
    }
    return {KEY: json.dumps(document, separators=(",", ":"))}


def decode(data: Mapping[str, str] | None) -> tuple[Memory, str]:
    """Read the ConfigMap's data (None: there is none); the second value is a sentence or empty.

    A document that is damaged or of another version gives an empty Memory and the sentence. One of
    an operator that did not know a button yet lacks what it would remember of it.
    """
    if data is None or KEY not in data:
        return Memory(), ""
    try:
        return _memory(json.loads(data[KEY])), ""
    except (ValueError, RecursionError) as error:
        return Memory(), (
            f"The ConfigMap {CONFIG_MAP} is unreadable ({error}) and is started anew: the order "
            "of namespaces, and with it who has a bare name, may have changed. Nothing has to be "
            "done; list namespaces in the argument `namespaces` to fix their order."
        )


def _memory(document: Any) -> Memory:
    _require(isinstance(document, dict) and document.get("version") == VERSION, "its version")
    generation, results, clicks = (document.get(key) for key in ("generation", "results", "clicks"))
    _require(type(generation) is int and generation >= 0, "its generation")
    _require(isinstance(results, dict), "its results")
    _require(isinstance(clicks, dict) and _are_texts(clicks.values()), "its clicks")
    paused = document.get("paused", False)
    _require(type(paused) is bool, "its paused")
    return Memory(
        order=_names(document.get("order"), "its order"),
        results={name: _names(value, "its results") for name, value in results.items()},
        added=_names(document.get("added"), "its added"),
        clicks=clicks,
        generation=generation,
        stopped=_names(document.get("stopped", []), "its stopped"),
        paused=paused,
        answer=_answer(document.get("answer")),
    )


def _answer(value: Any) -> Answer | None:
    if value is None:
        return None
    _require(isinstance(value, dict), "its answer")
    button, sentence, refused = (value.get(key) for key in ("button", "sentence", "refused"))
    _require(_are_texts((button, sentence)) and type(refused) is bool, "its answer")
    return Answer(button, sentence, refused)


def _names(value: Any, what: str) -> tuple[str, ...]:
    _require(isinstance(value, list) and _are_texts(value), what)
    return tuple(dict.fromkeys(value))


def _are_texts(values: Iterable[Any]) -> bool:
    return all(isinstance(value, str) for value in values)


def _require(holds: bool, what: str) -> None:
    if not holds:
        raise ValueError(f"{what} makes no sense")
