"""The one list of reasons that a condition may give, in the words of the field."""

from enum import StrEnum


class Reason(StrEnum):
    """CamelCase reason of a condition, of a namespace or of a service (Kubernetes API conventions).

    A reason is for machines and tests; the message beside it is for people and names the remedy.
    """

    # all is well, or on its way
    READY = "Ready"
    STARTING = "Starting"
    SYNCING = "Syncing"
    PAUSED = "Paused"

    # becoming root (privileged/)
    WAITING_FOR_AUTHORIZATION = "WaitingForAuthorization"
    AUTHORIZATION_DENIED = "AuthorizationDenied"
    AUTHORIZATION_LOST = "AuthorizationLost"
    SUPERSEDED = "Superseded"
    HELPER_UNAVAILABLE = "HelperUnavailable"

    # the cluster (cluster/)
    NO_CLUSTER = "NoCluster"
    CLUSTER_UNREACHABLE = "ClusterUnreachable"
    CREDENTIALS_FAILED = "CredentialsFailed"
    CREDENTIALS_EXPIRED = "CredentialsExpired"
    CREDENTIALS_UNSUPPORTED = "CredentialsUnsupported"
    FORBIDDEN = "Forbidden"
    NAMESPACE_NOT_FOUND = "NamespaceNotFound"

    # a service
    NO_ENDPOINTS = "NoEndpoints"
    NO_PODS = "NoPods"
    POD_FAILING = "PodFailing"
    NOT_FORWARDABLE = "NotForwardable"
    PORT_TAKEN = "PortTaken"
    ADDRESS_TAKEN = "AddressTaken"
    NAME_TAKEN = "NameTaken"
    NAME_CONTESTED = "NameContested"
    NAME_REFUSED = "NameRefused"
    NAME_ELSEWHERE = "NameElsewhere"
    SHADOWS_PUBLIC_NAME = "ShadowsPublicName"
    LIMIT_REACHED = "LimitReached"
    RECONNECTING = "Reconnecting"
    NOT_ANSWERING = "NotAnswering"
    ADDRESSES_EXHAUSTED = "AddressesExhausted"

    # what policies and arguments say of services
    SKIPPED = "Skipped"
    POLICY_INVALID = "PolicyInvalid"
    POLICY_CONFLICT = "PolicyConflict"
    POLICY_OVERRULED = "PolicyOverruled"
    POLICY_FOLLOWED = "PolicyFollowed"
    POLICY_UNSUPPORTED = "PolicyUnsupported"
    SKIP_UNMATCHED = "SkipUnmatched"

    # the machine
    HOSTS_NOT_WRITABLE = "HostsNotWritable"
    OWNERS_UNKNOWN = "OwnersUnknown"

    # the engine and ourselves
    ENGINE_UNAVAILABLE = "EngineUnavailable"
    ENGINE_RESTARTING = "EngineRestarting"
    ENGINE_FAILED = "EngineFailed"
    HELD_BY_OTHER_USER = "HeldByOtherUser"
    INTERNAL_ERROR = "InternalError"
