"""kubefwd, the program: which one may be run, and what it is given. Values as in `model.py`."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class PinnedKubefwd:
    """The one kubefwd that root may run: where it is, and the SHA-256 (hex) of its content.

    Both are part of the command line that is authorised. `version` is what it says of itself;
    builds from source say 0.0.0.
    """

    path: str
    sha256: str
    version: str = ""


@dataclass(frozen=True, slots=True)
class NoKubefwd:
    """Why there is no kubefwd to run, as a sentence that says what to do."""

    why: str


@dataclass(frozen=True, slots=True)
class KubefwdAccess:
    """What kubefwd needs to reach the cluster, as values: no path, no command, no proxy.

    `server` is https. Certificates and key are PEM text. An empty string means that there is none;
    without `ca` the system's authorities count.
    """

    server: str
    tls_server_name: str = ""
    ca: str = ""
    certificate: str = field(default="", repr=False)
    key: str = field(default="", repr=False)
    token: str = field(default="", repr=False)
