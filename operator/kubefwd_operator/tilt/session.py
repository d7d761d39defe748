"""Where Tilt's apiserver is, and what it takes to talk to it.

Tilt writes one entry per running Tilt into a kubeconfig of its own and never sets a
current-context in it, so the entry is picked by name: `tilt-default` for web port 10350, else
`tilt-<port>` (Tilt 0.37). `KUBECONFIG` has no part in this: inside a local_resource it is the
developer's cluster. Port and token change at every start of Tilt, and the entry goes at its clean
end; so "the entry is no longer the one I started with" means "my Tilt is gone".

Tilt truncates the file in place under an advisory lock on `<file>.lock`; it is read under the same
lock, shared. Only the standard library and YAML in here: the readiness probe imports it.
"""

import base64
import binascii
import fcntl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from kubefwd_operator.core.errors import TiltError, TiltGone

DEFAULT_PORT = 10350
"""Tilt's web port unless told otherwise."""

LOCK_PATIENCE = 0.5
"""Seconds to wait for Tilt to finish writing; it holds the lock for milliseconds."""


@dataclass(frozen=True, slots=True)
class TiltLocation:
    """Which Tilt: the files that may hold its entry (the first wins), and its web port."""

    paths: tuple[Path, ...]
    port: int = DEFAULT_PORT

    @property
    def context(self) -> str:
        """The entry's name, the same for context, cluster and user."""
        return "tilt-default" if self.port == DEFAULT_PORT else f"tilt-{self.port}"


@dataclass(frozen=True, slots=True)
class TiltAccess:
    """One running Tilt: address, certificate authority (PEM) and bearer token."""

    context: str
    server: str
    ca: str
    token: str

    def __repr__(self) -> str:
        """Without the token, which is as good as a shell on this account."""
        return f"TiltAccess({self.context} at {self.server})"


def config_paths(env: Mapping[str, str], home: Path) -> tuple[Path, ...]:
    """List the files that Tilt's own client reads, in its order (wmclient, `TILT_CONFIG`)."""
    listed = tuple(Path(part) for part in env.get("TILT_CONFIG", "").split(":") if part)
    if listed:
        return listed
    for variable in ("TILT_DEV_DIR", "WMDAEMON_HOME", "WINDMILL_DIR"):
        if env.get(variable):
            return (Path(env[variable]) / "config",)
    windmill = home / ".windmill"
    return ((windmill if windmill.is_dir() else home / ".tilt-dev") / "config",)


def read_access(location: TiltLocation) -> TiltAccess:
    """Read the entry of that Tilt.

    Raises TiltGone when no file has the entry, and TiltError when a file cannot be understood.
    """
    documents = [_document(path) for path in location.paths if path.exists()]
    name = location.context
    cluster, user = _named(documents, "clusters", name), _named(documents, "users", name)
    if not cluster.get("server") or not user.get("token"):
        files = ", ".join(str(path) for path in location.paths)
        raise TiltGone(
            f"No Tilt runs on port {location.port}: there is no entry {name} in {files}. "
            "Start `tilt up`, or give the port of the one that runs."
        )
    ca = _pem(str(cluster.get("certificate-authority-data", "")), name)
    return TiltAccess(name, str(cluster["server"]), ca, str(user["token"]))


def _named(documents: list[Mapping[str, Any]], section: str, name: str) -> Mapping[str, Any]:
    for document in documents:
        for entry in document.get(section) or ():
            if entry.get("name") == name:
                found: Mapping[str, Any] = entry.get(section[:-1]) or {}
                return found
    return {}


def _pem(data: str, name: str) -> str:
    try:
        return base64.b64decode(data, validate=True).decode("ascii")
    except (binascii.Error, UnicodeDecodeError) as error:
        raise TiltError(
            f"The certificate of entry {name} in Tilt's kubeconfig is damaged."
        ) from error


def _document(path: Path) -> Mapping[str, Any]:
    try:
        with _shared_lock(path.with_name(path.name + ".lock")):
            loaded = yaml.load(path.read_bytes(), Loader=_LOADER)  # noqa: S506 - a safe loader
    except (OSError, yaml.YAMLError) as error:
        raise TiltError(
            f"Tilt's kubeconfig {path} cannot be read: {type(error).__name__}."
        ) from error
    return loaded if isinstance(loaded, dict) else {}


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@contextmanager
def _shared_lock(path: Path) -> Iterator[None]:
    """Hold Tilt's lock shared; without a lock file (nobody ever wrote) there is nothing to hold."""
    try:
        file = path.open("rb")
    except OSError:
        yield
        return
    with file:
        deadline = time.monotonic() + LOCK_PATIENCE
        while not _try_lock(file.fileno()) and time.monotonic() < deadline:
            time.sleep(0.01)
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
