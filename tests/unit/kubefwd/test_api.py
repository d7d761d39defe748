"""The client of kubefwd's API: what it does when the other side is slow, odd, or somebody else.

What it does with a kubefwd is in tests/contract/kubefwd.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from tests.unit.cluster.server import serving
from tests.unit.kubefwd.test_answers import HEALTH, NO_KEY, row

from kubefwd_operator.core.errors import KubefwdForeign, KubefwdRefused, KubefwdUnreachable
from kubefwd_operator.engines.kubefwd import api as module
from kubefwd_operator.engines.kubefwd.api import KubefwdApi

KEY = "0123456789abcdef0123456789abcdef"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
Call = Callable[[KubefwdApi], Awaitable[object]]


def data(**found: Any) -> web.Response:
    return web.json_response({"success": True, "data": found})


def refusal(code: str, message: str, status: int = 409) -> web.Response:
    error = {"code": code, "message": message}
    return web.json_response({"success": False, "error": error}, status=status)


class Peer:
    """Answers what the test says, and remembers what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.asked: list[str] = []
        self.bodies: list[object] = []
        self.keys: list[str] = []
        self.at: list[float] = []
        self.running = 0
        self.most = 0

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(f"{request.method} {request.raw_path}")
        self.at.append(asyncio.get_running_loop().time())
        self.keys.append(request.headers.get("Authorization", ""))
        self.bodies.append(json.loads(await request.read() or "null"))
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            return await self._answer(request)
        finally:
            self.running -= 1


@asynccontextmanager
async def asking(answer: Answer, **options: Any) -> AsyncIterator[tuple[KubefwdApi, Peer]]:
    peer = Peer(answer)
    async with serving(peer.handle) as port:
        api = KubefwdApi(KEY, base=f"http://127.0.0.1:{port}", **{"settle": 0.0, **options})
        try:
            yield api, peer
        finally:
            await api.close()


def always(response: Callable[[], web.StreamResponse]) -> Answer:
    async def answer(_: web.Request) -> web.StreamResponse:
        return response()

    return answer


async def hang(_: web.Request) -> web.StreamResponse:
    await asyncio.sleep(3600)
    return web.Response()


EVERY_CALL: list[Any] = [
    pytest.param(KubefwdApi.health, id="health"),
    pytest.param(KubefwdApi.guarded, id="guarded"),
    pytest.param(KubefwdApi.info, id="info"),
    pytest.param(KubefwdApi.namespaces, id="namespaces"),
    pytest.param(KubefwdApi.services, id="services"),
    pytest.param(KubefwdApi.forwards, id="forwards"),
    pytest.param(KubefwdApi.errors, id="errors"),
    pytest.param(lambda api: api.add_namespace("shop"), id="add-namespace"),
    pytest.param(lambda api: api.remove_namespace("shop"), id="remove-namespace"),
    pytest.param(lambda api: api.sync("web", "shop"), id="sync"),
    pytest.param(lambda api: api.reconnect("web", "shop"), id="reconnect"),
    pytest.param(lambda api: api.add_service("web", "shop"), id="add-service"),
    pytest.param(lambda api: api.remove_service("web", "shop"), id="remove-service"),
]


@pytest.mark.parametrize("call", EVERY_CALL)
async def test_no_call_waits_for_ever(call: Call) -> None:
    async with asking(hang, seconds=0.05, change=0.05) as (api, _):
        with pytest.raises(KubefwdUnreachable, match="hangs"):
            await call(api)


@pytest.mark.parametrize("call", EVERY_CALL)
async def test_a_body_that_does_not_end_is_no_reason_to_wait(call: Call) -> None:
    async def trickle(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        await asyncio.sleep(3600)
        return response

    async with asking(trickle, seconds=0.05, change=0.05) as (api, _):
        with pytest.raises(KubefwdUnreachable, match="hangs"):
            await call(api)


@pytest.mark.parametrize("call", EVERY_CALL)
async def test_nobody_is_there(call: Call) -> None:
    async with serving(hang) as port:
        pass
    api = KubefwdApi(KEY, base=f"http://127.0.0.1:{port}")
    with pytest.raises(KubefwdUnreachable, match="nothing listens"):
        await call(api)
    await api.close()


@pytest.mark.parametrize("call", EVERY_CALL)
@pytest.mark.parametrize(
    "response",
    [
        pytest.param(lambda: web.Response(text="<h1>It works!</h1>"), id="a-web-server"),
        pytest.param(lambda: web.Response(status=404, text="404 page not found"), id="no-route"),
        pytest.param(lambda: web.json_response({"status": "UP"}), id="another-api"),
        pytest.param(
            lambda: web.Response(status=302, headers={"Location": "/elsewhere"}), id="a-redirect"
        ),
        pytest.param(
            lambda: web.Response(body=b"x", headers={"Content-Encoding": "gzip"}), id="compressed"
        ),
    ],
)
async def test_somebody_else_is_there(call: Call, response: Callable[[], web.Response]) -> None:
    async with asking(always(response)) as (api, peer):
        with pytest.raises(KubefwdForeign, match="is not our kubefwd"):
            await call(api)
        assert "/elsewhere" not in str(peer.asked)


async def test_something_is_there_that_speaks_no_http() -> None:
    async def greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0-OpenSSH_9.2\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        api = KubefwdApi(KEY, base=f"http://127.0.0.1:{port}")
        with pytest.raises(KubefwdForeign, match="speak HTTP"):
            await api.health()
        await api.close()


@pytest.mark.parametrize("call", EVERY_CALL)
async def test_one_that_is_closed_is_nobody_any_more(call: Call) -> None:
    async with asking(always(data)) as (api, _):
        pass
    with pytest.raises(KubefwdUnreachable, match="no longer ours"):
        await call(api)


async def test_one_that_is_closed_while_a_change_settles_is_nobody_any_more() -> None:
    async with asking(always(data), settle=0.2) as (api, peer):
        await api.remove_service("web", "shop")
        adding = asyncio.create_task(api.add_service("web", "shop"))
        await asyncio.sleep(0)
        await api.close()
        with pytest.raises(KubefwdUnreachable, match="no longer ours"):
            await adding
    assert len(peer.asked) == 1


async def test_it_ends_while_it_is_asked() -> None:
    async def end(request: web.Request) -> web.StreamResponse:
        assert request.transport
        request.transport.abort()
        return web.Response()

    async with asking(end) as (api, _):
        with pytest.raises(KubefwdUnreachable, match="ended the connection"):
            await api.add_namespace("shop")


async def test_an_answer_without_end_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LONGEST", 1000)
    async with asking(always(lambda: web.Response(body=b" " * 1001))) as (api, _):
        with pytest.raises(KubefwdForeign, match="no end"):
            await api.health()


async def test_the_key_goes_only_where_it_is_needed() -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        if request.path == "/api/health":
            return web.json_response(HEALTH)
        if "Authorization" not in request.headers:
            return web.json_response(NO_KEY, status=401)
        return data(version="1", startTime="2026-11-26T13:03:29Z")

    async with asking(answer) as (api, peer):
        await api.health()
        assert await api.guarded()
        await api.info()
        assert peer.keys == ["", "", f"Bearer {KEY}"]


async def test_the_key_is_in_no_message_and_no_repr() -> None:
    async with asking(always(lambda: web.json_response(NO_KEY, status=401))) as (api, _):
        with pytest.raises(KubefwdForeign, match="does not take the key") as caught:
            await api.info()
        assert KEY not in f"{caught.value!r} {api!r}"


async def test_no_proxy_of_the_environment_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    async with asking(always(lambda: web.json_response(HEALTH))) as (api, _):
        assert (await api.health()).version == "1.25.16"


@pytest.mark.parametrize(
    ("call", "asked", "body"),
    [
        pytest.param(
            lambda api: api.add_namespace("shop"),
            "POST /api/v1/namespaces",
            {"namespace": "shop", "context": "kubefwd-operator"},
            id="add-namespace",
        ),
        pytest.param(
            lambda api: api.remove_namespace("shop"),
            "DELETE /api/v1/namespaces/shop.kubefwd-operator",
            None,
            id="remove-namespace",
        ),
        pytest.param(
            lambda api: api.add_service("web", "shop"),
            "POST /api/v1/services",
            {"serviceName": "web", "namespace": "shop", "context": "kubefwd-operator"},
            id="add-service",
        ),
        pytest.param(
            lambda api: api.remove_service("web", "shop"),
            "DELETE /api/v1/services/web.shop.kubefwd-operator",
            None,
            id="remove-service",
        ),
        pytest.param(
            lambda api: api.sync("web", "shop"),
            "POST /api/v1/services/web.shop.kubefwd-operator/sync?force=true",
            None,
            id="sync",
        ),
        pytest.param(
            lambda api: api.reconnect("web", "shop"),
            "POST /api/v1/services/web.shop.kubefwd-operator/reconnect",
            None,
            id="reconnect",
        ),
        pytest.param(
            lambda api: api.reconnect("a/b?c#d%", "shop"),
            "POST /api/v1/services/a%2Fb%3Fc%23d%25.shop.kubefwd-operator/reconnect",
            None,
            id="a-name-that-no-service-has",
        ),
    ],
)
async def test_a_change(call: Call, asked: str, body: object) -> None:
    async with asking(always(data)) as (api, peer):
        await call(api)
        assert (peer.asked, peer.bodies) == ([asked], [body])
        assert peer.keys == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("call", "response"),
    [
        pytest.param(
            lambda api: api.add_namespace("shop"),
            lambda: refusal("add_namespace_failed", "already watching namespace shop in context c"),
            id="watched-already",
        ),
        pytest.param(
            lambda api: api.remove_namespace("shop"),
            lambda: refusal("remove_namespace_failed", "no watcher found", 404),
            id="not-watched",
        ),
        pytest.param(
            lambda api: api.add_service("web", "shop"),
            lambda: refusal("add_service_failed", "service w.s.c is already being forwarded"),
            id="forwarded-already",
        ),
        pytest.param(
            lambda api: api.remove_service("web", "shop"),
            lambda: refusal("remove_service_failed", "service not found: w.s.c", 404),
            id="not-forwarded",
        ),
    ],
)
async def test_what_is_so_already_is_as_good(
    call: Call, response: Callable[[], web.Response]
) -> None:
    async with asking(always(response)) as (api, _):
        await call(api)


@pytest.mark.parametrize("call", EVERY_CALL[3:])
async def test_a_refusal_is_told(call: Call) -> None:
    async with asking(always(lambda: refusal("NOT_READY", "not yet", 503))) as (api, _):
        with pytest.raises(KubefwdRefused, match="not yet") as caught:
            await call(api)
        assert caught.value.code == "NOT_READY"


async def test_changes_are_made_one_after_the_other() -> None:
    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.01)
        return data()

    async with asking(slow) as (api, peer):
        names = [f"n{number}" for number in range(5)]
        await asyncio.gather(*map(api.add_namespace, names), *map(api.remove_namespace, names))
        assert (len(peer.asked), peer.most) == (10, 1)


async def test_a_question_is_not_held_up_by_a_change() -> None:
    answered = asyncio.Event()

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.method == "POST":
            await answered.wait()
        return data(namespaces=[])

    async with asking(answer) as (api, _):
        change = asyncio.create_task(api.add_namespace("shop"))
        await api.namespaces()
        answered.set()
        await change


@pytest.mark.parametrize(
    "response",
    [
        pytest.param(data, id="done"),
        pytest.param(lambda: refusal("NOT_READY", "not yet", 503), id="refused"),
    ],
)
async def test_after_a_delete_the_next_post_waits(response: Callable[[], web.Response]) -> None:
    async def answer(request: web.Request) -> web.StreamResponse:
        return response() if request.method == "DELETE" else data()

    async with asking(answer, settle=0.2) as (api, peer):
        for name in ("one", "two"):
            await asyncio.gather(api.remove_namespace(name), return_exceptions=True)
        await api.add_namespace("one")
        await api.add_namespace("two")
        one, two, again, last = peer.at
        assert two - one < 0.2 <= again - two
        assert last - again < 0.2


class Listing:
    """A list of rows that may change between two pages."""

    def __init__(self, *lists: range) -> None:
        self._lists = list(lists)
        self.pages: list[tuple[int, int]] = []

    async def answer(self, request: web.Request) -> web.StreamResponse:
        limit, offset = (int(request.query[name]) for name in ("limit", "offset"))
        now = self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]
        self.pages.append((limit, offset))
        rows = [row(key=str(each), localPort=str(each)) for each in now[offset : offset + limit]]
        return data(forwards=rows, summary={"totalForwards": len(now)})


@pytest.mark.parametrize(
    ("lists", "offsets", "ports"),
    [
        pytest.param([range(0)], [0], range(0), id="none"),
        pytest.param([range(3)], [0], range(3), id="less-than-a-page"),
        pytest.param([range(4)], [0, 4], range(4), id="exactly-a-page"),
        pytest.param([range(10)], [0, 4, 8], range(10), id="three-pages"),
        pytest.param(
            [range(6), range(1, 6)], [0, 4, 0, 4], range(1, 6), id="a-row-ends-between-two-pages"
        ),
        pytest.param(
            [range(1, 6), range(6), range(6)], [0, 4, 0, 4], range(6), id="a-row-slips-in-front"
        ),
    ],
)
async def test_a_list_of_any_length(
    monkeypatch: pytest.MonkeyPatch, lists: list[range], offsets: list[int], ports: range
) -> None:
    monkeypatch.setattr(module, "PAGE", 4)
    listing = Listing(*lists)
    async with asking(listing.answer) as (api, _):
        found = await api.forwards()
    assert sorted(each.port for each in found) == list(ports)
    assert listing.pages == [(4, offset) for offset in offsets]


async def test_a_list_that_never_ends_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PAGE", 1)
    monkeypatch.setattr(module, "_PAGES", 3)
    asked = []

    async def answer(request: web.Request) -> web.StreamResponse:
        asked.append(request.query["offset"])
        return data(forwards=[row()], summary={"totalForwards": 99})

    async with asking(answer) as (api, _):
        assert len(await api.forwards()) == 1
    assert asked == ["0", "1", "2"] * 3
