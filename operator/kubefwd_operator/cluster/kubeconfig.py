"""A kubeconfig's one context, parsed and judged. Pure: no file is opened here.

The kubeconfig is the one that Tilt names (frozen by Tilt: minified and flattened), but everything
that kubectl takes in any kubeconfig is taken here too. What is not supported is refused *by name*
(`CredentialsUnsupported`), so that nobody hunts for a reason. Rules of precedence are client-go's:
inline data beats files, a token beats an exec plugin, `tokenFile` beats `token` while it is
readable. Relative paths are relative to the kubeconfig's folder.

Values that are secret never appear in a repr, and no message quotes a value of the user entry.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kubefwd_operator.cluster.entry import NO_PEM, Entry, Pem
from kubefwd_operator.cluster.execspec import ExecSpec, parse_exec
from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported

_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Impersonation:
    """`as`, `as-uid`, `as-groups`, `as-user-extra`: sent as Impersonate-* headers."""

    user: str
    uid: str = ""
    groups: tuple[str, ...] = ()
    extra: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True, slots=True)
class ClusterEntry:
    """Where the apiserver is and how its certificate is checked. `server` has no final slash."""

    server: str
    ca: Pem = NO_PEM
    tls_server_name: str = ""
    insecure: bool = False
    proxy_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class UserEntry:
    """How the developer proves who he is."""

    token: str = field(default="", repr=False)
    token_file: str = ""
    certificate: Pem = NO_PEM
    key: Pem = NO_PEM
    username: str = ""
    password: str = field(default="", repr=False)
    exec: ExecSpec | None = None
    impersonation: Impersonation | None = None


@dataclass(frozen=True, slots=True)
class Kubeconfig:
    """One context of a kubeconfig."""

    context: str
    cluster: ClusterEntry
    user: UserEntry


def parse(document: Any, context: str, folder: str) -> Kubeconfig:
    """Pick `context` (or the current one, when empty) out of a loaded kubeconfig document.

    `folder` is the absolute folder of the file. Raises CredentialsError, CredentialsUnsupported.
    """
    whole = Entry("the file", document, folder)
    context = context or whole.text("current-context")
    if not context:
        raise CredentialsError("The kubeconfig has no current-context: choose one.")
    chosen = _named(whole, "contexts", "context", context)
    cluster_name = chosen.text("cluster")
    cluster_raw = _named(whole, "clusters", "cluster", cluster_name)
    user_name = chosen.text("user")
    cluster = _cluster(cluster_raw)
    user = UserEntry()
    if user_name:
        raw = _named(whole, "users", "user", user_name)
        user = _user(raw, cluster_raw)
    return Kubeconfig(context=context, cluster=cluster, user=user)


def _named(whole: Entry, group: str, kind: str, name: str) -> Entry:
    for item in whole.items(group):
        if isinstance(item, Mapping) and item.get("name") == name:
            return Entry(f"{kind} {name!r}", item.get(kind) or {}, whole.folder)
    raise CredentialsError(
        f"The kubeconfig has no {kind} named {name!r}. Compare with: kubectl config view"
    )


def _cluster(raw: Entry) -> ClusterEntry:
    entry = ClusterEntry(
        server=_server(raw),
        ca=raw.pem("certificate-authority"),
        tls_server_name=raw.text("tls-server-name"),
        insecure=raw.flag("insecure-skip-tls-verify"),
        proxy_url=_proxy(raw),
    )
    if entry.insecure and entry.ca:
        raise CredentialsError(
            f"In the kubeconfig, {raw.where} has both a certificate-authority and "
            "insecure-skip-tls-verify: remove one of them."
        )
    return entry


def _server(raw: Entry) -> str:
    server = raw.text("server")
    if not server:
        raise CredentialsError(f"In the kubeconfig, {raw.where} has no server.")
    if "://" not in server:  # client-go's rule: TLS when anything about TLS is said
        secured = any(
            key.startswith("certificate-authority") or key == "insecure-skip-tls-verify"
            for key in raw.raw
        )
        server = f"{'https' if secured else 'http'}://{server}"
    try:
        parts = urlsplit(server)
        valid = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        valid = False
    if not valid:
        raise CredentialsError(
            f"In the kubeconfig, server of {raw.where} must be an http or https address."
        )
    return server.rstrip("/")


def _proxy(raw: Entry) -> str:
    url = raw.text("proxy-url")
    if not url:
        return ""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host:
        raise CredentialsError(f"In the kubeconfig, proxy-url of {raw.where} is not a URL.")
    if parts.scheme not in _PROXY_SCHEMES:
        raise CredentialsUnsupported(
            f"In the kubeconfig, proxy-url of {raw.where} has the scheme {parts.scheme!r}, which "
            f"is not supported: use one of {', '.join(_PROXY_SCHEMES)}."
        )
    return url


def _user(raw: Entry, cluster: Entry) -> UserEntry:
    if raw.raw.get("auth-provider"):
        name = Entry("auth-provider", raw.raw["auth-provider"], raw.folder).text("name")
        raise CredentialsUnsupported(
            f"In the kubeconfig, {raw.where} uses auth-provider {name!r}, which is not supported: "
            "move to the provider's exec plugin (kubelogin, gke-gcloud-auth-plugin, ...)."
        )
    user = UserEntry(
        token=raw.text("token"),
        token_file=raw.path("tokenFile"),
        certificate=raw.pem("client-certificate"),
        key=raw.pem("client-key"),
        username=raw.text("username"),
        password=raw.text("password"),
        exec=parse_exec(raw, cluster),
        impersonation=_impersonation(raw),
    )
    if bool(user.certificate) != bool(user.key):
        raise CredentialsError(
            f"In the kubeconfig, {raw.where} has only one of client-certificate and client-key."
        )
    if user.username and (user.token or user.token_file):
        raise CredentialsError(
            f"In the kubeconfig, {raw.where} has both a token and a username: remove one of them."
        )
    return user


def _impersonation(raw: Entry) -> Impersonation | None:
    user, uid, groups = raw.text("as"), raw.text("as-uid"), raw.texts("as-groups")
    extra = Entry("as-user-extra", raw.raw.get("as-user-extra") or {}, "")
    if not user:
        if uid or groups or extra.raw:
            raise CredentialsError(
                f"In the kubeconfig, {raw.where} has as-uid, as-groups or as-user-extra "
                "without as: add as."
            )
        return None
    pairs = tuple((key, extra.texts(key)) for key in extra.raw)
    return Impersonation(user=user, uid=uid, groups=groups, extra=pairs)
