"""The `exec` part of a kubeconfig's user: which plugin, and what it is told. Pure."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kubefwd_operator.cluster.entry import Entry
from kubefwd_operator.core.errors import CredentialsError, CredentialsUnsupported

EXEC_VERSIONS = (
    "client.authentication.k8s.io/v1",
    "client.authentication.k8s.io/v1beta1",
)
_EXEC_EXTENSION = "client.authentication.k8s.io/exec"


@dataclass(frozen=True, slots=True)
class ExecSpec:
    """The exec plugin of a user entry. `info` is what KUBERNETES_EXEC_INFO's spec carries."""

    command: str
    api_version: str
    args: tuple[str, ...] = field(default=(), repr=False)
    env: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    install_hint: str = ""
    info: Mapping[str, Any] = field(default_factory=dict, repr=False)


def parse_exec(user: Entry, cluster: Entry) -> ExecSpec | None:
    """Read the `exec` of a user entry; None without one. Raises CredentialsError."""
    if not user.raw.get("exec"):
        return None
    raw = Entry(f"exec of {user.where}", user.raw["exec"], user.folder)
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
        env=tuple(_variable(item, raw) for item in raw.items("env")),
        install_hint=raw.text("installHint").strip(),
        info=_info(cluster, raw.flag("provideClusterInfo")),
    )


def _variable(item: Any, raw: Entry) -> tuple[str, str]:
    entry = Entry(f"env of {raw.where}", item, raw.folder)
    name = entry.text("name")
    if not name or "=" in name or "\0" in name:
        raise CredentialsError(
            f"In the kubeconfig, env of {raw.where} has an entry without a name."
        )
    return name, entry.text("value")


def _info(cluster: Entry, provide: bool) -> Mapping[str, Any]:
    """Spell what a plugin is told; a CA that is a *file* is filled in by its runner."""
    if not provide:
        return {"interactive": False}
    about: dict[str, Any] = {"server": cluster.text("server")}
    for key in ("tls-server-name", "proxy-url"):
        if cluster.text(key):
            about[key] = cluster.text(key)
    for key in ("insecure-skip-tls-verify", "disable-compression"):
        if cluster.flag(key):
            about[key] = True
    ca = cluster.pem("certificate-authority")
    if ca.data:
        about["certificate-authority-data"] = base64.b64encode(ca.data).decode()
    for extension in cluster.items("extensions"):
        if isinstance(extension, Mapping) and extension.get("name") == _EXEC_EXTENSION:
            about["config"] = extension.get("extension")
    return {"interactive": False, "cluster": about}
