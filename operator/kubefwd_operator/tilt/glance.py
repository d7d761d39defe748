"""One quick look at one of our ConfigMaps, for commands that must answer within a second.

Tilt's readiness probe runs every ten seconds; pykube-ng (with requests) takes 0.2 s to import.
This is the standard library's HTTP client instead, for exactly one GET.
"""

import http.client
import json
import ssl
from collections.abc import Mapping
from http import HTTPStatus
from urllib.parse import quote, urlsplit

from kubefwd_operator.core.errors import TiltError, TiltGone
from kubefwd_operator.tilt.session import TiltAccess

_PATH = "/apis/tilt.dev/v1alpha1/configmaps/"


def glance(access: TiltAccess, name: str, seconds: float = 3.0) -> Mapping[str, str] | None:
    """Give a ConfigMap's data, None when there is none of that name.

    Raises TiltGone when nobody answers within so many seconds, TiltError on any other refusal.
    """
    status, body = _get(access, _PATH + quote(name, safe=":"), seconds)
    if status == HTTPStatus.NOT_FOUND:
        return None
    if status != HTTPStatus.OK:
        raise TiltError(f"Tilt's apiserver answered with status {status}.")
    data: Mapping[str, str] = json.loads(body).get("data") or {}
    return data


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
