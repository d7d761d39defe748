"""What kubefwd is given of the developer's kubeconfig: values that lead nowhere else. Pure.

kubefwd runs as root, so no command, no path and no proxy of the user's reaches it. Root judges the
values once more (`root/helper/kubefwd/wire.py`); here each limit has a sentence that helps.
"""

import re
from dataclasses import dataclass, field

from kubefwd_operator.cluster.kubeconfig import ClusterEntry, UserEntry
from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported
from kubefwd_operator.core.kubefwd import KubefwdAccess

KIB = 1024
MAX_SERVER, MAX_CA, MAX_KEY, MAX_TOKEN = 2048, 512 * KIB, 64 * KIB, 64 * KIB
"""What root takes, in characters."""

_INSTEAD = "use engine='native', which can"
_BLOCK = re.compile(
    rb"-----BEGIN [A-Z0-9 ]{1,40}-----\r?\n[A-Za-z0-9+/=\s]+-----END [A-Z0-9 ]{1,40}-----"
)


@dataclass(frozen=True, slots=True)
class Handover:
    """An access, and when it ends (Unix time; None when nobody says)."""

    access: KubefwdAccess = field(repr=False)
    expires: float | None = None


def require_supported(cluster: ClusterEntry, user: UserEntry, proxy: str) -> None:
    """Raise CredentialsUnsupported for what kubefwd is not given, by name."""
    unsupported = {
        "a server without https": not cluster.server.startswith("https://"),
        "insecure-skip-tls-verify": cluster.insecure,
        "a proxy": bool(proxy),
        "a username and password": bool(user.username),
        "impersonation (as)": user.impersonation is not None,
    }
    for what, asked in unsupported.items():
        if asked:
            raise CredentialsUnsupported(
                f"The kubeconfig asks for {what}, which kubefwd is not given as root: {_INSTEAD}."
            )


def access(
    cluster: ClusterEntry, *, ca: bytes, certificate: bytes, key: bytes, token: str
) -> KubefwdAccess:
    """Make the values. Raises CredentialsError for what root would refuse."""
    return KubefwdAccess(
        server=_fits("address of the server", cluster.server, MAX_SERVER),
        tls_server_name=cluster.tls_server_name,
        ca=pem("certificate-authority", ca, MAX_CA),
        certificate=pem("client certificate", certificate, MAX_KEY),
        key=pem("client key", key, MAX_KEY),
        token=_fits("token", token, MAX_TOKEN),
    )


def pem(what: str, given: bytes, limit: int) -> str:
    """Return the PEM blocks in their plainest form: comments and carriage returns are left out."""
    if not given.strip():
        return ""
    blocks = [_plain(block) for block in _BLOCK.findall(given)]
    if not blocks:
        raise CredentialsError(
            f"The {what} in the kubeconfig is not PEM: fetch the kubeconfig anew from your "
            "cluster's provider."
        )
    return _fits(what, "".join(blocks), limit)


def _plain(block: bytes) -> str:
    lines = [line.strip() for line in block.decode("ascii").splitlines()]
    return "".join(f"{line}\n" for line in lines if line)


def _fits(what: str, text: str, limit: int) -> str:
    if len(text) > limit or not text.isascii():
        raise CredentialsError(
            f"The {what} in the kubeconfig is longer than {limit} characters, or not ASCII, and "
            f"kubefwd is not given that as root: {_INSTEAD}."
        )
    return text
