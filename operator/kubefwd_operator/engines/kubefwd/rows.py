"""What kubefwd lists: one row for each port that it forwards."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Forward:
    """One port of one pod, as `GET /api/v1/forwards` shows it.

    `ip` is as written, so it may be `<nil>` (no address was left). `pod_port` is a number even if
    the Service names a port that the pod has not: kubefwd then takes `port`. `status` is kubefwd's
    own word, `Active` before anything listens. `started` is in seconds since the epoch.

    A headless service has rows under its own name, for its first pod, and rows of all of its pods,
    which kubefwd calls `POD.SERVICE`: those have `pod_name_in_host`, and `service` is `SERVICE`.
    """

    service: str
    namespace: str
    pod: str
    ip: str
    port: int
    pod_port: int
    status: str
    started: float
    pod_name_in_host: bool = False
