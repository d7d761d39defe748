"""One quick look at one of Tilt's objects, for commands that must answer within a second.

Tilt's readiness probe runs every ten seconds; pykube-ng (with requests) takes 0.2 s to import.
This is the standard library's HTTP client instead, for exactly one GET.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, urlsplit

from kubefwd_operator.core.errors import TiltError, TiltGone
from kubefwd_operator.tilt.session import TiltAccess

_PATH = "/apis/tilt.dev/v1alpha1/"


def glance(access: TiltAccess, name: str, seconds: float = 3.0) -> Mapping[str, str] | None:
    """Give a ConfigMap's data, None when there is none of that name. Raises as `find`."""
    found = find(access, "configmaps", name, seconds)
    data: Mapping[str, str] | None = None if found is None else found.get("data") or {}
    return data


def find(
    access: TiltAccess, kind: str, name: str, seconds: float = 3.0
) -> Mapping[str, Any] | None:
    """Give one object (`kind` as in the API's path), None when there is none of that name.

    Raises TiltGone when nobody answers within so many seconds, TiltError on any other refusal.
    """
    status, body = _get(access, f"{_PATH}{kind}/{quote(name, safe=':')}", seconds)
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status != HTTPStatus.OK:
        raise TiltError(f"Tilt's apiserver answered with status {status}.")
    found: Mapping[str, Any] = json.loads(body)
    return found


def _get(access: TiltAccess, path: str, seconds: float) -> tuple[int, bytes]:
    tls = ssl.create_default_context(cadata=access.ca)
    address = urlsplit(access.server)
    connection = http.client.HTTPSConnection(address.netloc, timeout=seconds, context=tls)
    try:
        connection.request("GET", path, headers={"Authorization": f"Bearer {access.token}"})
        response = connection.getresponse()
        return response.status, response.read()
    except (OSError, http.client.HTTPException) as error:
        raise TiltGone(
            f"Tilt's apiserver at {address.netloc} does not answer: is `tilt up` still running?"
        ) from error
    finally:
        connection.close()
