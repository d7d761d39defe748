"""The cluster's client makes objects: what is sent, and how answers and refusals are taken."""

import json

import pytest
from aiohttp import web
from tests.unit.cluster.server import answering, client, serving

from kubefwd_operator.core import errors

PATH = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"


async def _returns(request: web.Request) -> web.Response:
    sent = json.loads(await request.read())
    about = {"method": request.method, "type": request.headers["Content-Type"], "sent": sent}
    return web.json_response({**about, "token": request.headers["Authorization"]}, status=201)


async def test_an_object_is_posted_as_json() -> None:
    async with serving(_returns) as port, client(f"http://127.0.0.1:{port}") as subject:
        assert await subject.create(PATH, {"kind": "X"}) == {
            "method": "POST",
            "type": "application/json",
            "sent": {"kind": "X"},
            "token": "Bearer t",
        }


@pytest.mark.parametrize("status", [200, 201])
async def test_what_was_made_comes_back(status: int) -> None:
    async with (
        serving(answering(status, '{"a": 1}')) as port,
        client(f"http://127.0.0.1:{port}") as subject,
    ):
        assert await subject.create(PATH, {}) == {"a": 1}


async def test_a_refusal_names_the_verb() -> None:
    async with serving(answering(403)) as port, client(f"http://127.0.0.1:{port}") as subject:
        with pytest.raises(
            errors.Forbidden, match=r"create selfsubjectaccessreviews.*can-i create"
        ):
            await subject.create(PATH, {})


async def test_a_get_takes_no_201() -> None:
    async with serving(answering(201)) as port, client(f"http://127.0.0.1:{port}") as subject:
        with pytest.raises(errors.ClusterError, match="201"):
            await subject.get(PATH)
