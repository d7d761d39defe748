"""Tilt's objects, read and written through pykube-ng in one worker thread.

Truth is a list: Tilt's watch loses deletions and replays everything else (Tilt 0.37). A
`read` is one job in the thread: list the kinds that a pass needs, get our own ConfigMaps. What is
ours among rows and commands carries our label; Tilt's own are not even listed. Written are only
objects of ours: what Tilt or somebody else made is refused or left alone, whatever its name.

pykube-ng would write the certificate authority into a guessable file in /tmp, and requests would
send loopback through the developer's proxy; neither happens here.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar

import pykube
import requests
from pykube.exceptions import HTTPError

from kubefwd_operator.core import memory, report
from kubefwd_operator.core.errors import TiltConflict, TiltError, TiltGone
from kubefwd_operator.tilt.kinds import (
    Cluster,
    Cmd,
    ConfigMap,
    KubernetesApply,
    KubernetesDiscovery,
    Session,
    TiltObject,
    UIButton,
    UIResource,
)
from kubefwd_operator.tilt.session import TiltAccess
from kubefwd_operator.tilt.worker import Worker

_T = TypeVar("_T")
Raw = Mapping[str, Any]
"""One object as Tilt's apiserver gives it."""

CONNECT_SECONDS, READ_SECONDS, CALL_SECONDS = 2.0, 5.0, 8.0
"""Time-outs: of a connection, of a silence within an answer, and of a whole call."""

STATUS, MEMORY = report.CONFIG_MAP, memory.CONFIG_MAP
"""The ConfigMaps that the operator owns."""

LABELS = {"app.kubernetes.io/managed-by": "kubefwd-operator"}
"""On all that we make. Tilt's page makes no group of a label with a `/` (0.37)."""


@dataclass(frozen=True, slots=True)
class TiltObjects:
    """Everything that one pass looks at, as it was within one read.

    `maps` are ours, by name; `rows` (UIResources) and `commands` (Cmds) those that we made.
    """

    discoveries: tuple[Raw, ...] = ()
    applies: tuple[Raw, ...] = ()
    clusters: tuple[Raw, ...] = ()
    buttons: tuple[Raw, ...] = ()
    sessions: tuple[Raw, ...] = ()
    maps: Mapping[str, Raw] = field(default_factory=dict)
    rows: tuple[Raw, ...] = ()
    commands: tuple[Raw, ...] = ()

    def data(self, name: str) -> dict[str, str] | None:
        """Give the data of one of our ConfigMaps; None when it does not exist."""
        found = self.maps.get(name)
        return None if found is None else dict(found.get("data") or {})


class TiltClient:
    """Reads and writes one Tilt. Every call raises TiltGone, TiltConflict or TiltError only."""

    def __init__(self, access: TiltAccess, private: Path) -> None:
        """`private` is a directory of the developer's alone, mode 0700, for the authority file."""
        self._api = _http_client(access, _authority_file(access, private))
        self._worker = Worker("tilt")

    async def read(self) -> TiltObjects:
        """List what a pass needs."""
        return await self._call(self._read)

    async def write(self, name: str, data: Mapping[str, str], seen: Raw | None) -> None:
        """Create our ConfigMap, or replace the one that was `seen`.

        Raises TiltConflict when it is not any more what was seen: read again.
        """
        await self._call(lambda: self._write(name, dict(data), seen))

    async def change_button(self, seen: Raw, spec: Raw) -> None:
        """Give the button of ours that was `seen` another look.

        Raises TiltConflict when it is not any more what was seen: read again.
        """
        await self._call(lambda: self._put(UIButton(self._api, dict(seen) | {"spec": spec})))

    async def find(self, kind: type[TiltObject], name: str) -> Raw | None:
        """Give one object, whoever made it; None when there is none of that name."""
        return await self._call(lambda: self._get(kind, name))

    async def create(self, kind: type[TiltObject], content: Raw) -> None:
        """Make an object with its metadata; a status in it is kept (Tilt 0.37).

        Raises TiltConflict when there is one of that name already.
        """
        await self._call(kind(self._api, _whole(kind, content)).create)

    async def show(self, kind: type[TiltObject], seen: Raw, status: Raw) -> None:
        """Replace the status of an object. Raises TiltConflict when it is not what was `seen`."""
        await self._call(lambda: self._show(kind, seen, status))

    async def delete(self, kind: type[TiltObject], name: str) -> None:
        """Delete an object; one that has gone meanwhile is no error."""
        await self._call(kind(self._api, {"metadata": {"name": name}}).delete)

    async def list_ours(self, kind: type[TiltObject]) -> tuple[Raw, ...]:
        """List what we made of a kind, or an operator before us."""
        return await self._call(lambda: self._list(kind, ours=True))

    async def run(self, function: Callable[[], _T]) -> _T:
        """Run something slow and harmless (parsing) in the thread, off the event loop."""
        return await self._worker.run(function, CALL_SECONDS)

    def close(self) -> None:
        """Give up; a call at hand ends by itself, and nobody waits for it."""
        self._worker.close()

    async def _call(self, function: Callable[[], _T]) -> _T:
        try:
            with _mapped():
                return await self._worker.run(function, CALL_SECONDS)
        except TimeoutError as error:
            raise TiltError(f"Tilt has not answered within {CALL_SECONDS:.0f} s.") from error

    def _read(self) -> TiltObjects:
        return TiltObjects(
            discoveries=self._list(KubernetesDiscovery),
            applies=self._list(KubernetesApply),
            clusters=self._list(Cluster),
            buttons=self._list(UIButton),
            sessions=self._list(Session),
            maps={
                name: raw
                for name in (STATUS, MEMORY)
                if (raw := self._get(ConfigMap, name)) is not None
            },
            rows=self._list(UIResource, ours=True),
            commands=self._list(Cmd, ours=True),
        )

    def _list(self, kind: type[TiltObject], *, ours: bool = False) -> tuple[Raw, ...]:
        query = kind.objects(self._api).filter(selector=LABELS if ours else None)
        # Raw, not through Query's objects: those copy each, a third of a core at 1,000 objects.
        return tuple(query.execute().json().get("items") or ())

    def _get(self, kind: type[TiltObject], name: str) -> Raw | None:
        found = kind.objects(self._api).get_or_none(name=name)
        return None if found is None else found.obj

    def _show(self, kind: type[TiltObject], seen: Raw, status: Raw) -> None:
        target = kind(self._api, dict(seen) | {"status": dict(status)})
        body = json.dumps(target.obj)
        response = self._api.put(**target.api_kwargs(data=body, subresource="status"))
        if response.status_code == HTTPStatus.NOT_FOUND:
            raise TiltConflict("The object has gone meanwhile.")
        self._api.raise_for_status(response)

    def _write(self, name: str, data: dict[str, str], seen: Raw | None) -> None:
        if seen is None:
            content = {"metadata": {"name": name, "labels": LABELS}, "data": data}
            ConfigMap(self._api, _whole(ConfigMap, content)).create()
        elif seen["metadata"].get("ownerReferences"):
            raise TiltError(
                f"The ConfigMap {name} belongs to a Tiltfile: rename it there, this name is ours."
            )
        else:
            self._put(ConfigMap(self._api, dict(seen) | {"data": data}))

    def _put(self, target: TiltObject) -> None:
        """Replace what was read; 409 when it has changed since."""
        response = self._api.put(**target.api_kwargs(data=json.dumps(target.obj)))
        self._api.raise_for_status(response)


def _whole(kind: type[TiltObject], content: Raw) -> dict[str, Any]:
    return {"apiVersion": TiltObject.version, "kind": kind.kind, **content}


def _http_client(access: TiltAccess, authority: Path) -> Any:
    name = access.context
    cluster = {"server": access.server, "certificate-authority": str(authority)}
    document = {
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": {"token": access.token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }
    config = pykube.KubeConfig(document, current_context=name)
    client = pykube.HTTPClient(config, timeout=(CONNECT_SECONDS, READ_SECONDS))
    client.session.trust_env = False
    client.session.headers["Accept-Encoding"] = "identity"
    return client


def _authority_file(access: TiltAccess, private: Path) -> Path:
    path = private / f"{access.context}.crt"
    fresh = path.with_suffix(".new")
    fresh.write_text(access.ca)
    fresh.replace(path)
    return path


@contextmanager
def _mapped() -> Iterator[None]:
    """Turn what pykube-ng and requests raise into our own errors."""
    try:
        yield
    except requests.Timeout as error:
        raise TiltError("Tilt's apiserver is slow: a call has timed out.") from error
    except requests.ConnectionError as error:
        raise TiltGone("Tilt's apiserver does not answer any more.") from error
    except (HTTPError, requests.HTTPError) as error:
        raise _refusal(_code(error)) from error
    except requests.RequestException as error:
        raise TiltError(f"Talking to Tilt failed: {type(error).__name__}.") from error


def _code(error: HTTPError | requests.HTTPError) -> int:
    if isinstance(error, HTTPError):
        return int(error.code)
    return error.response.status_code if error.response is not None else 0


def _refusal(code: int) -> TiltError:
    if code == HTTPStatus.CONFLICT:
        return TiltConflict("The object has changed meanwhile.")
    if code == HTTPStatus.FORBIDDEN:
        # Tilt never says 401; a token that it does not know is another Tilt's (Tilt 0.37).
        return TiltGone("Another Tilt answers at the address of ours.")
    if code == HTTPStatus.NOT_FOUND:
        return TiltError("This Tilt lacks a kind that is needed: install Tilt 0.37 or newer.")
    return TiltError(f"Tilt's apiserver answered with status {code}.")
