"""Tilt's facts: what `tilt/parse.py` reads off Tilt's objects, and nothing that is decided.

Each value mirrors one kind of Tilt's API, cut down to what the decisions in `desired.py` and
`clicks.py` need. Times are Tilt's own strings (RFC 3339, six decimals, UTC), so they sort as text.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from kubefwd_operator.core.model import ClusterRef


@dataclass(frozen=True, slots=True)
class Applied:
    """A KubernetesApply.

    `deployed` says whether `status.resultYAML` holds anything (a failing deploy empties it);
    `namespaces` are those of its objects, in their order, without repeats; `cluster_scoped` says
    that at least one object there has no namespace. `disabled` is `status.disableStatus`.
    """

    name: str
    uid: str = ""
    deployed: bool = False
    namespaces: tuple[str, ...] = ()
    cluster_scoped: bool = False
    last_apply_time: str = ""
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class Watch:
    """One of a KubernetesDiscovery's `spec.watches`; the uid may be empty."""

    namespace: str
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Discovery:
    """A KubernetesDiscovery.

    `applied_by` is the name of the KubernetesApply that owns it (its owner reference), empty for
    one that somebody wrote by hand. `pod_namespaces` are `status.pods[].namespace`.
    """

    name: str
    watches: tuple[Watch, ...] = ()
    pod_namespaces: tuple[str, ...] = ()
    applied_by: str = ""


@dataclass(frozen=True, slots=True)
class Button:
    """A UIButton. `clicked` is `status.lastClickedAt` as written, empty when never.

    `inputs` are the texts of `status.inputs`, by the input's name: typed, chosen or hidden.
    """

    name: str
    clicked: str = ""
    disabled: bool = False
    inputs: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class TiltFacts:
    """One look at Tilt. The loop takes it anew for each pass.

    `cluster_exists`: there is a Cluster object `default`, which a Tiltfile without Kubernetes
    resources does not have. `cluster` is its connection, None until Tilt has one;
    `cluster_error` is its `status.error`.
    """

    cluster_exists: bool = False
    cluster: ClusterRef | None = None
    cluster_error: str = ""
    applies: tuple[Applied, ...] = ()
    discoveries: tuple[Discovery, ...] = ()
    buttons: tuple[Button, ...] = ()
