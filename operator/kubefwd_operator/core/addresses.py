"""Addresses: the loopback address of a service is a hash of what it is called.

Nothing has to be stored and the same service has the same address tomorrow, so that an open
browser tab, a database tool's bookmark and a cookie stay right. When the first candidate is taken
(by a colliding service of ours, or by another instance that has leased it) the next one is tried.
The range is the one that the helper accepts: 127.18.0.0/15, without last bytes 0 and 255, which
some programs take for network and broadcast addresses.
"""

from collections.abc import Iterator
from hashlib import blake2b

_SUBNETS = tuple(f"127.{second}.{third}" for second in (18, 19) for third in range(256))
_HOSTS = 254

CAPACITY = len(_SUBNETS) * _HOSTS
"""How many different addresses there are; `candidates` ends after that many."""


def candidates(cluster_key: str, namespace: str, service: str, pod: str = "") -> Iterator[str]:
    """Every address of the range once, beginning with the one that belongs to this service.

    `cluster_key` is `ClusterRef.key`; `pod` is the hostname of an endpoint of a headless service.
    """
    start = _hash(cluster_key, namespace, service, pod) % CAPACITY
    for step in range(CAPACITY):
        subnet, host = divmod((start + step) % CAPACITY, _HOSTS)
        yield f"{_SUBNETS[subnet]}.{host + 1}"


def _hash(*parts: str) -> int:
    digest = blake2b(
        "\0".join(parts).encode(errors="backslashreplace"), digest_size=8, person=b"kubefwd-op"
    )
    return int.from_bytes(digest.digest(), "big")
