"""One namespace on looptime's clock: pods that stand in, existence, what is built anew."""

import asyncio
from collections.abc import AsyncIterator

import pytest
from tests.unit.cluster.source import Json, Source

from kubefwd_operator.cluster.namespace import Namespace
from kubefwd_operator.core.errors import ClusterUnreachable, Forbidden, NotFound
from kubefwd_operator.core.model import Service
from kubefwd_operator.core.reason import Reason

pytestmark = [pytest.mark.looptime(start=0), pytest.mark.asyncio]

SELF = "/api/v1/namespaces/shop"
SERVICES, PODS = f"{SELF}/services", f"{SELF}/pods"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices"


def service(name: str) -> Json:
    spec = {"selector": {"app": name}, "ports": [{"name": "http", "port": 80, "targetPort": 8080}]}
    return {"metadata": {"namespace": "shop", "name": name}, "spec": spec}


def piece(service: str, pod: str) -> Json:
    labels = {"kubernetes.io/service-name": service}
    endpoint = {"addresses": ["10.0.0.1"], "targetRef": {"kind": "Pod", "name": pod}}
    return {
        "metadata": {"namespace": "shop", "name": f"{service}-s", "labels": labels},
        "addressType": "IPv4",
        "endpoints": [endpoint],
        "ports": [{"name": "http", "port": 8080}],
    }


def pod(name: str, app: str) -> Json:
    status = {"podIP": "10.0.0.1", "conditions": [{"type": "Ready", "status": "True"}]}
    return {"metadata": {"name": name, "labels": {"app": app}}, "spec": {}, "status": status}


class Subject:
    """A namespace `shop` with two services of a pod each."""

    def __init__(self) -> None:
        self.source = Source()
        self.told = 0
        self.namespace = Namespace(self.source, "shop", self._changed)
        for name in ("web", "db"):
            self.source.put(SERVICES, service(name))
            self.source.put(SLICES, piece(name, f"{name}-slice"))
            self.source.put(PODS, pod(f"{name}-pod", name))

    def _changed(self) -> None:
        self.told += 1

    def pods(self) -> dict[str, list[str]]:
        seen = self.namespace.seen()
        return {each.name: [end.pod for end in each.endpoints] for each in seen.services}

    def service(self, name: str) -> Service:
        return next(each for each in self.namespace.seen().services if each.name == name)

    def reason(self) -> Reason | None:
        problem = self.namespace.seen().problem
        return problem.reason if problem else None


@pytest.fixture
async def subject() -> AsyncIterator[Subject]:
    made = Subject()
    yield made
    await made.namespace.close()


async def started(subject: Subject) -> Source:
    subject.namespace.start()
    await asyncio.sleep(2)
    return subject.source


BY_SLICES = {"db": ["db-slice"], "web": ["web-slice"]}
BY_PODS = {"db": ["db-pod"], "web": ["web-pod"]}


async def test_services_in_order_with_their_pods(subject: Subject) -> None:
    await started(subject)
    assert subject.pods() == BY_SLICES
    assert subject.namespace.seen().synced
    assert subject.reason() is None


async def test_it_is_synced_when_both_lists_are_there(subject: Subject) -> None:
    subject.source.errors[SLICES] = ClusterUnreachable("down")
    source = await started(subject)
    assert not subject.namespace.seen().synced
    assert subject.pods() == {}
    assert subject.reason() is None, "it is the cluster's problem"
    assert str(subject.namespace.cluster_error) == "down"
    source.errors.clear()
    await asyncio.sleep(5)
    assert subject.namespace.cluster_error is None
    assert subject.pods() == BY_SLICES


async def test_only_what_changed_is_put_together_anew(subject: Subject) -> None:
    source = await started(subject)
    web, db = subject.service("web"), subject.service("db")
    source.put(SLICES, piece("web", "another"))
    await asyncio.sleep(1)
    assert subject.service("db") is db
    assert subject.service("web") is not web
    assert subject.namespace.seen() is subject.namespace.seen()


@pytest.mark.parametrize("error", [Forbidden("no slices"), NotFound("unknown")])
async def test_pods_stand_in_for_slices(subject: Subject, error: Forbidden | NotFound) -> None:
    subject.source.errors[SLICES] = error
    source = await started(subject)
    assert subject.pods() == BY_PODS
    assert subject.namespace.seen().synced
    source.put(PODS, pod("web-second", "web"))
    await asyncio.sleep(1)
    assert subject.pods()["web"] == ["web-pod", "web-second"]


async def test_slices_take_over_when_they_may(subject: Subject) -> None:
    subject.source.errors[SLICES] = Forbidden("no slices")
    source = await started(subject)
    assert subject.reason() is Reason.FORBIDDEN
    source.errors.clear()
    await asyncio.sleep(40)
    assert subject.pods() == BY_SLICES
    assert subject.reason() is None
    before = len(source.calls)
    source.tell(PODS, None)
    await asyncio.sleep(5)
    assert [path for _, _, path in source.calls[before:]] == [], "pods are not followed any more"


async def test_pods_stay_while_the_cluster_cannot_be_reached(subject: Subject) -> None:
    subject.source.errors[SLICES] = Forbidden("no slices")
    source = await started(subject)
    source.errors[SLICES] = ClusterUnreachable("down")
    await asyncio.sleep(60)
    assert subject.pods() == BY_PODS
    assert str(subject.namespace.cluster_error) == "down"


async def test_slices_that_become_forbidden_stay_until_pods_are_there(subject: Subject) -> None:
    source = await started(subject)
    source.errors[SLICES] = source.watch_errors[SLICES] = Forbidden("no slices")
    source.errors[PODS] = Forbidden("no pods")
    source.tell(SLICES, None)
    await asyncio.sleep(60)
    assert subject.pods() == BY_SLICES
    assert subject.reason() is Reason.FORBIDDEN
    del source.errors[PODS]
    await asyncio.sleep(60)
    assert subject.pods() == BY_PODS


async def test_neither_slices_nor_pods(subject: Subject) -> None:
    subject.source.errors[SLICES] = Forbidden("No slices.")
    subject.source.errors[PODS] = Forbidden("No pods.")
    await started(subject)
    problem = subject.namespace.seen().problem
    assert problem is not None
    assert problem.message == "No slices. Nor pods, which would do: No pods."
    assert not subject.namespace.seen().synced


async def test_an_empty_namespace_is_looked_for(subject: Subject) -> None:
    subject.source.objects.clear()
    source = await started(subject)
    assert subject.reason() is Reason.NAMESPACE_NOT_FOUND
    assert subject.namespace.seen().synced
    source.put(SERVICES, service("web"))
    await asyncio.sleep(0.1)
    assert subject.reason() is None, "a service tells at once"
    looks = len([path for _, _, path in source.calls if path == SELF])
    await asyncio.sleep(60)
    assert len([path for _, _, path in source.calls if path == SELF]) == looks
    source.remove(SERVICES, "web")
    await asyncio.sleep(4)
    assert subject.reason() is Reason.NAMESPACE_NOT_FOUND


async def test_a_namespace_that_may_not_be_looked_at_counts_as_there(subject: Subject) -> None:
    subject.source.objects.clear()
    subject.source.errors[SELF] = Forbidden("no")
    await started(subject)
    assert subject.reason() is None


async def test_a_cluster_that_fails_says_nothing_about_existence(subject: Subject) -> None:
    subject.source.objects.clear()
    source = await started(subject)
    source.errors[SELF] = ClusterUnreachable("down")
    await asyncio.sleep(10)
    assert subject.reason() is Reason.NAMESPACE_NOT_FOUND


async def test_only_the_apiservers_own_service_is_left_out() -> None:
    for namespace, kept in [("default", ["web"]), ("shop", ["kubernetes", "web"])]:
        source = Source()
        subject = Namespace(source, namespace, lambda: None)
        for name in ("web", "kubernetes"):
            raw = service(name)
            raw["metadata"]["namespace"] = namespace
            source.put(f"/api/v1/namespaces/{namespace}/services", raw)
        subject.start()
        await asyncio.sleep(1)
        assert [each.name for each in subject.seen().services] == kept
        await subject.close()


async def test_relist_lists_everything_anew(subject: Subject) -> None:
    source = await started(subject)
    source.remove(SERVICES, "web", quietly=True)
    subject.namespace.relist()
    assert subject.pods() == BY_SLICES
    await asyncio.sleep(1)
    assert subject.pods() == {"db": ["db-slice"]}


async def test_close_leaves_nothing_running(subject: Subject) -> None:
    await started(subject)
    await subject.namespace.close()
    assert asyncio.all_tasks() == {asyncio.current_task()}
