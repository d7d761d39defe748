"""The catalog on a real apiserver with its real controllers."""

import pytest
from tests.contract.kube.conftest import Look
from tests.lab.cluster import Cluster

from kubefwd_operator.core.model import CatalogSeen, Service
from kubefwd_operator.core.reason import Reason

pytestmark = pytest.mark.contract

SLICES = {
    "apiGroups": ["discovery.k8s.io"],
    "resources": ["endpointslices"],
    "verbs": ["list", "watch"],
}
SERVICES = {"apiGroups": [""], "resources": ["services"], "verbs": ["list", "watch"]}
PODS = {"apiGroups": [""], "resources": ["pods"], "verbs": ["list", "watch"]}


def deployment(namespace: str, name: str, port: int = 8080, replicas: int = 1) -> str:
    return f"""
apiVersion: apps/v1
kind: Deployment
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  replicas: {replicas}
  selector: {{matchLabels: {{app: web, deployment: {name}}}}}
  template:
    metadata: {{labels: {{app: web, deployment: {name}}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - {{name: c, image: x, ports: [{{name: http, containerPort: {port}}}]}}
"""


def web(namespace: str, name: str = "web", extra: str = "") -> str:
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  selector: {{app: web}}
  ports: [{{name: main, port: 80, targetPort: http}}]
{extra}
"""


def ready(service: Service | None, count: int) -> bool:
    return service is not None and sum(each.ready for each in service.endpoints) == count


async def test_services_and_their_pods(cluster: Cluster, namespace: str, look: Look) -> None:
    """Two Deployments behind one Service, whose port of that name differs."""
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: look.namespace(namespace).synced)
    cluster.apply(
        web(namespace), deployment(namespace, "a", 8080, 2), deployment(namespace, "b", 9090)
    )
    await look.until(lambda seen: ready(look.service(namespace, "web"), 3))
    service = look.service(namespace, "web")
    assert service is not None
    assert service.ports[0].target == "http"
    ports = sorted((each.pod[0], dict(each.ports)) for each in service.endpoints)
    assert ports == [("a", {"main": 8080}), ("a", {"main": 8080}), ("b", {"main": 9090})]

    gone = service.endpoints[0].pod
    cluster.api.delete(f"/api/v1/namespaces/{namespace}/pods/{gone}")
    replaced = await look.until(
        lambda seen: (
            (now := look.service(namespace, "web"))
            and ready(now, 3)
            and gone not in [each.pod for each in now.endpoints]
        )
    )
    assert replaced.problem is None
    cluster.api.delete(f"/api/v1/namespaces/{namespace}/services/web")
    await look.until(lambda seen: not look.namespace(namespace).services)


async def test_kinds_of_services(cluster: Cluster, namespace: str, look: Look) -> None:
    cluster.apply(
        web(namespace, "headless", "  clusterIP: None"),
        web(namespace, "dual", "  ipFamilyPolicy: PreferDualStack"),
        f"""
apiVersion: v1
kind: Service
metadata: {{name: outside, namespace: {namespace}}}
spec: {{type: ExternalName, externalName: example.test}}
""",
        f"""
apiVersion: v1
kind: Service
metadata: {{name: bare, namespace: {namespace}}}
spec: {{ports: [{{port: 5432}}]}}
""",
    )
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: look.namespace(namespace).synced)
    found = {each.name: each for each in look.namespace(namespace).services}
    assert list(found) == ["bare", "dual", "headless", "outside"]
    assert found["headless"].headless
    assert not found["dual"].headless
    assert found["outside"].external_name == "example.test"
    assert (found["bare"].ports[0].target, dict(found["bare"].selector)) == (5432, {})


async def test_the_apiservers_own_service_is_left_out(cluster: Cluster, look: Look) -> None:
    look.want(cluster.kubeconfig, "default")
    await look.until(lambda seen: look.namespace("default").synced)
    assert cluster.api.exists("/api/v1/namespaces/default/services/kubernetes")
    assert look.service("default", "kubernetes") is None


async def test_a_stateful_set_names_its_pods(cluster: Cluster, namespace: str, look: Look) -> None:
    cluster.apply(
        web(namespace, "db", "  clusterIP: None\n  publishNotReadyAddresses: true"),
        web(namespace, "db-ready"),
        f"""
apiVersion: apps/v1
kind: StatefulSet
metadata: {{name: db, namespace: {namespace}}}
spec:
  serviceName: db
  replicas: 1
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{{name: c, image: x, ports: [{{name: http, containerPort: 5432}}]}}]
""",
    )
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: ready(look.service(namespace, "db"), 1))
    service = look.service(namespace, "db")
    assert service is not None
    assert [(each.pod, each.hostname) for each in service.endpoints] == [("db-0", "db-0")]
    await look.until(lambda seen: ready(look.service(namespace, "db-ready"), 1))
    cluster.pods.set_ready(namespace, "db-0", ready=False)
    await look.until(lambda seen: ready(look.service(namespace, "db-ready"), 0))
    assert ready(look.service(namespace, "db"), 1), "publishNotReadyAddresses is obeyed"


async def test_namespaces_come_and_go_one_at_a_time(
    cluster: Cluster, namespace: str, look: Look
) -> None:
    cluster.apply(web(namespace))
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: look.service(namespace, "web"))
    kept = look.service(namespace, "web")
    look.want(cluster.kubeconfig, "kube-system", namespace)
    seen = await look.until(lambda seen: look.namespace("kube-system").synced)
    assert list(seen.namespaces) == ["kube-system", namespace]
    assert look.service(namespace, "web") is kept, "it was not listed anew"
    look.want(cluster.kubeconfig, "kube-system")
    assert list(look.catalog.seen().namespaces) == ["kube-system"]


async def test_a_missing_namespace_is_named_and_picked_up(cluster: Cluster, look: Look) -> None:
    look.want(cluster.kubeconfig, "later", "default")
    await look.until(lambda seen: look.namespace("later").problem)
    problem = look.namespace("later").problem
    assert problem is not None
    assert problem.reason is Reason.NAMESPACE_NOT_FOUND
    assert "create it" in problem.message
    assert look.namespace("default").problem is None
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "later"}})
    await look.until(lambda seen: look.namespace("later").problem is None)
    cluster.apply(web("later"))
    await look.until(lambda seen: look.service("later", "web"))
    cluster.api.delete("/api/v1/namespaces/later")
    await look.until(
        lambda seen: (
            (now := look.namespace("later").problem) and now.reason is Reason.NAMESPACE_NOT_FOUND
        )
    )


class TestForbidden:
    """A user with rights in some places only."""

    async def test_one_namespace(self, cluster: Cluster, namespace: str, look: Look) -> None:
        cluster.allow("restricted", namespace, [SERVICES, SLICES])
        cluster.apply(web(namespace))
        config = cluster.write_kubeconfig(cluster.folder / "restricted", user="restricted")
        look.want(config, "kube-system", namespace)
        await look.until(lambda seen: look.namespace("kube-system").problem)
        problem = look.namespace("kube-system").problem
        assert problem is not None
        assert problem.reason is Reason.FORBIDDEN
        assert (
            "kubectl auth can-i list services --namespace kube-system --context lab"
            in problem.message
        )
        assert "token" not in problem.message
        assert not look.namespace("kube-system").synced
        await look.until(lambda seen: look.service(namespace, "web"))
        assert look.namespace(namespace).problem is None
        assert look.catalog.seen().problem is None

    async def test_a_right_that_is_given_later_is_used(
        self, cluster: Cluster, namespace: str, look: Look
    ) -> None:
        cluster.apply(web(namespace))
        look.want(cluster.write_kubeconfig(cluster.folder / "v", user="visitor"), namespace)
        await look.until(lambda seen: look.namespace(namespace).problem)
        cluster.allow("visitor", namespace, [SERVICES, SLICES])
        await look.until(
            lambda seen: look.service(namespace, "web") and not look.namespace(namespace).problem
        )

    async def test_an_empty_namespace_that_may_not_be_looked_at_counts_as_there(
        self, cluster: Cluster, namespace: str, look: Look
    ) -> None:
        cluster.allow("restricted", namespace, [SERVICES, SLICES])
        look.want(cluster.write_kubeconfig(cluster.folder / "r", user="restricted"), namespace)
        await look.until(lambda seen: look.namespace(namespace).synced)
        client = look.catalog.client
        assert client is not None
        with pytest.raises(Exception, match="does not let you get namespaces"):
            await client.get(f"/api/v1/namespaces/{namespace}")
        assert look.namespace(namespace).problem is None

    async def test_endpointslices_only(self, cluster: Cluster, namespace: str, look: Look) -> None:
        """Pods stand in; when the right comes, slices take over."""
        cluster.allow("restricted", namespace, [SERVICES, PODS])
        cluster.apply(
            web(namespace), deployment(namespace, "a", 8080), deployment(namespace, "b", 9090)
        )
        look.want(cluster.write_kubeconfig(cluster.folder / "r", user="restricted"), namespace)
        await look.until(lambda seen: ready(look.service(namespace, "web"), 2))
        service = look.service(namespace, "web")
        assert service is not None
        assert [(each.pod[0], dict(each.ports)) for each in service.endpoints] == [
            ("a", {"main": 8080}),
            ("b", {"main": 9090}),
        ]
        problem = look.namespace(namespace).problem
        assert problem is not None
        assert problem.reason is Reason.FORBIDDEN
        assert "kubectl auth can-i list endpointslices.discovery.k8s.io" in problem.message
        assert "pods are looked up" in problem.message

        cluster.allow("restricted", namespace, [SERVICES, SLICES])
        await look.until(lambda seen: look.namespace(namespace).problem is None)
        assert ready(look.service(namespace, "web"), 2)

    async def test_endpointslices_and_pods(
        self, cluster: Cluster, namespace: str, look: Look
    ) -> None:
        cluster.allow("restricted", namespace, [SERVICES])
        cluster.apply(web(namespace))
        look.want(cluster.write_kubeconfig(cluster.folder / "r", user="restricted"), namespace)

        def both(seen: CatalogSeen) -> bool:
            problem = look.namespace(namespace).problem
            return problem is not None and "list pods" in problem.message

        await look.until(both)
        assert not look.namespace(namespace).synced


async def test_an_apiserver_that_goes_and_comes(
    cluster: Cluster, namespace: str, look: Look
) -> None:
    cluster.apply(web(namespace))
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: look.service(namespace, "web"))
    cluster.stop_apiserver()
    try:
        seen = await look.until(lambda seen: seen.problem)
    finally:
        cluster.start_apiserver()  # in this thread: it dies with the one that started it
    assert seen.problem is not None
    assert seen.problem.reason is Reason.CLUSTER_UNREACHABLE
    assert f"127.0.0.1:{cluster.port} cannot be reached" in seen.problem.message
    assert look.service(namespace, "web"), "what was known stays"
    assert look.namespace(namespace).problem is None
    await look.until(lambda seen: seen.problem is None)
    cluster.apply(web(namespace, "second"))
    await look.until(lambda seen: look.service(namespace, "second"))


async def test_refresh_starts_anew(cluster: Cluster, namespace: str, look: Look) -> None:
    cluster.apply(web(namespace))
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: look.service(namespace, "web"))
    first, kept = look.catalog.client, look.service(namespace, "web")
    look.want(cluster.kubeconfig, namespace, generation=1)
    assert look.catalog.client is not first
    assert not look.namespace(namespace).synced
    await look.until(lambda seen: look.service(namespace, "web"))
    assert look.service(namespace, "web") is not kept
    look.catalog.want(type(look.catalog._desired)())
    assert look.catalog.seen() == CatalogSeen()


async def test_changes_are_told_together(cluster: Cluster, namespace: str, look: Look) -> None:
    cluster.apply(*(web(namespace, f"web{n}") for n in range(40)))
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: look.namespace(namespace).synced)
    assert len(look.namespace(namespace).services) == 40
    assert look.calls <= 4, "opened, then services and slices"
    calls = look.calls
    cluster.kubectl("label", "service", "-n", namespace, "--all", "note=nothing-that-counts")
    cluster.apply(web(namespace, "zlast"))
    await look.until(lambda seen: look.service(namespace, "zlast"))
    assert look.calls <= calls + 2, "labels say nothing about forwarding"


async def test_failing_pods(cluster: Cluster, namespace: str, look: Look) -> None:
    cluster.apply(web(namespace), deployment(namespace, "a"))
    look.want(cluster.kubeconfig, namespace)
    await look.until(lambda seen: ready(look.service(namespace, "web"), 1))
    service = look.service(namespace, "web")
    assert service is not None
    assert await look.catalog.failing(service) == ""
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "ready": False}
    container = {"name": "c", "image": "x", "imageID": "", "restartCount": 3, **waiting}
    cluster.pods.patch_status(
        namespace, service.endpoints[0].pod, {"containerStatuses": [container]}
    )
    assert await look.catalog.failing(service) == "CrashLoopBackOff"
