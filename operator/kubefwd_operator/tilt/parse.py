"""Tilt's raw objects -> the facts that `core/desired.py` decides on.

Expensive is only the YAML in a KubernetesApply's result: it is parsed with the C loader, and kept
by uid and resourceVersion, since Tilt rewrites the object far more often than it deploys. Call
`facts` off the event loop. Tilt is another program and may grow: a field that is missing or of an
unexpected type is read as absent, never an error.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from kubefwd_operator.core.facts import Applied, Button, Discovery, TiltFacts, Watch
from kubefwd_operator.core.model import ClusterRef
from kubefwd_operator.tilt.client import Raw, TiltObjects

_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

CLUSTER = "default"
"""The Cluster object of Kubernetes; the one of Docker is called `docker`."""

_Result = tuple[tuple[str, ...], bool]
"""Namespaces in order, and whether something there has none."""


class Parser:
    """Reads objects; holds what it has parsed of those that are still there."""

    def __init__(self) -> None:
        self._results: dict[tuple[str, str], _Result] = {}

    def facts(self, objects: TiltObjects) -> TiltFacts:
        """Read one look at Tilt."""
        cluster = next((raw for raw in objects.clusters if _name(raw) == CLUSTER), None)
        status = {} if cluster is None else _mapping(cluster, "status")
        return TiltFacts(
            cluster_exists=cluster is not None,
            cluster=cluster_of(status),
            cluster_error=_text(status, "error"),
            applies=self._applies(objects.applies),
            discoveries=tuple(_discovery(raw) for raw in objects.discoveries),
            buttons=tuple(_button(raw) for raw in objects.buttons),
        )

    def _applies(self, raws: Iterable[Raw]) -> tuple[Applied, ...]:
        kept: dict[tuple[str, str], _Result] = {}
        applies = tuple(self._applied(raw, kept) for raw in raws)
        self._results = kept
        return applies

    def _applied(self, raw: Raw, kept: dict[tuple[str, str], _Result]) -> Applied:
        status, metadata = _mapping(raw, "status"), _mapping(raw, "metadata")
        text = _text(status, "resultYAML")
        key = (_text(metadata, "uid"), _text(metadata, "resourceVersion"))
        result = self._results.get(key) or _namespaces(text)
        kept[key] = result
        return Applied(
            name=_name(raw),
            uid=key[0],
            deployed=bool(text.strip()),
            namespaces=result[0],
            cluster_scoped=result[1],
            last_apply_time=_text(status, "lastApplyTime"),
            disabled=_text(_mapping(status, "disableStatus"), "state") == "Disabled",
        )


def session_pid(objects: TiltObjects) -> int:
    """Give the process id of our Tilt as its Session tells it; 0 while it does not."""
    for raw in objects.sessions:
        pid = _mapping(raw, "status").get("pid")
        if type(pid) is int and pid > 0:
            return pid
    return 0


def _namespaces(text: str) -> _Result:
    """Read namespaces out of a result. YAML that cannot be read has none: Tilt has applied it."""
    try:
        documents = list(yaml.load_all(text, Loader=_LOADER))
    except yaml.YAMLError:
        return (), False
    found = [_text(_mapping(item, "metadata"), "namespace") for item in _objects(documents)]
    return tuple(dict.fromkeys(name for name in found if name)), "" in found


def _objects(documents: Iterable[Any]) -> Iterator[Raw]:
    for document in documents:
        if not isinstance(document, dict):
            continue
        if isinstance(items := document.get("items"), list) and _text(document, "kind") == "List":
            yield from _objects(items)
        else:
            yield document


def cluster_of(status: Raw) -> ClusterRef | None:
    """Read which cluster Tilt uses off the status of its Cluster; None when it says none yet."""
    connection = _mapping(_mapping(status, "connection"), "kubernetes")
    path, context = _text(connection, "configPath"), _text(connection, "context")
    if not (path and context):
        return None
    return ClusterRef(path, context, _text(connection, "cluster"))


def _discovery(raw: Raw) -> Discovery:
    watches = tuple(
        Watch(_text(watch, "namespace"), _text(watch, "uid"))
        for watch in _items(_mapping(raw, "spec"), "watches")
    )
    pods = (_text(pod, "namespace") for pod in _items(_mapping(raw, "status"), "pods"))
    owners = (
        _text(owner, "name")
        for owner in _items(_mapping(raw, "metadata"), "ownerReferences")
        if _text(owner, "kind") == "KubernetesApply"
    )
    return Discovery(_name(raw), watches, tuple(dict.fromkeys(pods)), next(owners, ""))


def _button(raw: Raw) -> Button:
    status = _mapping(raw, "status")
    return Button(
        name=_name(raw),
        clicked=_text(status, "lastClickedAt"),
        disabled=_mapping(raw, "spec").get("disabled") is True,
        inputs={_text(each, "name"): _filled(each) for each in _items(status, "inputs")},
    )


def _filled(item: Raw) -> str:
    """Read what an input was given; a checkbox is none of ours."""
    values = (_text(_mapping(item, kind), "value") for kind in ("text", "choice", "hidden"))
    return next(filter(None, values), "")


def _name(raw: Raw) -> str:
    return _text(_mapping(raw, "metadata"), "name")


def _mapping(raw: Raw, key: str) -> Raw:
    value = raw.get(key)
    return value if isinstance(value, Mapping) else {}


def _text(raw: Raw, key: str) -> str:
    value = raw.get(key)
    return value if isinstance(value, str) else ""


def _items(raw: Raw, key: str) -> tuple[Raw, ...]:
    value = raw.get(key)
    return (
        tuple(item for item in value if isinstance(item, Mapping))
        if isinstance(value, list)
        else ()
    )
