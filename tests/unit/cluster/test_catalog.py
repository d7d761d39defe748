"""The catalog as a part: sessions, coalescing, sleep of the machine. Real HTTP underneath."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from tests.unit.cluster.server import serving, until

from kubefwd_operator.cluster import catalog as catalog_module
from kubefwd_operator.cluster import census
from kubefwd_operator.cluster.catalog import Catalog
from kubefwd_operator.cluster.credentials import Access
from kubefwd_operator.cluster.kubeconfig import ClusterEntry, Kubeconfig, UserEntry
from kubefwd_operator.core.errors import CredentialsError
from kubefwd_operator.core.model import (
    CatalogSeen,
    ClusterRef,
    Desired,
    DesiredNamespace,
    Service,
    Source,
)
from kubefwd_operator.core.reason import Reason

REF = ClusterRef("/kubeconfig", "dev", "c")


def desired(*names: str, ref: ClusterRef | None = REF, generation: int = 0) -> Desired:
    wanted = tuple(DesiredNamespace(name, Source.TILT) for name in names)
    return Desired(ref, wanted, generation=generation)


class Api:
    """Namespaces with nothing in them, and watches that stay silent."""

    def __init__(self) -> None:
        self.lists: list[str] = []
        self.links: list[object] = []
        self.pods: list[dict[str, object]] = []
        self.status = 200
        self.names: list[str] = []
        self.names_status = 200

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.query.get("watch"):
            stream = web.StreamResponse()
            await stream.prepare(request)
            await asyncio.sleep(30)
            return stream
        if self.status != 200:
            return web.Response(status=self.status)
        if request.path == "/api/v1/namespaces":
            namespaces = [{"metadata": {"name": name}} for name in self.names]
            return web.json_response({"items": namespaces}, status=self.names_status)
        self.links.append(request.transport)
        self.lists.append(request.path_qs.removeprefix("/api/v1/namespaces/"))
        items = self.pods if "/pods" in request.path else []
        return web.json_response({"metadata": {"resourceVersion": "1"}, "items": items})


class Subject:
    """A running catalog on an Api."""

    def __init__(self, port: int) -> None:
        self.told = 0
        self.loaded: list[str] = []
        self.jump = 0.0
        self.error: Exception | None = None
        self.port = port
        self.catalog = Catalog(self._changed, load=self._load, wall=lambda: time.time() + self.jump)

    def _changed(self) -> None:
        self.told += 1

    def _load(self, ref: ClusterRef) -> Access:
        self.loaded.append(ref.context)
        if self.error:
            raise self.error
        entry = ClusterEntry(f"http://127.0.0.1:{self.port}")
        return Access(Kubeconfig(ref.context, entry, UserEntry(token="t")), {})


@asynccontextmanager
async def running(api: Api) -> AsyncIterator[Subject]:
    async with serving(api) as port:
        subject = Subject(port)
        subject.catalog.start()
        try:
            yield subject
        finally:
            await subject.catalog.close()


def synced(subject: Subject) -> bool:
    namespaces = subject.catalog.seen().namespaces
    return bool(namespaces) and all(each.synced for each in namespaces.values())


async def test_a_wish_before_the_start_is_kept() -> None:
    async with serving(Api()) as port:
        subject = Subject(port)
        subject.catalog.want(desired("shop"))
        assert subject.catalog.seen() == CatalogSeen()
        subject.catalog.start()
        await until(lambda: synced(subject))
        await subject.catalog.close()


async def test_no_cluster_is_nothing() -> None:
    async with running(Api()) as subject:
        subject.catalog.want(desired("shop", ref=None))
        assert subject.catalog.seen() == CatalogSeen()
        assert subject.catalog.client is None
        assert await subject.catalog.failing(Service("shop", "web", selector={"a": "b"})) == ""


async def test_the_wish_is_seen_at_once_and_told_once() -> None:
    async with running(Api()) as subject:
        subject.catalog.want(desired("shop", "bank"))
        seen = subject.catalog.seen()
        assert (seen.cluster, list(seen.namespaces)) == (REF, ["shop", "bank"])
        assert not synced(subject)
        await until(lambda: synced(subject))
        await asyncio.sleep(0.05)
        told = subject.told
        subject.catalog.want(desired("shop", "bank"))
        await asyncio.sleep(0.05)
        assert subject.told == told, "the same wish again changes nothing"


async def test_a_namespace_comes_without_disturbing_the_others() -> None:
    api = Api()
    async with running(api) as subject:
        subject.catalog.want(desired("shop"))
        await until(lambda: synced(subject))
        before = list(api.lists)
        subject.catalog.want(desired("shop", "bank"))
        await until(lambda: synced(subject))
        assert not [each for each in api.lists[len(before) :] if each.startswith("shop/")]
        assert subject.loaded == ["dev"]


async def test_the_same_namespace_twice_is_one() -> None:
    async with running(Api()) as subject:
        subject.catalog.want(desired("shop", "shop"))
        await until(lambda: synced(subject))
        assert list(subject.catalog.seen().namespaces) == ["shop"]


@pytest.mark.parametrize(
    "change",
    [desired("shop", generation=1), desired("shop", ref=ClusterRef("/other", "prod", "p"))],
    ids=["refresh", "another cluster"],
)
async def test_a_new_session_starts_anew(change: Desired) -> None:
    async with running(Api()) as subject:
        subject.catalog.want(desired("shop"))
        await until(lambda: synced(subject))
        client = subject.catalog.client
        subject.catalog.want(change)
        assert not synced(subject)
        assert subject.catalog.seen().cluster == change.cluster
        await until(lambda: synced(subject))
        assert subject.catalog.client is not client
        assert len(subject.loaded) == 2


async def test_a_kubeconfig_that_cannot_be_used_is_the_clusters_problem() -> None:
    async with running(Api()) as subject:
        subject.error = CredentialsError("No.")
        subject.catalog.want(desired("shop"))
        await until(lambda: subject.catalog.seen().problem)
        problem = subject.catalog.seen().problem
        assert problem is not None
        assert (problem.reason, problem.message) == (Reason.CREDENTIALS_FAILED, "No.")
        subject.error = None
        subject.catalog.want(desired("shop", generation=1))
        await until(lambda: synced(subject))
        assert subject.catalog.seen().problem is None


async def test_what_nobody_foresaw_is_a_problem_too(caplog: pytest.LogCaptureFixture) -> None:
    async with running(Api()) as subject:
        subject.error = RuntimeError("hush")
        subject.catalog.want(desired("shop"))
        await until(lambda: subject.catalog.seen().problem)
        problem = subject.catalog.seen().problem
        assert problem is not None
        assert problem.reason is Reason.INTERNAL_ERROR
        assert "RuntimeError" in problem.message
        assert "hush" not in problem.message
        assert "RuntimeError" in caplog.text


async def test_a_sleep_of_the_machine_lists_everything_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(catalog_module, "CLOCK_LOOK", 0.05)
    api = Api()
    async with running(api) as subject:
        subject.catalog.want(desired("shop"))
        await until(lambda: synced(subject))
        await asyncio.sleep(0.15)
        before = api.lists.count("shop/services")
        assert before == 1
        links = set(api.links)
        api.links.clear()
        subject.jump = 3600.0
        await until(lambda: api.lists.count("shop/services") == 2)
        await asyncio.sleep(0.15)
        assert api.lists.count("shop/services") == 2, "one sleep, one list"
        assert synced(subject)
        assert not links & set(api.links), "the old connections may be dead"


async def test_the_credentials_are_those_of_the_client() -> None:
    async with running(Api()) as subject:
        assert subject.catalog.access is None
        subject.catalog.want(desired())
        await until(lambda: subject.catalog.client)
        access = subject.catalog.access
        assert access is not None
        assert (await access.grant()).tls is None
        subject.catalog.want(desired(generation=1))
        await until(lambda: subject.catalog.access not in (None, access))


async def test_the_namespaces_of_the_cluster_are_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(census, "PERIOD", 0.02)
    api = Api()
    api.names = ["shop", "bank"]
    async with running(api) as subject:
        subject.catalog.want(desired())
        await until(lambda: subject.catalog.seen().available == ("bank", "shop"))
        told = subject.told
        api.names.append("tools")
        await until(lambda: subject.catalog.seen().available == ("bank", "shop", "tools"))
        await until(lambda: subject.told > told)


async def test_who_may_not_list_namespaces_gets_no_offer_and_no_complaint() -> None:
    api = Api()
    api.names_status = 403
    async with running(api) as subject:
        subject.catalog.want(desired("shop"))
        await until(lambda: synced(subject))
        await until(lambda: subject.catalog.seen().available == ())
        assert subject.catalog.seen().problem is None


async def test_failing_asks_for_the_selectors_pods() -> None:
    api = Api()
    waiting = {"state": {"waiting": {"reason": "ErrImagePull"}}}
    api.pods = [{"metadata": {}, "status": {"containerStatuses": [waiting]}}]
    async with running(api) as subject:
        subject.catalog.want(desired())
        await until(lambda: subject.catalog.client)
        service = Service("shop", "web", selector={"app": "web", "tier": "a"})
        assert await subject.catalog.failing(service) == "ErrImagePull"
        assert "shop/pods?labelSelector=app%3Dweb,tier%3Da" in api.lists
        assert await subject.catalog.failing(Service("shop", "bare")) == ""
        subject.port = 1
        subject.catalog.want(desired(generation=1))
        await until(lambda: subject.catalog.client)
        assert await subject.catalog.failing(service) == "", "not known is not failing"


async def test_a_dial_tells_that_credentials_have_expired_while_watches_live_on() -> None:
    api = Api()
    async with running(api) as subject:
        catalog = subject.catalog
        catalog.want(desired("shop"))
        await until(lambda: synced(subject))
        assert catalog.client is not None
        api.status = 401
        with pytest.raises(CredentialsError):
            await catalog.client.websocket("/api/v1/portforward", protocols=("v4.channel.k8s.io",))
        problem = catalog.seen().problem
        assert problem is not None
        assert problem.reason is Reason.CREDENTIALS_EXPIRED
        told = subject.told
        await until(lambda: subject.told > told)

        api.status = 200
        await catalog.client.get("/api/v1/namespaces/shop/pods")
        assert catalog.seen().problem is None


async def test_close_leaves_nothing_running() -> None:
    async with running(Api()) as subject:
        subject.catalog.want(desired("shop"))
        await until(lambda: synced(subject))
        subject.catalog.want(desired("bank", generation=1))
        await subject.catalog.close()
        names = {task.get_name() for task in asyncio.all_tasks()}
        assert not [name for name in names if name.startswith(("reflector", "close", "cluster"))]
        assert subject.catalog.seen() == CatalogSeen()
