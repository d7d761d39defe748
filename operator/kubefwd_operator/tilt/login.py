"""What makes stock `kopf run` work on Tilt's apiserver.

Kopf reads `/api` at start and dies of Tilt's 404; and without a `namespaces` resource in `/api/v1`
it watches nothing, for ever, without a word (Kopf 1.45). So the session that the login
handler gives to Kopf answers these two questions itself: they are asked as `GET /version` (aiohttp
insists on a true JSON answer), and the answer's body is exchanged.

Kopf closes the session that it was given, so every login builds another.
"""

import json
import ssl
from typing import Final

import aiohttp
import kopf
from yarl import URL

from kubefwd_operator.tilt.session import TiltAccess

_ANSWERS: Final = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": "v1",
        "resources": [
            {
                "name": "namespaces",
                "singularName": "namespace",
                "kind": "Namespace",
                "namespaced": False,
                "verbs": ["list", "watch"],
            }
        ],
    },
}


def kopf_session(access: TiltAccess) -> kopf.AiohttpSession:
    """Build a session for Kopf on that Tilt. Call it inside the event loop, once per login."""
    tls = ssl.create_default_context(cadata=access.ca)
    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=tls),
        headers={"Authorization": f"Bearer {access.token}"},
        middlewares=(_answer_for_tilt,),
    )
    return kopf.AiohttpSession(server=access.server, aiohttp_session=session)


async def _answer_for_tilt(
    request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
) -> aiohttp.ClientResponse:
    answer = _ANSWERS.get(request.url.path)
    if answer is None:
        return await handler(request)
    request.url = URL(request.url).with_path("/version")
    response = await handler(request)
    await response.read()
    # aiohttp has no public way to give a response another body; a contract test holds this.
    response._body = json.dumps(answer).encode()  # noqa: SLF001
    return response
