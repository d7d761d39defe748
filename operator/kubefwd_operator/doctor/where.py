"""Which cluster is meant: the one that Tilt uses, when Tilt runs; otherwise kubectl's current one.

kubectl merges the files of KUBECONFIG: the first that has a current-context says which, and the
first that has that context is the one to read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kubefwd_operator.core.errors import CredentialsError
from kubefwd_operator.core.model import ClusterRef
from kubefwd_operator.doctor.finding import Case
from kubefwd_operator.tilt.glance import find
from kubefwd_operator.tilt.parse import CLUSTER, cluster_of


@dataclass(frozen=True, slots=True)
class Where:
    """A cluster, who names it, and the namespace that its context has."""

    ref: ClusterRef
    source: str
    namespace: str = "default"


class NoKubeconfig(CredentialsError):
    """There is no kubeconfig at all, or none with a current-context."""


def where(case: Case) -> Where:
    """Find it. Raises CredentialsError, TiltError."""
    if case.tilt is not None:
        found = find(case.tilt, "clusters", CLUSTER) or {}
        status: Mapping[str, Any] = found.get("status") or {}
        if ref := cluster_of(status):
            return Where(ref, "Tilt uses it", _namespace(Path(ref.config_path), ref.context))
        if status.get("error"):
            raise CredentialsError(f"Tilt cannot use its cluster: {status['error']}")
    return current(case.environ, case.home)


def current(environ: Mapping[str, str], home: Path) -> Where:
    """Find what kubectl uses. Raises NoKubeconfig, CredentialsError."""
    listed = [Path(part) for part in environ.get("KUBECONFIG", "").split(":") if part]
    paths = [path for path in listed or [home / ".kube/config"] if path.exists()]
    if not paths:
        looked = ", ".join(map(str, listed or [home / ".kube/config"]))
        raise NoKubeconfig(f"There is no kubeconfig: {looked} does not exist.")
    documents = {path: _document(path) for path in paths}
    names = [
        str(one["current-context"]) for one in documents.values() if one.get("current-context")
    ]
    if not names:
        raise NoKubeconfig(f"{', '.join(map(str, paths))} has no current-context.")
    path = next(
        (at for at, one in documents.items() if _context(one, names[0]) is not None), paths[0]
    )
    namespace = _context(documents[path], names[0]) or "default"
    return Where(ClusterRef(str(path), names[0]), "kubectl's current one", namespace)


def namespaces_of(case: Case) -> tuple[str, ...]:
    """Name the namespaces to look at: known ones, else that of the kubeconfig's context."""
    if case.wanted:
        return case.wanted
    try:
        return (current(case.environ, case.home).namespace,)
    except CredentialsError:
        return ("default",)


def _namespace(path: Path, context: str) -> str:
    try:
        return _context(_document(path), context) or "default"
    except CredentialsError:
        return "default"


def _document(path: Path) -> Mapping[str, Any]:
    try:
        loaded = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise CredentialsError(f"{path} cannot be read ({error.strerror}).") from error
    except yaml.YAMLError as error:
        raise CredentialsError(f"{path} is not YAML.") from error
    return loaded if isinstance(loaded, dict) else {}


def _context(document: Mapping[str, Any], name: str) -> str | None:
    """Give the namespace of a context, "" when it has none; None when there is no such context."""
    contexts = document.get("contexts")
    for entry in contexts if isinstance(contexts, list) else ():
        if isinstance(entry, dict) and entry.get("name") == name:
            context = entry.get("context")
            return str(context.get("namespace") or "") if isinstance(context, dict) else ""
    return None
