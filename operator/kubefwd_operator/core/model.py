"""The nouns: frozen values that travel between the parts.

Parts (`cluster/catalog.py`, `privileged/authority.py`, the engines) take a `Desired` through
`want()` and answer with a frozen `...Seen` from `seen()`. Nothing in here knows how to act.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from kubefwd_operator.core.problem import Fault, Problem
from kubefwd_operator.core.rules import NO_RULES, Rules

# --- what is wanted --------------------------------------------------------------------------


class Source(StrEnum):
    """Who brought a namespace in. The order of this list is the order of bare names."""

    ARGUMENT = "argument"
    TILT = "tilt"
    BUTTON = "button"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class ClusterRef:
    """The cluster that Tilt uses: Cluster `default` `status.connection.kubernetes`."""

    config_path: str
    context: str
    cluster: str = ""

    @property
    def key(self) -> str:
        """What tells two clusters apart in address hashes and conflict messages."""
        return f"{self.context}/{self.cluster}"


@dataclass(frozen=True, slots=True)
class DesiredNamespace:
    """A namespace to forward, and who asked for it."""

    name: str
    source: Source


@dataclass(frozen=True, slots=True)
class Desired:
    """What every part is told. Namespaces are in the order that decides bare names.

    `generation` grows with every Refresh: a part that sees it grow starts anew. While `paused`
    nothing is forwarded, and the helper stays. `repairs` grows with every Repair hosts: the names
    are written anew, even if nothing has changed. `rules` are those of single namespaces,
    `allow_hostnames` the domains that their hostnames may end in, besides those that are free.
    Of `pending` ones nothing is forwarded, until it is known what the cluster's policies say.
    """

    cluster: ClusterRef | None = None
    namespaces: tuple[DesiredNamespace, ...] = ()
    bare_names: bool = True
    generation: int = 0
    paused: bool = False
    repairs: int = 0
    rules: Mapping[str, Rules] = field(default_factory=lambda: MappingProxyType({}))
    allow_hostnames: tuple[str, ...] = ()
    pending: frozenset[str] = frozenset()

    def rules_of(self, namespace: str) -> Rules:
        """Give the rules of a namespace; some that change nothing where there are none."""
        return self.rules.get(namespace, NO_RULES)


# --- what the cluster's ForwardPolicy objects say ----------------------------------------------


class Forward(StrEnum):
    """`spec.forward` of a policy."""

    ALWAYS = "Always"
    WHEN_DEPLOYED = "WhenDeployed"
    NEVER = "Never"


@dataclass(frozen=True, slots=True)
class NamespacePolicy:
    """What all policies of a namespace come to; `by` and `created` are of who says `forward`."""

    forward: Forward = Forward.WHEN_DEPLOYED
    by: str = ""
    created: str = ""
    rules: Rules = NO_RULES
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True)
class PoliciesSeen:
    """The cluster's policies. `known`: it has answered, for `only` these namespaces or for all."""

    known: bool = False
    namespaces: Mapping[str, NamespacePolicy] = field(default_factory=lambda: MappingProxyType({}))
    only: frozenset[str] | None = None

    def knows(self, namespace: str) -> bool:
        """Whether the cluster has said what it has to say about a namespace."""
        return self.known and (self.only is None or namespace in self.only)

    def of(self, namespace: str) -> NamespacePolicy:
        """Give what holds for a namespace; nothing special where there is no policy."""
        return self.namespaces.get(namespace) or NamespacePolicy()


UNREAD, NO_POLICIES = PoliciesSeen(), PoliciesSeen(known=True)


# --- what the cluster holds (catalog) --------------------------------------------------------


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One port of a Service. `target` is `targetPort` as written: a number or a name."""

    port: int
    name: str = ""
    protocol: str = "TCP"
    target: int | str = 0
    app_protocol: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One pod behind a Service, as its EndpointSlice tells it.

    `ports` maps the ServicePort's *name* to the number in that endpoint's own slice, because a
    targetPort by name may differ between pods. `ready` already obeys publishNotReadyAddresses.
    """

    pod: str
    ip: str = ""
    ready: bool = True
    hostname: str = ""
    ports: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class Service:
    """A Service and the endpoints behind it.

    What the rules say of it is put in by `forwardable.wanted`: why it is not to be forwarded, and
    which ports, (port, port that listens), listen on another number.
    """

    namespace: str
    name: str
    ports: tuple[ServicePort, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    headless: bool = False
    external_name: str = ""
    selector: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    withheld: Problem | None = None
    local_ports: tuple[tuple[int, int], ...] = ()

    @property
    def key(self) -> str:
        """`service.namespace`, as people write it."""
        return f"{self.name}.{self.namespace}"


@dataclass(frozen=True, slots=True)
class NamespaceSeen:
    """One namespace of the catalog. `synced` is False until the first complete list."""

    services: tuple[Service, ...] = ()
    synced: bool = False
    problem: Problem | None = None


@dataclass(frozen=True, slots=True)
class CatalogSeen:
    """Everything that the catalog knows at this moment. `problem` concerns the whole cluster.

    `available` are the names of all namespaces of the cluster, none if the developer may not list
    them; None until that is known.
    """

    cluster: ClusterRef | None = None
    namespaces: Mapping[str, NamespaceSeen] = field(default_factory=lambda: MappingProxyType({}))
    problem: Problem | None = None
    available: tuple[str, ...] | None = None
    policies: PoliciesSeen = UNREAD


# --- what the engine has made of it ----------------------------------------------------------


class ServiceState(StrEnum):
    """State of one forwarded service, as the status shows it."""

    READY = "Ready"
    WAITING = "Waiting"
    RECONNECTING = "Reconnecting"
    FAILED = "Failed"
    NOT_FORWARDED = "NotForwarded"


@dataclass(frozen=True, slots=True)
class ServiceSeen:
    """One service as it answers now: names that resolve, its address, ports that listen.

    `refused` counts connections of other users of the machine.
    """

    namespace: str
    service: str
    state: ServiceState
    address: str = ""
    ports: tuple[int, ...] = ()
    names: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    refused: int = 0

    @property
    def key(self) -> str:
        """`service.namespace`, as people write it."""
        return f"{self.service}.{self.namespace}"


@dataclass(frozen=True, slots=True)
class Repaired:
    """What became of the last Repair hosts: the number of `Desired.repairs` that it answers.

    `names` are in the hosts file now; `problem` says why they could not be written.
    """

    number: int = 0
    names: int = 0
    problem: Problem | None = None


NOT_REPAIRED = Repaired()


@dataclass(frozen=True, slots=True)
class EngineSeen:
    """What an engine shows: the `generation` that it has started, and engine-wide problems.

    `why` says, for people, why it is this engine that forwards.
    """

    name: str
    generation: int = 0
    services: tuple[ServiceSeen, ...] = ()
    problems: tuple[Problem, ...] = ()
    why: str = ""
    repaired: Repaired = NOT_REPAIRED


@dataclass(frozen=True, slots=True)
class Dialled:
    """What came of a connection that was tried. `why` not, as a sentence; empty when it stands.

    `ours` tells whether the address is one that this engine forwards.
    """

    why: str = ""
    ours: bool = True

    @property
    def reached(self) -> bool:
        """Whether it stands."""
        return self.ours and not self.why


FOREIGN = Dialled("This operator forwards nothing at that address.", ours=False)


# --- becoming root ---------------------------------------------------------------------------


class AuthorityState(StrEnum):
    """The state machine of becoming root (`privileged/authority.py`)."""

    ASKING = "Asking"
    WAITING = "WaitingForAuthorization"
    DENIED = "AuthorizationDenied"
    AUTHORIZED = "Authorized"
    LOST = "AuthorizationLost"
    SUPERSEDED = "Superseded"


@dataclass(frozen=True, slots=True)
class AuthoritySeen:
    """Where the authorisation stands. `way` names how root came; `session` counts helpers."""

    state: AuthorityState
    problem: Problem | None = None
    way: str = ""
    session: int = 0
