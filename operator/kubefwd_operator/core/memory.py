"""Memory: what must survive a restart of the operator, but die with Tilt.

It is kept in Tilt's ConfigMap `kubefwd:memory`, as one JSON document under one key. Nothing in it
is vital: without it namespaces are put in order by their last deployment, and a click made while
the operator was down goes unnoticed. So garbage is not an error but an empty Memory and a sentence
for the log, and the next write replaces it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

KEY = "memory.json"
"""The key in the ConfigMap's data."""

VERSION = 1

MAX_REMEMBERED = 1000
"""How many namespaces, resources and buttons are remembered at most, each."""


@dataclass(frozen=True, slots=True)
class Memory:
    """What is remembered.

    `order`: namespaces in order of first deployment, also those that have left, so that one that
    comes back has its place again. `results`: by KubernetesApply, the namespaces of its last good
    deployment, which a failing one must not take away. `added`: namespaces added with the button.
    `clicks`: by button, the last click acted on. `generation` counts Refreshes.
    """

    order: tuple[str, ...] = ()
    results: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    added: tuple[str, ...] = ()
    clicks: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    generation: int = 0


def prune(order: tuple[str, ...], present: frozenset[str]) -> tuple[str, ...]:
    """Forget the oldest absent names when there are more than MAX_REMEMBERED; keep present ones."""
    surplus = max(0, len(order) - MAX_REMEMBERED)
    absent = [name for name in order if name not in present][:surplus]
    forgotten = frozenset(absent)
    return tuple(name for name in order if name not in forgotten)


def encode(memory: Memory) -> dict[str, str]:
    """The ConfigMap's data: equal memories give equal text."""
    document = {
        "version": VERSION,
        "generation": memory.generation,
        "order": memory.order,
        "results": dict(sorted(memory.results.items())),
        "added": memory.added,
        "clicks": dict(sorted(memory.clicks.items())),
    }
    return {KEY: json.dumps(document, separators=(",", ":"))}


def decode(data: Mapping[str, str] | None) -> tuple[Memory, str]:
    """Read the ConfigMap's data (None: there is none); the second value is a sentence or empty.

    A document that is damaged or of another version gives an empty Memory and the sentence.
    """
    if data is None or KEY not in data:
        return Memory(), ""
    try:
        return _memory(json.loads(data[KEY])), ""
    except (ValueError, RecursionError) as error:
        return Memory(), (
            f"The ConfigMap kubefwd:memory is unreadable ({error}) and is started anew: the order "
            "of namespaces, and with it who has a bare name, may have changed. Nothing has to be "
            "done; list namespaces in the argument `namespaces` to fix their order."
        )


def _memory(document: Any) -> Memory:
    if not isinstance(document, dict) or document.get("version") != VERSION:
        raise ValueError(f"it is not a document of version {VERSION}")
    generation = document.get("generation")
    if type(generation) is not int or generation < 0:
        raise ValueError("its generation is not a number")
    return Memory(
        order=_texts(document, "order"),
        results={name: _texts(document["results"], name) for name in _keys(document, "results")},
        added=_texts(document, "added"),
        clicks={name: _text(document["clicks"], name) for name in _keys(document, "clicks")},
        generation=generation,
    )


def _keys(document: dict[str, Any], key: str) -> list[str]:
    value = document.get(key)
    if not isinstance(value, dict):
        raise ValueError(f"its {key} are not a mapping")
    return list(value)


def _texts(document: dict[str, Any], key: str) -> tuple[str, ...]:
    value = document.get(key)
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise ValueError(f"its {key} is not a list of names")
    return tuple(dict.fromkeys(value))


def _text(document: dict[str, Any], key: str) -> str:
    if not isinstance(value := document[key], str):
        raise ValueError(f"its {key} is not a time")
    return value
