"""What kwok does to pods and nodes: kwok's own fast stages, and states that tests ask for.

Annotations of a pod (of a template's metadata, usually):

  lab/state             crashloop, imagepull, notready: the pod gets there at once and stays there
  lab/ready-after       a duration such as 3s: Running at once, Ready that much later
  lab/terminate-after   a duration: how long a deleted pod stays before it is gone
"""

from pathlib import Path
from typing import Any

import yaml

STATE = '.metadata.annotations["lab/state"]'
READY_AFTER = '.metadata.annotations["lab/ready-after"]'
TERMINATE_AFTER = '.metadata.annotations["lab/terminate-after"]'
DELETED = ".metadata.deletionTimestamp"
READY = '.status.conditions.[] | select( .type == "Ready" ) | .status'

Stage = dict[str, Any]


def stages(kwok: Path) -> str:
    """Return the YAML documents for `kwok --config`, made from kwok's own `kustomize` folder."""
    node = _load(kwok / "stage/node/fast/node-initialize.yaml")
    ready = _load(kwok / "stage/pod/fast/pod-ready.yaml")
    complete = _load(kwok / "stage/pod/fast/pod-complete.yaml")
    delete = _load(kwok / "stage/pod/fast/pod-delete.yaml")
    ready["spec"]["selector"]["matchExpressions"] += [_absent(STATE), _absent(READY_AFTER)]
    delete["spec"]["selector"]["matchExpressions"] += [_absent(TERMINATE_AFTER)]
    crash = (
        "waiting: {reason: CrashLoopBackOff, message: back-off 5m0s restarting failed container}"
    )
    pull = "waiting: {reason: ImagePullBackOff, message: Back-off pulling image}"
    running = "running: {startedAt: {{ Now | Quote }}}"
    all_documents = [
        node,
        ready,
        complete,
        delete,
        _first("lab-crashloop", _is(STATE, "crashloop"), _status(crash, "Running", restarts=5)),
        _first("lab-imagepull", _is(STATE, "imagepull"), _status(pull, "Pending")),
        _first("lab-notready", _is(STATE, "notready"), _status(running, "Running")),
        _first("lab-ready-later", _exists(READY_AFTER), _status(running, "Running")),
        _ready_at_last(running),
        _deleted_at_last(delete),
    ]
    return yaml.safe_dump_all(all_documents)


def _load(file: Path) -> Stage:
    stage: Stage = yaml.safe_load(file.read_text())
    return stage


def _is(key: str, *values: str) -> dict[str, Any]:
    return {"key": key, "operator": "In", "values": list(values)}


def _exists(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "Exists"}


def _absent(key: str) -> dict[str, Any]:
    return {"key": key, "operator": "DoesNotExist"}


def _stage(name: str, expressions: list[dict[str, Any]], **spec: object) -> Stage:
    return {
        "apiVersion": "kwok.x-k8s.io/v1alpha1",
        "kind": "Stage",
        "metadata": {"name": name},
        "spec": {
            "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
            "selector": {"matchExpressions": expressions},
            **spec,
        },
    }


def _first(name: str, which: dict[str, Any], status: str) -> Stage:
    """Return the stage of a pod that has no address yet."""
    match = [which, _absent(DELETED), _absent(".status.podIP")]
    return _stage(name, match, next={"statusTemplate": status})


def _ready_at_last(running: str) -> Stage:
    match = [_exists(READY_AFTER), _absent(DELETED), _is(".status.phase", "Running")]
    match.append({"key": READY, "operator": "NotIn", "values": ["True"]})
    delay = {"durationMilliseconds": 0, "durationFrom": {"expressionFrom": READY_AFTER}}
    status = {"statusTemplate": _status(running, "Running", ready=True)}
    return _stage("lab-ready-at-last", match, delay=delay, next=status)


def _deleted_at_last(delete: Stage) -> Stage:
    delay = {"durationMilliseconds": 0, "durationFrom": {"expressionFrom": TERMINATE_AFTER}}
    match = [_exists(DELETED), _exists(TERMINATE_AFTER)]
    return _stage("lab-deleted-at-last", match, delay=delay, next=delete["spec"]["next"])


# Only for a pod that has none: kwok would give it a second one.
ADDRESS = """
{{ $meta := .metadata }}
{{ $ips := PodIPsWith .spec.nodeName false $meta.uid $meta.name $meta.namespace }}
podIP: {{ index $ips 0 | Quote }}
podIPs:
- ip: {{ index $ips 0 | Quote }}
"""


def _status(state: str, phase: str, *, restarts: int = 0, ready: bool = False) -> str:
    """Return kwok's template of a pod's status."""
    yes = str(ready)
    conditions = "".join(
        f'- {{type: {kind}, status: "{status}", lastTransitionTime: {{{{ Now | Quote }}}}}}\n'
        for kind, status in (("Initialized", "True"), ("Ready", yes), ("ContainersReady", yes))
    )
    return (
        f"conditions:\n{conditions}"
        "containerStatuses:\n{{ range .spec.containers }}\n"
        "- name: {{ .name | Quote }}\n  image: {{ .image | Quote }}\n"
        f"  ready: {yes.lower()}\n  restartCount: {restarts}\n  state:\n    {state}\n"
        "{{ end }}\n"
        f"{'' if ready else ADDRESS}"
        f"phase: {phase}\nstartTime: {{{{ Now | Quote }}}}\n"
    )
