"""The lab as pytest fixtures. `tests/conftest.py` imports them for every tier.

`cluster` lives as long as the pytest that runs the test: in an isolated module that is the module,
otherwise the session, where modules share it, each in namespaces of its own. What stops or breaks
a cluster takes one of its own from `start_cluster`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import pytest
from tests.contract.kubefwd.binary import pack, real
from tests.lab import tools
from tests.lab.cluster import Cluster
from tests.lab.tilt import CHECKOUT, Tilt, extension
from tests.lab.user import Dev, developer

EXTENSION = ("operator", "wait")  # what it consists of, beside its Tiltfile
SERVICES = Path(__file__).parent / "services"  # one namespace with one service a file


@dataclass
class Lab:
    """Starts what a scenario asks for, and stops all of it at its end."""

    folder: Path
    dev: Dev
    clusters: dict[str, Cluster] = field(default_factory=dict)
    tilts: list[Tilt] = field(default_factory=list)
    engine: str = "native"

    def cluster(self, context: str = "lab") -> Cluster:
        """Return the cluster of that context name, started when it is first asked for."""
        if context not in self.clusters:
            tools.ensure()
            made = Cluster(self.folder / f"cluster-{context}", context)
            self.clusters[context] = made.start()
        return self.clusters[context]

    def kubeconfig(self, cluster: Cluster, user: str = "admin") -> Path:
        """Write the developer's kubeconfig for a cluster; return where it is."""
        made = cluster.write_kubeconfig(cluster.folder / f"kubeconfig-{user}", user=user)
        return self.dev.write(f".kube/{cluster.context}-{user}", made.read_text(), mode=0o600)

    def tilt(
        self,
        source: Path | str | None = None,
        *,
        cluster: Cluster | None = None,
        kubeconfig: Path | None = None,
        name: str = "project",
        port: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Tilt:
        """Return a Tilt that is not started yet, in a project folder of the developer's.

        `source` is a scenario's folder, which is copied, or the text of a Tiltfile. The Tiltfile
        may use CHECKOUT (a variable: where a copy of the extension is), CONTEXT, ENGINE (arguments
        of the extension that choose the engine of the test), and the files of SERVICES; a file of
        that name in the scenario's folder comes first.
        """
        of = cluster or self.cluster()
        folder = self.dev.mkdir(f"projects/{len(self.tilts)}-{name}")
        self.dev.copy(SERVICES, folder)
        if isinstance(source, Path):
            self.dev.copy(source, folder)
            source = (source / "Tiltfile").read_text()
        words = [f"--{name}={value}" for name, value in self.engine_arguments().items()]
        head = f"CHECKOUT, CONTEXT = {str(self.checkout)!r}, {of.context!r}\nENGINE = {words!r}\n"
        self.dev.write(folder / "Tiltfile", f"{head}allow_k8s_contexts(CONTEXT)\n{source or ''}")
        config = kubeconfig or self.kubeconfig(of)
        made = Tilt(self.dev, folder, self.folder / "logs", config, port=port, env=env)
        self.tilts.append(made)
        return made

    def extension(self, **arguments: object) -> str:
        """Return the lines of a Tiltfile that load the extension from `checkout`."""
        return extension(self.checkout, **{**self.engine_arguments(), **arguments})

    def engine_arguments(self) -> dict[str, str]:
        """Return the arguments of the extension that choose the engine."""
        return {"engine": self.engine} | (
            {"kubefwd": self.kubefwd} if self.engine != "native" else {}
        )

    @cached_property
    def kubefwd(self) -> str:
        """Where the real kubefwd is when it is on PATH, else the stand-in."""
        return real() or str(pack(self.dev.mkdir("kubefwd") / "kubefwd"))

    @cached_property
    def checkout(self) -> Path:
        """A copy of the extension: Tilt restarts the operator when one of its files is edited."""
        for name in EXTENSION:
            self.dev.copy(CHECKOUT / name, f"extension/{name}")
        return self.dev.write("extension/Tiltfile", (CHECKOUT / "Tiltfile").read_text()).parent

    def close(self) -> None:
        """Stop every Tilt, then every cluster."""
        try:
            for started in self.tilts:
                started.stop()
        finally:
            for started_cluster in self.clusters.values():
                started_cluster.stop()


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """Everything; for fixtures of a scenario's own, at any scope."""
    made = Lab(tmp_path_factory.mktemp("lab"), developer())
    yield made
    made.close()


@pytest.fixture(scope="session")
def dev(lab: Lab) -> Dev:
    """The developer: files, processes, sudo, askpass."""
    return lab.dev


@pytest.fixture(scope="session")
def cluster(lab: Lab) -> Cluster:
    """A cluster that is up."""
    return lab.cluster()


@pytest.fixture
def start_cluster(tmp_path: Path) -> Iterator[Callable[[str], Cluster]]:
    """Return a function that starts a cluster for this test alone, by context name."""
    tools.ensure()
    started: list[Cluster] = []

    def start(context: str = "own") -> Cluster:
        started.append(Cluster(tmp_path / context, context))
        return started[-1].start()

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def engine(request: pytest.FixtureRequest, lab: Lab) -> str:
    """The engine that forwards: `native`, unless the module is marked with `engines`."""
    lab.engine = getattr(request, "param", "native")
    return lab.engine


@pytest.fixture
def start_tilt(lab: Lab, engine: str) -> Iterator[Callable[..., Tilt]]:
    """Return a function (arguments of `Lab.tilt`) that starts a Tilt for this test alone."""
    started: list[Tilt] = []

    def start(source: Path | str | None = None, *arguments: str, **options: object) -> Tilt:
        started.append(lab.tilt(source, **options))  # type: ignore[arg-type]  # as Lab.tilt takes them
        return started[-1].start(*arguments)

    yield start
    for each in started:
        each.stop()


@pytest.fixture(scope="module")
def tilt(request: pytest.FixtureRequest, lab: Lab, engine: str) -> Iterator[Tilt]:
    """The Tilt of a scenario: up, for the whole module, in a copy of the module's folder."""
    made = lab.tilt(request.path.parent, name=f"{request.path.stem}-{engine}")
    yield made.start()
    made.stop()
