"""Which cluster is meant, and what its answers mean."""

import asyncio
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from tests.unit.cluster.server import answering, nobody, serving
from tests.unit.doctor.kit import FAIL, OK, WARN, case, told

from kubefwd_operator.core.errors import CredentialsError
from kubefwd_operator.doctor import where
from kubefwd_operator.doctor.cluster import cluster
from kubefwd_operator.doctor.finding import Case, Finding, Level
from kubefwd_operator.doctor.rights import RIGHTS, Right, judge_rights
from kubefwd_operator.doctor.running import judge_operator
from kubefwd_operator.doctor.where import NoKubeconfig, current, namespaces_of


def kubeconfig(file: Path, server: str = "http://x", **context: str) -> Path:
    document = {
        "current-context": "dev",
        "contexts": [{"name": "dev", "context": {"cluster": "c", "user": "u", **context}}],
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump(document))
    return file


# --- which -----------------------------------------------------------------------------------


def test_kubectls_current_one(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path / ".kube/config", namespace="shop")
    found = current({}, tmp_path)
    assert (found.ref.config_path, found.ref.context, found.namespace) == (str(file), "dev", "shop")


def test_several_files_are_read_as_kubectl_does(tmp_path: Path) -> None:
    (tmp_path / "first").write_text("current-context: dev\n")
    second = kubeconfig(tmp_path / "second")
    listed = f"{tmp_path}/none:{tmp_path}/first:{second}"
    found = current({"KUBECONFIG": listed}, Path("/nowhere"))
    assert (found.ref.config_path, found.namespace) == (str(second), "default")


@pytest.mark.parametrize(
    "text, error, words",
    [
        pytest.param(None, NoKubeconfig, "There is no kubeconfig: ", id="none"),
        pytest.param("kind: Config\n", NoKubeconfig, "has no current-context", id="no context"),
        pytest.param("a: [", CredentialsError, "is not YAML", id="no YAML"),
        pytest.param("- a\n", NoKubeconfig, "has no current-context", id="a list"),
        pytest.param("contexts: 3\ncurrent-context: a\n", None, "", id="odd contexts"),
    ],
)
def test_bad_kubeconfigs(
    tmp_path: Path, text: str | None, error: type[Exception] | None, words: str
) -> None:
    file = tmp_path / "config"
    if text is not None:
        file.write_text(text)
    if error is None:
        assert current({"KUBECONFIG": str(file)}, tmp_path).namespace == "default"
        return
    with pytest.raises(error, match=words):
        current({"KUBECONFIG": str(file)}, tmp_path)


def test_namespaces(tmp_path: Path) -> None:
    kubeconfig(tmp_path / ".kube/config", namespace="mine")
    status = {"namespaces": [{"name": "shop"}, {"name": "billing"}]}
    assert namespaces_of(case(tmp_path)) == ("mine",)
    assert namespaces_of(case(tmp_path, namespaces=("a", "a"))) == ("a",)
    assert namespaces_of(case(tmp_path, status=status)) == ("shop", "billing")
    assert namespaces_of(case(tmp_path, status=status, namespaces=("a",))) == (
        "shop", "billing", "a",
    )  # fmt: skip
    assert namespaces_of(case(tmp_path / "none")) == ("default",)


def test_tilts_own_cluster_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kubeconfig(tmp_path / ".kube/config")
    tilts = kubeconfig(tmp_path / "tilts", namespace="shop")
    connection = {"configPath": str(tilts), "context": "dev"}
    answer: dict[str, Any] = {"status": {"connection": {"kubernetes": connection}}}
    monkeypatch.setattr(where, "find", lambda *_: answer)
    found = where.where(case(tmp_path, tilt=object()))
    assert (found.ref.config_path, found.namespace) == (str(tilts), "shop")
    answer["status"] = {"error": "no such host"}
    with pytest.raises(CredentialsError, match="Tilt cannot use its cluster: no such host"):
        where.where(case(tmp_path, tilt=object()))
    answer.clear()
    assert where.where(case(tmp_path, tilt=object())).source == "kubectl's current one"


# --- whether it answers ----------------------------------------------------------------------


async def look(server: str, tmp_path: Path, *namespaces: str) -> list[Finding]:
    file = kubeconfig(tmp_path / "config", server)
    return await cluster(case(environ={"KUBECONFIG": str(file)}, namespaces=namespaces))


async def test_no_kubeconfig() -> None:
    told(await cluster(case()), FAIL, "There is no kubeconfig: /nowhere/.kube/config",
         "kubectl config use-context")  # fmt: skip


async def test_a_kubeconfig_without_that_context(tmp_path: Path) -> None:
    (tmp_path / "config").write_text("current-context: gone\n")
    found = await cluster(case(environ={"KUBECONFIG": str(tmp_path / "config")}))
    told(found, FAIL, "has no context named 'gone'", "kubectl config view")


async def test_an_unreachable_cluster(tmp_path: Path) -> None:
    found = await look(f"http://127.0.0.1:{nobody()}", tmp_path)
    told(found, FAIL, "cannot be reached: connection refused",
         "this has to work: kubectl --context dev get --raw /version")  # fmt: skip
    assert "tried again" not in found[0].sentence


async def test_refused_credentials(tmp_path: Path) -> None:
    async with serving(answering(401)) as port:
        told(await look(f"http://127.0.0.1:{port}", tmp_path), FAIL, "(401)", "Log in again")


class Api:
    """An apiserver that has one namespace, `shop`, and lets its user do what is in `allowed`."""

    def __init__(self, allowed: Sequence[Right] = RIGHTS, reviews: int = 201) -> None:
        self.allowed, self.reviews, self.at_once, self.most = allowed, reviews, 0, 0

    async def __call__(self, request: web.Request) -> web.Response:
        if request.path == "/version":
            return web.json_response({"gitVersion": "v1.99.0"})
        if request.method == "GET":
            return web.json_response({}, status=200 if "/shop" in request.path else 404)
        assert (request.method, request.content_type) == ("POST", "application/json")
        assert request.path == "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        self.at_once += 1
        self.most = max(self.most, self.at_once)
        asked = json.loads(await request.read())
        await asyncio.sleep(0.001)
        self.at_once -= 1
        allowed = any(right.review("shop") == asked for right in self.allowed)
        return web.json_response({**asked, "status": {"allowed": allowed}}, status=self.reviews)


async def answers(api: Api, tmp_path: Path, *namespaces: str) -> list[Finding]:
    async with serving(api) as port:
        reached, *others = await look(f"http://127.0.0.1:{port}", tmp_path, *namespaces)
    told([reached], OK, "dev answers (v1.99.0; kubectl's current one)")
    return others


async def test_every_right_is_asked_for(tmp_path: Path) -> None:
    told(await answers(Api(), tmp_path, "shop"), OK, "In shop you may")


async def test_many_namespaces_are_asked_about_a_few_at_a_time(tmp_path: Path) -> None:
    api = Api()
    await answers(api, tmp_path, *(f"shop-{number}" for number in range(5)))
    assert 1 < api.most <= 8


async def test_what_is_denied_is_said(tmp_path: Path) -> None:
    allowed = [right for right in RIGHTS if right.resource != "services"]
    told(await answers(Api(allowed), tmp_path, "shop"), FAIL, "you may not list and watch services")


async def test_a_namespace_that_is_not_there(tmp_path: Path) -> None:
    here, gone = await answers(Api(), tmp_path, "shop", "nowhere")
    told([here], OK)
    told([gone], WARN, "There is no namespace nowhere")


async def test_rights_that_cannot_be_asked(tmp_path: Path) -> None:
    found = await answers(Api(reviews=403), tmp_path, "shop")
    told(
        found, WARN, "cannot be asked: The cluster does not let you create selfsubjectaccessreviews"
    )


def rights(*words: str) -> list[Right]:
    return [Right(*word.split()) for word in words]


@pytest.mark.parametrize(
    "denied, engine, level, words",
    [
        pytest.param([], "", OK, ["In shop you may"], id="nothing"),
        pytest.param(rights("list pods"), "", OK, [], id="pods alone are not needed"),
        pytest.param(rights("watch services"), "", FAIL, ["may not watch services"], id="services"),
        pytest.param(rights("list endpointslices.discovery.k8s.io"), "", WARN,
                     ["selectors instead", "can-i list endpointslices.discovery.k8s.io"],
                     id="slices"),
        pytest.param(rights("list endpointslices.discovery.k8s.io", "list pods"), "", FAIL,
                     ["may not list endpointslices"], id="slices and pods"),
        pytest.param(rights("create pods/portforward"), "", WARN, ["newer Kubernetes"],
                     id="create, native"),
        pytest.param(rights("create pods/portforward"), "kubefwd", FAIL, ["may not create pods/"],
                     id="create, kubefwd"),
        pytest.param(rights("get pods/portforward", "create pods/portforward"), "", FAIL,
                     ["get and create on pods/portforward there",
                      ("kubectl auth can-i get pods --subresource=portforward --namespace shop "
                      "--context dev")], id="no forwarding"),
    ],
)  # fmt: skip
def test_rights(denied: list[Right], engine: str, level: Level, words: list[str]) -> None:
    assert set(denied) <= set(RIGHTS)
    told(judge_rights("shop", denied, context="dev", engine=engine), level, *words)


# --- the operator ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "known, level, words",
    [
        pytest.param(case(absence="No Tilt runs."), OK, "None runs: No Tilt runs.", id="no Tilt"),
        pytest.param(case(absence="It does not run any more.", broken=True), WARN, "the log",
                     id="it has ended"),
        pytest.param(case(status={"state": "Ready", "message": "Well."}), OK, "Ready: Well.",
                     id="ready"),
        pytest.param(case(status={"state": "Degraded", "message": "Ill."}), WARN,
                     "kubefwd-operator status", id="degraded"),
    ],
)  # fmt: skip
def test_the_operator(known: Case, level: Level, words: str) -> None:
    told(judge_operator(known), level, words)


def test_an_operator_of_another_version() -> None:
    status = {"state": "Ready", "message": "Well.", "version": "0.0.1"}
    state, version = judge_operator(case(status=status))
    told([state], OK, "Ready: Well.")
    told([version], WARN, "It is 0.0.1")
