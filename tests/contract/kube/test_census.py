"""The namespaces that are offered, on a real apiserver: all, or none without the right."""

from pathlib import Path

import pytest
from tests.contract.kube.conftest import Look
from tests.lab.cluster import Cluster

from kubefwd_operator.cluster import census

pytestmark = pytest.mark.contract


async def test_those_of_the_cluster_are_offered_as_they_come_and_go(
    cluster: Cluster, namespace: str, look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(census, "PERIOD", 0.2)
    look.want(cluster.kubeconfig)
    seen = await look.until(lambda seen: namespace in (seen.available or ()))
    assert {"default", "kube-system"} <= set(seen.available or ())
    cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"{namespace}-b"}})
    await look.until(lambda seen: f"{namespace}-b" in (seen.available or ()))
    cluster.api.delete(f"/api/v1/namespaces/{namespace}-b")
    await look.until(lambda seen: f"{namespace}-b" not in (seen.available or ()))


async def test_who_may_not_list_them_is_offered_none_and_told_nothing(
    cluster: Cluster, look: Look, tmp_path: Path
) -> None:
    look.want(cluster.write_kubeconfig(tmp_path / "kubeconfig", user="visitor"))
    seen = await look.until(lambda seen: seen.available is not None)
    assert (seen.available, seen.problem) == ((), None)
