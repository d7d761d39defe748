"""A real Kubernetes cluster in plain processes on 127.0.0.1, with kwok in the kubelet's place.

It takes about five seconds. Pods become Running and Ready by themselves, each with its own backend
(`backends.py`), reached through `pods/portforward` only, as in a remote cluster. Facts: lab.
"""

import base64
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from tests.lab import tools
from tests.lab.api import Api, ApiError, Json
from tests.lab.endpoint import Endpoint
from tests.lab.pods import Pods
from tests.lab.proc import Server, free_port, listening, stop_all, wait_for
from tests.lab.stages import stages

CHECKOUT = Path(__file__).parents[2]
USERS = ("admin", "restricted", "visitor")  # the last two may do nothing until `allow`ed
NODE = "node0"
APPS_CONTROLLERS = "*,-node-lifecycle-controller,-taint-eviction-controller"


class Cluster:
    """One cluster. `start` it, `apply` YAML to it, `stop` it."""

    def __init__(self, folder: Path, context: str = "lab") -> None:
        self.folder, self.context = folder, context
        self.pki, self.logs = folder / "pki", folder / "logs"
        self.port, self._etcd_port, self._kubelet_port = free_port(), free_port(), free_port()
        self.endpoint = Endpoint(f"http://127.0.0.1:{free_port()}")
        self.kubeconfig = folder / "kubeconfig"
        self._servers: list[Server] = []
        self._apiserver: Server | None = None
        self.api = Api("", "", "")
        self.pods: Pods

    @property
    def server(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    @property
    def ca(self) -> str:
        return (self.pki / "ca.crt").read_text()

    # --- life ------------------------------------------------------------------------------

    def start(self) -> "Cluster":
        """Start every server and wait for a node that takes pods; stop them all if one fails."""
        try:
            self._prepare()
            self._start_etcd()
            self.start_apiserver()
            self._start_others()
            self._make_node()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop every server; nothing stays but logs and configuration."""
        servers = [*self._servers, *([self._apiserver] if self._apiserver else [])]
        self._servers, self._apiserver = [], None
        for server in servers:
            server.kill()
        stop_all(servers)
        shutil.rmtree(self.folder / "etcd", ignore_errors=True)  # some 130 MB

    def _prepare(self) -> None:
        self.pki.mkdir(parents=True, exist_ok=True)
        subprocess.run([tools.path(tools.ENDPOINT), "pki", self.pki], check=True)
        tokens = [f'{self.token(user)},{user},{user},"system:authenticated"' for user in USERS[1:]]
        tokens.append(f'{self.token("admin")},admin,admin,"system:masters"')
        (self.pki / "tokens.csv").write_text("\n".join(tokens) + "\n")
        (self.folder / "kwok.yaml").write_text(stages(tools.kwok_files()))
        self.write_kubeconfig(self.kubeconfig)
        self.api = Api(self.server, self.ca, self.token("admin"))
        self.pods = Pods(self.api, self.endpoint, free_port())

    def token(self, user: str) -> str:
        """Return the bearer token of a user of USERS in this cluster; every cluster has its own."""
        return f"{self.context}-{user}-{self.port}"

    def _run(self, name: str, *arguments: str) -> Server:
        return Server(name, [tools.path(name), *arguments], self.logs / f"{name}.log")

    def _start_etcd(self) -> None:
        client, peer = (f"http://127.0.0.1:{port}" for port in (self._etcd_port, free_port()))
        etcd = self._run(
            "etcd",
            f"--data-dir={self.folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls={peer}",
            f"--initial-advertise-peer-urls={peer}",
            f"--initial-cluster=default={peer}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        )
        self._servers.append(etcd)
        etcd.wait_healthy(lambda: listening(self._etcd_port))

    def start_apiserver(self) -> None:
        """Start the apiserver, on the port that it had before, and wait until it is ready."""
        wait_for(lambda: not listening(self.port), f"port {self.port} is free again")
        self._apiserver = self._run(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            # Without a network it finds no address of its own, and loopback it refuses.
            "--advertise-address=192.0.2.1",
            "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.pki / 'apiserver.crt'}",
            f"--tls-private-key-file={self.pki / 'apiserver.key'}",
            f"--client-ca-file={self.pki / 'ca.crt'}",
            f"--token-auth-file={self.pki / 'tokens.csv'}",
            f"--service-account-key-file={self.pki / 'sa.key'}",
            f"--service-account-signing-key-file={self.pki / 'sa.key'}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            # No pod here uses its account, and waiting for it costs a second per namespace.
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            # Otherwise it tries to resolve the node's name.
            "--kubelet-preferred-address-types=InternalIP",
        )
        self._apiserver.wait_healthy(lambda: self.api.ok("/readyz"))

    def stop_apiserver(self) -> None:
        """Kill the apiserver: the cluster is unreachable until `start_apiserver`."""
        if self._apiserver:
            self._apiserver.kill()
        self._apiserver = None

    def _start_others(self) -> None:
        config = f"--kubeconfig={self.kubeconfig}"
        quiet = ("--leader-elect=false", "--secure-port=0", "--kube-api-qps=300")
        self._servers += [
            self._run(
                "kube-controller-manager",
                config,
                f"--service-account-private-key-file={self.pki / 'sa.key'}",
                f"--root-ca-file={self.pki / 'ca.crt'}",
                # The node life cycle marks kwok's node Unknown, and it loses its address.
                f"--controllers={APPS_CONTROLLERS}",
                "--kube-api-burst=600",
                *quiet,
            ),
            self._run("kube-scheduler", config, "--kube-api-burst=600", *quiet),
            self._run(
                "kwok",
                config,
                f"--config={self.folder / 'kwok.yaml'}",
                "--manage-all-nodes",
                "--node-ip=127.0.0.1",
                f"--node-port={self._kubelet_port}",
                f"--server-address=127.0.0.1:{free_port()}",
            ),
            self._start_endpoint(),
            self.pods.start_backends(self.folder, self.logs),
        ]

    def _start_endpoint(self) -> Server:
        listen = f"127.0.0.1:{self._kubelet_port}"
        arguments = ["serve", "--listen", listen, "--pki", str(self.pki)]
        endpoint = self._run(
            tools.ENDPOINT, *arguments, "--control", self.endpoint.url.removeprefix("http://")
        )
        endpoint.wait_healthy(lambda: listening(self._kubelet_port))
        return endpoint

    def _make_node(self) -> None:
        node = {"name": NODE, "annotations": {"kwok.x-k8s.io/node": "fake"}}
        self.api.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": node})

        def takes_pods() -> bool:
            status = self.api.get(f"/api/v1/nodes/{NODE}").get("status", {})
            port = status.get("daemonEndpoints", {}).get("kubeletEndpoint", {}).get("Port")
            return bool(port == self._kubelet_port and status.get("addresses"))

        self._servers[-1].wait_healthy(takes_pods)
        wait_for(
            lambda: self.api.exists("/api/v1/namespaces/default/serviceaccounts/default"),
            "the controllers work",
        )
        wait_for(self.pods.backends_are_up, "the backends' process is up")

    # --- use -------------------------------------------------------------------------------

    def write_kubeconfig(
        self,
        file: Path,
        *,
        user: str = "admin",
        context: str | None = None,
        namespace: str | None = None,
        credentials: Json | None = None,
        **cluster: object,
    ) -> Path:
        """Write a kubeconfig for one of USERS, or with other `credentials` (its `user:` part).

        Further arguments go into its `cluster:` part (`**{"proxy-url": ...}`, say).
        """
        name = context or self.context
        ca = base64.b64encode(self.ca.encode()).decode()
        chosen: dict[str, Any] = {"cluster": name, "user": user}
        if namespace:
            chosen["namespace"] = namespace
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": name,
            "contexts": [{"name": name, "context": chosen}],
            "clusters": [
                {
                    "name": name,
                    "cluster": {"server": self.server, "certificate-authority-data": ca, **cluster},
                }
            ],
            "users": [{"name": user, "user": credentials or {"token": self.token(user)}}],
        }
        file.write_text(yaml.safe_dump(config))
        return file

    def kubectl(self, *arguments: str, given: str | None = None) -> str:
        """Run kubectl as admin and return its output; raise ApiError with what it says."""
        ran = subprocess.run(
            [tools.path("kubectl"), "--kubeconfig", self.kubeconfig, *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if ran.returncode:
            raise ApiError(ran.returncode, f"kubectl {' '.join(arguments)}: {ran.stderr}")
        return ran.stdout

    def apply(self, *documents: str | Json | Sequence[Json]) -> None:
        """Apply YAML text or objects, as one `kubectl apply`."""
        text = [
            each
            if isinstance(each, str)
            else yaml.safe_dump_all([each] if isinstance(each, dict) else each)
            for each in documents
        ]
        self.kubectl(
            "apply", "--server-side", "--force-conflicts", "-f", "-", given="\n---\n".join(text)
        )

    def allow(self, user: str, namespace: str, rules: Sequence[Json]) -> None:
        """Give a user these RBAC rules in a namespace (replacing those given there before)."""
        meta = {"name": f"lab-{user}", "namespace": namespace}
        group = "rbac.authorization.k8s.io"
        version = f"{group}/v1"
        role = {"apiVersion": version, "kind": "Role", "metadata": meta, "rules": list(rules)}
        self.apply(
            role,
            {
                "apiVersion": version,
                "kind": "RoleBinding",
                "metadata": meta,
                "roleRef": {"apiGroup": group, "kind": "Role", "name": meta["name"]},
                "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
            },
        )


def main() -> None:
    """Start a cluster for a look by hand (`python -m tests.lab.cluster DIR`), and say how."""
    tools.ensure()
    began = time.monotonic()
    cluster = Cluster(Path(sys.argv[1]).absolute())
    try:
        cluster.start()
        sys.stdout.write(
            f"{time.monotonic() - began:.1f} s\nexport KUBECONFIG={cluster.kubeconfig}\n"
        )
        sys.stdout.flush()
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        cluster.stop()


if __name__ == "__main__":
    main()
