"""From a kubeconfig to what a request needs: address, headers, TLS context, proxy.

`load` reads the file and gives an `Access`. `Access.grant()` answers, for each request, with the
headers and the TLS context of this moment: token files and certificate files are read again when
they change, exec plugins are asked (see plugin.py and execution.py). A 401 goes through
`Access.renew(grant)`, which gives a different grant once, or raises `CredentialsExpired`.

kubernetes 37's own asyncio loader ignores `as`, gives HTTP to socks5 proxies, runs an expired
plugin again every 60 s, takes no client certificates from plugins and has no time-out, so it is
not used: `Access` is what client.py fills the library's Configuration from.
"""

import base64
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import yaml

from kubefwd_operator.cluster import handover, tls
from kubefwd_operator.cluster.entry import Pem
from kubefwd_operator.cluster.execution import Credential, environment
from kubefwd_operator.cluster.handover import Handover
from kubefwd_operator.cluster.kubeconfig import Kubeconfig, UserEntry, parse
from kubefwd_operator.cluster.plugin import ExecPlugin
from kubefwd_operator.cluster.proxy import environment_proxy
from kubefwd_operator.core.errors import CredentialsError, CredentialsExpired
from kubefwd_operator.core.model import ClusterRef

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """What one request is sent with. Compared by identity: another grant is another credential."""

    headers: Headers = field(repr=False)
    tls: ssl.SSLContext | None
    credential: Credential | None = field(default=None, repr=False)


def load(ref: ClusterRef, env: Mapping[str, str] | None = None) -> "Access":
    """Read the kubeconfig that `ref` names; blocks on the file, so call it in a thread.

    `env` is the developer's environment (for exec plugins and proxies), the process's when None.
    Raises CredentialsError, CredentialsUnsupported.
    """
    path = Path(ref.config_path)
    try:
        document = yaml.load(path.read_bytes(), getattr(yaml, "CSafeLoader", yaml.SafeLoader))  # noqa: S506
    except OSError as error:
        raise CredentialsError(
            f"The kubeconfig {path} cannot be read ({error.strerror}): Tilt writes it at its "
            "start, so restart Tilt."
        ) from error
    except yaml.YAMLError as error:
        raise CredentialsError(
            f"The kubeconfig {path} is not YAML: look at it with kubectl config view."
        ) from error
    config = parse(document or {}, ref.context, str(path.absolute().parent))
    return Access(config, os.environ if env is None else env)


class Access:
    """The way into one cluster. Give its `plugin` a chance to end with `close()`."""

    def __init__(
        self,
        config: Kubeconfig,
        env: Mapping[str, str],
        *,
        plugin: ExecPlugin | None = None,
    ) -> None:
        cluster, user = config.cluster, config.user
        self.context = config.context
        self.server = cluster.server
        self.tls_server_name = cluster.tls_server_name
        self.proxy = cluster.proxy_url or environment_proxy(cluster.server, env)
        self._cluster, self._user = cluster, user
        self._files = _Files()
        self._plugin = plugin
        if user.exec and not (user.token or user.token_file) and plugin is None:
            ca = self._files.read(cluster.ca)
            self._plugin = ExecPlugin(user.exec, environment(user.exec, env, ca))
        self._grant: Grant | None = None
        self._made_from: tuple[object, ...] = ()
        self._tls_from: tuple[bytes, ...] = ()

    async def grant(self) -> Grant:
        """Headers and TLS context for the next request; raises CredentialsError."""
        credential = await self._plugin.credential() if self._plugin else None
        return self._compose(credential)

    async def renew(self, refused: Grant) -> Grant:
        """After a 401: another grant than `refused`; raises CredentialsExpired without one."""
        if self._plugin and refused.credential:
            self._plugin.reject(refused.credential)
        fresh = await self.grant()
        if fresh is refused:
            raise CredentialsExpired(
                f"The cluster refused the credentials of context {self.context!r} (401): log in "
                "again, restart Tilt if it made a new kubeconfig, then click Refresh."
            )
        return fresh

    def refuse(self, refused: Grant) -> CredentialsExpired:
        """After a 401 to a grant that was just renewed: the error to raise."""
        if self._plugin and refused.credential:
            self._plugin.reject(refused.credential)
        return CredentialsExpired(
            f"The cluster refused even fresh credentials of context {self.context!r} (401): log "
            "in again, then click Refresh."
        )

    def accept(self, grant: Grant) -> None:
        """Note that the cluster answered this grant with anything but a 401."""
        if self._plugin and grant.credential:
            self._plugin.accept(grant.credential)

    async def handover(self, margin: float = 0.0) -> Handover:
        """Give what kubefwd needs, as values, good for `margin` seconds if that can be had.

        Exec plugins run here, as the developer. Raises CredentialsError; CredentialsUnsupported for
        what kubefwd is not given.
        """
        handover.require_supported(self._cluster, self._user, self.proxy)
        credential = await self._plugin.credential(margin) if self._plugin else None
        certificate, key = self._certificate(credential)
        access = handover.access(
            self._cluster,
            ca=self._files.read(self._cluster.ca),
            certificate=certificate,
            key=key,
            token=self._token(credential),
        )
        return Handover(access, credential.expires if credential else None)

    async def close(self) -> None:
        """Stop a plugin that is running."""
        if self._plugin:
            await self._plugin.close()

    def _compose(self, credential: Credential | None) -> Grant:
        """Make the grant of this moment; the same object as long as nothing has changed."""
        user = self._user
        token = self._token(credential)
        certificate, key = self._certificate(credential)
        tls_from = (self._files.read(self._cluster.ca), certificate, key)
        made_from = (*tls_from, token, credential and credential.serial)
        if self._grant is None or made_from != self._made_from:
            context = self._grant.tls if self._grant and tls_from == self._tls_from else None
            context = context or self._context(*tls_from)
            self._grant = Grant(headers(user, token), context, credential)
            self._made_from, self._tls_from = made_from, tls_from
        return self._grant

    def _certificate(self, credential: Credential | None) -> tuple[bytes, bytes]:
        if credential and credential.certificate:
            return credential.certificate, credential.key
        return self._files.read(self._user.certificate), self._files.read(self._user.key)

    def _token(self, credential: Credential | None) -> str:
        user = self._user
        if user.token_file:
            try:
                return (
                    self._files.read(Pem(path=user.token_file)).decode("utf-8", "replace").strip()
                )
            except CredentialsError:
                if not user.token:
                    raise
        return user.token or (credential.token if credential else "")

    def _context(self, ca: bytes, certificate: bytes, key: bytes) -> ssl.SSLContext | None:
        if not self.server.startswith("https:"):
            return None
        insecure = self._cluster.insecure
        return tls.build(ca=ca, insecure=insecure, certificate=certificate, key=key)


def headers(user: UserEntry, token: str) -> Headers:
    """Spell Authorization and Impersonate-* headers, in client-go's spelling."""
    found: list[tuple[str, str]] = []
    if token:
        if not token.isprintable() or not token.isascii():
            raise CredentialsError("The token of the kubeconfig has characters that no token has.")
        found.append(("Authorization", f"Bearer {token}"))
    elif user.username:
        pair = base64.b64encode(f"{user.username}:{user.password}".encode()).decode()
        found.append(("Authorization", f"Basic {pair}"))
    if user.impersonation:
        found.append(("Impersonate-User", user.impersonation.user))
        if user.impersonation.uid:
            found.append(("Impersonate-Uid", user.impersonation.uid))
        found += [("Impersonate-Group", group) for group in user.impersonation.groups]
        for key, values in user.impersonation.extra:
            name = quote(key.lower(), safe="!#$&'*+-.^_`|~")
            found += [(f"Impersonate-Extra-{name}", value) for value in values]
    if any(re.search(r"[\r\n\0]", value) for _, value in found):
        raise CredentialsError("A user or group to impersonate contains a line break: remove it.")
    return tuple(found)


class _Files:
    """Small files that are read again when they change."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[tuple[int, int, int], bytes]] = {}

    def read(self, pem: Pem) -> bytes:
        """Give the inline data or the file's content; raises CredentialsError."""
        if pem.data or not pem.path:
            return pem.data
        try:
            state = Path(pem.path).stat()
            mark = (state.st_mtime_ns, state.st_size, state.st_ino)
            known = self._known.get(pem.path)
            if known is None or known[0] != mark:
                known = self._known[pem.path] = (mark, Path(pem.path).read_bytes())
        except OSError as error:
            raise CredentialsError(
                f"The file {pem.path} that the kubeconfig names cannot be read "
                f"({error.strerror}): log in again, or correct the kubeconfig."
            ) from error
        return known[1]
