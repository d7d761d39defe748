"""A kubeconfig's one context, parsed and judged: pure, no file is opened here but by `Pem` users.

The kubeconfig is the one that Tilt names (frozen by Tilt: minified and flattened), but everything
that kubectl takes in any kubeconfig is taken here too. What is not supported is refused *by name*
(`CredentialsUnsupported`), so that nobody hunts for a reason. Rules of precedence are client-go's:
inline data beats files, a token beats an exec plugin, `tokenFile` beats `token` while it is
readable. Relative paths are relative to the kubeconfig's folder.

Values that are secret never appear in a repr, and no message quotes a value of the user entry.
"""

import base64
import binascii
import posixpath
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported

EXEC_VERSIONS = (
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
)
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"
_PROXY_SCHEMES = ("http", "https", "socks5", "socks5h")


@dataclass(frozen=True, slots=True)
class Pem:
    """PEM text that is inline (`data`) or in a file (`path`, absolute); data beats the file."""

    data: bytes = field(default=b"", repr=False)
    path: str = ""

    def __bool__(self) -> bool:
        return bool(self.data or self.path)


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """The exec plugin of a user entry. `info` is what KUBERNETES_EXEC_INFO's spec carries."""

    command: str
    api_version: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    install_hint: str = ""
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)


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
    ca: Pem = Pem()
    tls_server_name: str = ""
    insecure: bool = False
    proxy_url: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class UserEntry:
    """How the developer proves who he is."""

    token: str = field(default="", repr=False)
    token_file: str = ""
    certificate: Pem = Pem()
    key: Pem = Pem()
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


class _Entry:
    """One mapping of the kubeconfig that answers with the right types or with a sentence."""

    def __init__(self, where: str, raw: Any, folder: str) -> None:
        if not isinstance(raw, Mapping):
            raise CredentialsError(f"In the kubeconfig, {where} must be a mapping.")
        self.where = where
        self.raw = raw
        self._folder = folder

    def text(self, key: str) -> str:
        value = self.raw.get(key)
        if value is None:
            return ""
        if not isinstance(value, str):
            raise CredentialsError(
                f"In the kubeconfig, {key} of {self.where} must be text: put it in quotes."
            )
        return value

    def flag(self, key: str) -> bool:
        value = self.raw.get(key)
        if value is not None and not isinstance(value, bool):
            raise CredentialsError(
                f"In the kubeconfig, {key} of {self.where} must be true or false."
            )
        return bool(value)

    def items(self, key: str) -> tuple[Any, ...]:
        value = self.raw.get(key)
        if value is not None and not isinstance(value, list):
            raise CredentialsError(f"In the kubeconfig, {key} of {self.where} must be a list.")
        return tuple(value or ())

    def texts(self, key: str) -> tuple[str, ...]:
        values = self.items(key)
        if not all(isinstance(value, str) for value in values):
            raise CredentialsError(
                f"In the kubeconfig, {key} of {self.where} must be a list of texts."
            )
        return values

    def path(self, key: str) -> str:
        value = self.text(key)
        return posixpath.join(self._folder, value) if value else ""

    def pem(self, key: str) -> Pem:
        inline = self.text(f"{key}-data")
        if not inline:
            return Pem(path=self.path(key))
        try:
            return Pem(data=base64.b64decode("".join(inline.split()), validate=True))
        except (binascii.Error, ValueError) as error:
            raise CredentialsError(
                f"In the kubeconfig, {key}-data of {self.where} is not base64."
            ) from error


def parse(document: Any, context: str, folder: str) -> Kubeconfig:
    """Pick `context` (or the current one, when empty) out of a loaded kubeconfig document.

    `folder` is the absolute folder of the file. Raises CredentialsError, CredentialsUnsupported.
    """
    whole = _Entry("the file", document, folder)
    context = context or whole.text("current-context")
    if not context:
        raise CredentialsError("The kubeconfig has no current-context: choose one.")
    chosen = _named(whole, "contexts", "context", context, folder)
    cluster_name = chosen.text("cluster")
    cluster_raw = _named(whole, "clusters", "cluster", cluster_name, folder)
    user_name = chosen.text("user")
    cluster = _cluster(cluster_raw)
    user = UserEntry()
    if user_name:
        raw = _named(whole, "users", "user", user_name, folder)
        user = _user(raw, cluster, cluster_raw, folder)
    return Kubeconfig(context=context, cluster=cluster, user=user)


def _named(whole: _Entry, group: str, kind: str, name: str, folder: str) -> _Entry:
    for item in whole.items(group):
        if isinstance(item, Mapping) and item.get("name") == name:
            return _Entry(f"{kind} {name!r}", item.get(kind) or {}, folder)
    raise CredentialsError(
        f"The kubeconfig has no {kind} named {name!r}. Compare with: kubectl config view"
    )


def _cluster(raw: _Entry) -> ClusterEntry:
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


def _server(raw: _Entry) -> str:
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


def _proxy(raw: _Entry) -> str:
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


def _user(raw: _Entry, cluster: ClusterEntry, cluster_raw: _Entry, folder: str) -> UserEntry:
    if raw.raw.get("auth-provider"):
        name = _Entry("auth-provider", raw.raw["auth-provider"], folder).text("name")
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
        exec=_exec(raw, cluster, cluster_raw, folder),
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


def _impersonation(raw: _Entry) -> Impersonation | None:
    user, uid, groups = raw.text("as"), raw.text("as-uid"), raw.texts("as-groups")
    extra = _Entry("as-user-extra", raw.raw.get("as-user-extra") or {}, "")
    if not user:
        if uid or groups or extra.raw:
            raise CredentialsError(
                f"In the kubeconfig, {raw.where} has as-uid, as-groups or as-user-extra "
                "without as: add as."
            )
        return None
    pairs = tuple((key, extra.texts(key)) for key in extra.raw)
    return Impersonation(user=user, uid=uid, groups=groups, extra=pairs)


def _exec(user: _Entry, cluster: ClusterEntry, cluster_raw: _Entry, folder: str) -> ExecSpec | None:
    if not user.raw.get("exec"):
        return None
    raw = _Entry(f"exec of {user.where}", user.raw["exec"], folder)
    command, version = raw.text("command"), raw.text("apiVersion")
    if not command:
        raise CredentialsError(f"In the kubeconfig, {raw.where} has no command.")
    if version not in EXEC_VERSIONS:
        raise CredentialsUnsupported(
            f"In the kubeconfig, {raw.where} has apiVersion {version!r}, which is not supported: "
            f"{' and '.join(EXEC_VERSIONS)} are. A newer version of {command} writes them."
        )
    if raw.text("interactiveMode") == "Always":
        raise CredentialsUnsupported(
            f"In the kubeconfig, {raw.where} has interactiveMode Always, but there is no terminal "
            "to answer on here: set it to IfAvailable, and log in beforehand in a terminal."
        )
    return ExecSpec(
        command=raw.path("command") if "/" in command else command,
        api_version=version,
        args=raw.texts("args"),
        env=tuple(_variable(item, raw.where, folder) for item in raw.items("env")),
        install_hint=raw.text("installHint").strip(),
        info=_exec_info(cluster, cluster_raw, raw.flag("provideClusterInfo")),
    )


def _variable(item: Any, where: str, folder: str) -> tuple[str, str]:
    entry = _Entry(f"env of {where}", item, folder)
    name = entry.text("name")
    if not name or "=" in name or "\0" in name:
        raise CredentialsError(f"In the kubeconfig, env of {where} has an entry without a name.")
    return name, entry.text("value")


def _exec_info(cluster: ClusterEntry, raw: _Entry, provide: bool) -> Mapping[str, Any]:
    """Spell what a plugin is told; a CA that is a *file* is filled in by its runner."""
    if not provide:
        return {"interactive": False}
    about: dict[str, Any] = {"server": cluster.server}
    if cluster.tls_server_name:
        about["tls-server-name"] = cluster.tls_server_name
    if cluster.insecure:
        about["insecure-skip-tls-verify"] = True
    if cluster.ca.data:
        about["certificate-authority-data"] = base64.b64encode(cluster.ca.data).decode()
    if cluster.proxy_url:
        about["proxy-url"] = cluster.proxy_url
    if raw.flag("disable-compression"):
        about["disable-compression"] = True
    for extension in raw.items("extensions"):
        if isinstance(extension, Mapping) and extension.get("name") == _EXEC_EXTENSION:
            about["config"] = extension.get("extension")
    return {"interactive": False, "cluster": about}
