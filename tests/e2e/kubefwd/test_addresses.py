"""kubefwd gives an address to each pod of each service, for good, and has 256 for a namespace.

After those it listens on 127.0.0.1 and says nothing. So it is replaced before: 24 services of four
pods take 120 addresses each time that the pods are replaced.
"""

from functools import partial

import pytest
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.forwarding import address, get, helpers, is_ready, kubefwds, wait_answer
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("kubefwd")

SERVICES = [f"many{number}" for number in range(24)]
PODS, ROUNDS = 4, 2
MANY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: many, namespace: storefront}
spec:
  replicas: 4
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec: {containers: [{name: many, image: many, ports: [{containerPort: 8080}]}]}
"""
SERVICE = """---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: storefront}}
spec: {{clusterIP: None, selector: {{app: many}}, ports: [{{port: 80, targetPort: 8080}}]}}
"""


def come_over(before: set[str]) -> None:
    """Wait until no service leads to one of these pods any more.

    A restart in the middle of a replacement can need another one, which is held back for 60 s.
    """
    for name in SERVICES:
        eventually(partial(_elsewhere, name, before), 240)


def _elsewhere(name: str, before: set[str]) -> bool:
    return get(f"{name}.storefront").json()["pod"] not in before


@pytest.mark.timeout(900)
def test_it_is_replaced_before_it_runs_out_of_addresses(
    tilt: Tilt, cluster: Cluster, dev: Dev
) -> None:
    wait_answer("web.storefront")
    cluster.apply(MANY + "".join(SERVICE.format(name=name) for name in SERVICES))
    wait_answer(*(f"{name}.storefront" for name in SERVICES))
    (first,), kept, asked = kubefwds(), helpers(), dev.prompts
    for _ in range(ROUNDS):
        before = set(cluster.pods.wait_ready("storefront", PODS, "app=many"))
        cluster.kubectl("-n", "storefront", "delete", "pods", "-l", "app=many", "--now")
        come_over(before)
        tilt.wait_status(is_ready, 120)
    assert kubefwds() != [first]
    said = tilt.run_output
    assert "it has given out almost all of a namespace's 256 addresses" in said or (
        "has no address, because kubefwd has none left" in said
    )
    assert all(address(f"{name}.storefront").startswith("127.1.") for name in SERVICES)
    assert (helpers(), dev.prompts) == (kept, asked)
