"""What is read off Tilt's objects; shapes are those of a real Tilt 0.37.6."""

from typing import Any

import pytest

from kubefwd_operator.core.facts import Applied, Button, Discovery, Watch
from kubefwd_operator.core.model import ClusterRef
from kubefwd_operator.tilt import parse
from kubefwd_operator.tilt.client import Raw, TiltObjects
from kubefwd_operator.tilt.parse import Parser, session_pid


def raw(name: str = "web", version: str = "1", **rest: Any) -> Raw:
    return {"metadata": {"name": name, "uid": f"uid-{name}", "resourceVersion": version}, **rest}


def apply(text: str, version: str = "1", **status: Any) -> Raw:
    return raw(version=version, status={"resultYAML": text, **status})


def applied(one: Raw) -> Applied:
    (found,) = Parser().facts(TiltObjects(applies=(one,))).applies
    return found


SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: storefront}\n"
ROLE = "apiVersion: rbac/v1\nkind: ClusterRole\nmetadata: {name: reader}\n"
LIST = (
    "apiVersion: v1\nkind: List\nitems:\n- {kind: Service, metadata: {name: a, namespace: in-list}}"
)


@pytest.mark.parametrize(
    "text, namespaces, cluster_scoped",
    [
        pytest.param("", (), False, id="nothing deployed"),
        pytest.param(SERVICE, ("storefront",), False, id="one object"),
        pytest.param(
            SERVICE + "---\n" + SERVICE.replace("storefront", "billing") + "---\n" + SERVICE,
            ("storefront", "billing"),
            False,
            id="in their order, without repeats",
        ),
        pytest.param(ROLE, (), True, id="cluster-scoped only"),
        pytest.param(SERVICE + "---\n" + ROLE, ("storefront",), True, id="both"),
        pytest.param("---\n---\n" + SERVICE, ("storefront",), False, id="empty documents"),
        pytest.param(LIST, ("in-list",), False, id="a list is its items"),
        pytest.param("a: [", (), False, id="no YAML"),
        pytest.param("just words", (), False, id="a document that is no object"),
        pytest.param("metadata: {namespace: 7}", (), True, id="a namespace that is no text"),
        pytest.param("metadata: null", (), True, id="no metadata"),
        pytest.param("!!python/object/apply:os.system [id]", (), False, id="a hostile tag"),
    ],
)
def test_namespaces_of_a_result(
    text: str, namespaces: tuple[str, ...], cluster_scoped: bool
) -> None:
    found = applied(apply(text))
    assert (found.namespaces, found.cluster_scoped) == (namespaces, cluster_scoped)


@pytest.mark.parametrize(
    "status, deployed, disabled",
    [
        ({"resultYAML": SERVICE}, True, False),
        ({"resultYAML": ""}, False, False),
        ({"resultYAML": " \n"}, False, False),
        ({}, False, False),
        ({"disableStatus": {"state": "Disabled"}}, False, True),
        ({"disableStatus": {"state": "Enabled"}, "resultYAML": SERVICE}, True, False),
    ],
)
def test_deployed_and_disabled(status: dict[str, Any], deployed: bool, disabled: bool) -> None:
    found = applied(raw(status=status))
    assert (found.deployed, found.disabled) == (deployed, disabled)


def test_an_apply_carries_its_name_uid_and_time() -> None:
    found = applied(apply(SERVICE, lastApplyTime="2026-01-01T00:00:00.000001Z"))
    assert (found.name, found.uid) == ("web", "uid-web")
    assert found.last_apply_time == "2026-01-01T00:00:00.000001Z"


class CountingYaml:
    """Counts how often YAML is parsed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.calls = 0
        original = parse._namespaces

        def counted(text: str) -> tuple[tuple[str, ...], bool]:
            self.calls += 1
            return original(text)

        monkeypatch.setattr(parse, "_namespaces", counted)


def test_yaml_is_parsed_once_per_version_and_forgotten_with_the_object(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    yaml, parser = CountingYaml(monkeypatch), Parser()
    first, second = apply(SERVICE), apply(SERVICE.replace("storefront", "billing"), version="2")
    for objects in ((first,), (first,), (first,)):
        parser.facts(TiltObjects(applies=objects))
    assert yaml.calls == 1
    (found,) = parser.facts(TiltObjects(applies=(second,))).applies
    assert found.namespaces == ("billing",)
    assert yaml.calls == 2
    parser.facts(TiltObjects())
    parser.facts(TiltObjects(applies=(second,)))
    assert yaml.calls == 3


CONNECTION = {"kubernetes": {"configPath": "/c", "context": "kind", "cluster": "kind-1"}}


@pytest.mark.parametrize(
    "clusters, exists, cluster, error",
    [
        pytest.param((), False, None, "", id="local resources only"),
        pytest.param((raw("docker"),), False, None, "", id="docker compose only"),
        pytest.param((raw("default", status={}),), True, None, "", id="not connected yet"),
        pytest.param(
            (raw("docker"), raw("default", status={"connection": CONNECTION})),
            True,
            ClusterRef("/c", "kind", "kind-1"),
            "",
            id="connected",
        ),
        pytest.param(
            (raw("default", status={"error": "no route"}),), True, None, "no route", id="failed"
        ),
        pytest.param(
            (raw("default", status={"connection": {"kubernetes": {"context": "kind"}}}),),
            True,
            None,
            "",
            id="without a path",
        ),
    ],
)
def test_the_cluster(
    clusters: tuple[Raw, ...], exists: bool, cluster: ClusterRef | None, error: str
) -> None:
    facts = Parser().facts(TiltObjects(clusters=clusters))
    assert (facts.cluster_exists, facts.cluster, facts.cluster_error) == (exists, cluster, error)


def test_a_discovery() -> None:
    owners = [{"kind": "Tiltfile", "name": "x"}, {"kind": "KubernetesApply", "name": "web"}]
    one = {
        "metadata": {"name": "web", "ownerReferences": owners},
        "spec": {"watches": [{"namespace": "a", "uid": "1"}, {"namespace": "b"}]},
        "status": {"pods": [{"namespace": "p"}, {"namespace": "p"}, {"namespace": "q"}]},
    }
    (found,) = Parser().facts(TiltObjects(discoveries=(one,))).discoveries
    assert found == Discovery("web", (Watch("a", "1"), Watch("b")), ("p", "q"), "web")


@pytest.mark.parametrize(
    "one, button",
    [
        (raw(status={"lastClickedAt": "2026"}, spec={}), Button("web", "2026")),
        (raw(status={"lastClickedAt": None}, spec={"disabled": True}), Button("web", "", True)),
        (raw(), Button("web")),
        (
            raw(
                status={
                    "inputs": [
                        {"name": "namespace", "text": {"value": "billing"}},
                        {"name": "choice", "choice": {"value": "tools"}},
                        {"name": "action", "hidden": {"value": "pause"}},
                        {"name": "tick", "bool": {"value": True}},
                        {"name": "empty", "choice": {}},
                        "garbage",
                    ]
                }
            ),
            Button(
                "web",
                inputs={
                    "namespace": "billing",
                    "choice": "tools",
                    "action": "pause",
                    "tick": "",
                    "empty": "",
                },
            ),
        ),
    ],
)
def test_a_button(one: Raw, button: Button) -> None:
    assert Parser().facts(TiltObjects(buttons=(one,))).buttons == (button,)


@pytest.mark.parametrize(
    "sessions, pid",
    [
        ((), 0),
        ((raw("Tiltfile", status={"pid": 42}),), 42),
        ((raw("Tiltfile", status={"pid": "42"}),), 0),
        ((raw("Tiltfile", status={"pid": True}),), 0),
        ((raw("Tiltfile"),), 0),
    ],
)
def test_the_process_of_tilt(sessions: tuple[Raw, ...], pid: int) -> None:
    assert session_pid(TiltObjects(sessions=sessions)) == pid


@pytest.mark.parametrize("odd", [None, 7, "text", [], {"metadata": None, "spec": [], "status": 1}])
def test_oddly_shaped_objects_are_read_as_empty(odd: Any) -> None:
    shaped = odd if isinstance(odd, dict) else {"metadata": odd, "spec": odd, "status": odd}
    objects = TiltObjects(*(((shaped,),) * 5))
    facts = Parser().facts(objects)
    assert facts.applies[0].namespaces == ()
    assert facts.discoveries == (Discovery(""),)
    assert session_pid(objects) == 0
