"""Report: the status written down as data of the ConfigMap `kubefwd:status`.

For people, one key per subject, tables aligned (`tilt describe configmap kubefwd:status`). For
machines `status.json`, whose keys are a promise:

    state, message, generation, engine, engineWhy, cluster, authorization {state, way},
    conditions [{type, status, reason, message, lastTransitionTime}],
    namespaces [{name, source, ready, reason, message}],
    services [{namespace, service, names, address, ports, state, reason, message, url,
        refused}],
    conflicts [{kind, over, has, without, remedy}],
    policies [{object, reason, message}],
    lastClick {button, sentence, refused} or null, stopped [namespace],
    pid, instance, version

`over` holds names, or places (`address:port`, with kubefwd `SERVICE.NAMESPACE:PORT`), that two
want; `kind` is who else wants it (ClashKind in `problem.py`), `has` and `without` are for people.
`policies` tells what is to be said of ForwardPolicy objects and of the argument `skip`; `object`
names which one.

Tilt takes at most 20 MB and sends the object to everybody who watches, so tables end after
MAX_ROWS, and names in `status.json` after MAX_NAMES of a service (headless ones have many).
Services end after MAX_SERVICES there, conflicts after MAX_ROWS.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from kubefwd_operator.core.conditions import Condition
from kubefwd_operator.core.conflicts import Conflict
from kubefwd_operator.core.problem import Fault
from kubefwd_operator.core.state import count
from kubefwd_operator.core.status import NamespaceStatus, ServiceStatus, Status

CONFIG_MAP, JSON_KEY = "kubefwd:status", "status.json"
"""The ConfigMap's name in Tilt, and the key of its data that is for machines."""

MAX_ROWS = 500
MAX_SERVICES = 5000
MAX_NAMES = 100

MAX_TOLD = 4
"""Names that one row of a table spells out: the four forms of a service."""

CONFLICTS = ("Over", "Kind", "Has it", "Goes without", "What to do")
"""The headings of the table of conflicts."""


def encode(status: Status) -> dict[str, str]:
    """Write the ConfigMap's data; equal statuses give equal text."""
    return {
        "state": status.state.value,
        "message": status.message,
        "generation": str(status.generation),
        "engine": f"{status.engine} ({status.engine_why})" if status.engine_why else status.engine,
        "cluster": status.cluster,
        "authorization": " ".join(filter(None, (status.authorization.value, status.way))),
        "conditions": _conditions_table(status.conditions),
        "namespaces": _namespaces_table(status.namespaces),
        "services": services_table(status.services),
        **({"conflicts": conflicts_table(status.conflicts)} if status.conflicts else {}),
        **({"policies": policies_table(status.policies)} if status.policies else {}),
        "lastClick": str(status.answer or ""),
        **({"stopped": ", ".join(status.stopped)} if status.stopped else {}),
        JSON_KEY: json.dumps(document(status), separators=(",", ":"), ensure_ascii=False),
    }


def document(status: Status) -> dict[str, Any]:
    """Make the content of `status.json`."""
    return {
        "state": status.state.value,
        "message": status.message,
        "generation": status.generation,
        "engine": status.engine,
        "engineWhy": status.engine_why,
        "cluster": status.cluster,
        "authorization": {"state": status.authorization.value, "way": status.way},
        "conditions": [_condition(condition) for condition in status.conditions],
        "namespaces": [_namespace(namespace) for namespace in status.namespaces],
        "services": [_service(service) for service in status.services[:MAX_SERVICES]],
        "conflicts": [_conflict(conflict) for conflict in status.conflicts[:MAX_ROWS]],
        "policies": [_policy(fault) for fault in status.policies[:MAX_ROWS]],
        "lastClick": asdict(status.answer) if status.answer else None,
        "stopped": list(status.stopped),
        "pid": status.process.pid,
        "instance": status.process.instance,
        "version": status.process.version,
    }


def services_table(services: Sequence[ServiceStatus]) -> str:
    """Write one line per service: what to call it, where it is, and what is wrong."""
    rows = [
        (
            service.url or service.key,
            service.address,
            ",".join(map(str, service.ports)),
            service.state.value,
            remark(service.message, service.refused),
        )
        for service in services[:MAX_ROWS]
    ]
    return table(("SERVICE", "ADDRESS", "PORTS", "STATE", "MESSAGE"), rows, len(services))


def conflicts_table(conflicts: Sequence[Conflict]) -> str:
    """Write one line per conflict; the ConfigMap has the key only while there are any."""
    rows = [
        (few(conflict.over), conflict.kind.value, conflict.has, conflict.without, conflict.remedy)
        for conflict in conflicts[:MAX_ROWS]
    ]
    return table([heading.upper() for heading in CONFLICTS], rows, len(conflicts))


def policies_table(policies: Sequence[Fault]) -> str:
    """Write one line per thing to be said of a policy; only while there is any."""
    rows = [
        (fault.subject, str(fault.problem.reason), fault.problem.message)
        for fault in policies[:MAX_ROWS]
    ]
    return table(("OBJECT", "REASON", "MESSAGE"), rows, len(policies))


def few(names: Sequence[str]) -> str:
    """Write the first names out, and how many more there are."""
    more = len(names) - MAX_TOLD
    return ", ".join(names[:MAX_TOLD]) + (f" and {more} more" if more > 0 else "")


def remark(message: str, refused: int) -> str:
    """Add to a service's message how many connections were refused, if any."""
    refusals = f"Refused {count(refused, 'connection')} of other users." if refused else ""
    return " ".join(filter(None, (message, refusals)))


def table(header: Sequence[str], rows: Sequence[Sequence[str]], total: int) -> str:
    """Align columns two spaces apart; say how many of `total` rows were left out."""
    lines = [header, *([cell.replace("\n", " ") for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]
    text = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    if total > len(rows):
        text.append(f"... and {total - len(rows)} more: see {JSON_KEY}")
    return "\n".join(text) + "\n"


def _conditions_table(conditions: Sequence[Condition]) -> str:
    rows = [(c.type, c.status.value, str(c.reason), c.message) for c in conditions]
    return table(("TYPE", "STATUS", "REASON", "MESSAGE"), rows, len(rows))


def _namespaces_table(namespaces: Sequence[NamespaceStatus]) -> str:
    rows = [
        (n.name, n.source.value, "yes" if n.ready else "no", str(n.reason), n.message)
        for n in namespaces[:MAX_ROWS]
    ]
    header = ("NAMESPACE", "SOURCE", "READY", "REASON", "MESSAGE")
    return table(header, rows, len(namespaces))


def _condition(condition: Condition) -> dict[str, Any]:
    return {
        "type": condition.type,
        "status": condition.status.value,
        "reason": str(condition.reason),
        "message": condition.message,
        "lastTransitionTime": condition.last_transition_time,
    }


def _namespace(namespace: NamespaceStatus) -> dict[str, Any]:
    return {
        "name": namespace.name,
        "source": namespace.source.value,
        "ready": namespace.ready,
        "reason": str(namespace.reason),
        "message": namespace.message,
    }


def _service(service: ServiceStatus) -> dict[str, Any]:
    return {
        "namespace": service.namespace,
        "service": service.service,
        "names": list(service.names[:MAX_NAMES]),
        "address": service.address,
        "ports": list(service.ports),
        "state": service.state.value,
        "reason": str(service.reason),
        "message": service.message,
        "url": service.url,
        "refused": service.refused,
    }


def _conflict(conflict: Conflict) -> dict[str, Any]:
    return {
        "kind": conflict.kind.value,
        "over": list(conflict.over[:MAX_NAMES]),
        "has": conflict.has,
        "without": conflict.without,
        "remedy": conflict.remedy,
    }


def _policy(fault: Fault) -> dict[str, Any]:
    reason, message = str(fault.problem.reason), fault.problem.message
    return {"object": fault.subject, "reason": reason, "message": message}
