"""What `kubefwd-operator wait` waits for, and why it is not there yet. Pure.

A name may have any of its forms: `S`, `S.N`, `S.N.svc`, `S.N.svc.cluster.local`, those of a pod of
a headless service with the pod in front, or any other that the status lists.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.model import Dialled
from kubefwd_operator.core.names import is_label
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.state import State

MAX_SECONDS = 24 * 3600

_SECONDS = re.compile(r"([0-9]{1,6})([smh]?)")
_UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
_FORWARDING = frozenset({State.READY, State.DEGRADED})
_FEW = 10

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Wanted:
    """A name and a port that have to answer."""

    name: str
    port: int

    def __str__(self) -> str:
        return f"{self.name}:{self.port}"


@dataclass(frozen=True, slots=True)
class Found:
    """What one try came to: where the name leads, and what a dial there said.

    `silent`: why the operator could not be asked.
    """

    addresses: tuple[str, ...] = ()
    dialled: Dialled | None = None
    silent: str = ""

    @property
    def reached(self) -> bool:
        """Whether a pod has taken a connection at every address."""
        return self.dialled is not None and self.dialled.reached


def wanted(text: str) -> Wanted:
    """Read NAME:PORT. Raises SettingsError."""
    name, colon, port = text.strip().rpartition(":")
    name = name.lower().removesuffix(".")
    if not colon or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise SettingsError(
            f"'{text}' is not NAME:PORT: give a name and a port from 1 to 65535, as in "
            "'web.storefront:80'."
        )
    if len(name) > 253 or not all(map(is_label, name.split("."))):
        raise SettingsError(f"'{name}' is not a name: write it as a program would look it up.")
    return Wanted(name, int(port))


def seconds(text: str) -> int:
    """Read a time: '90', '90s', '2m' or '1h'. Raises SettingsError."""
    match = _SECONDS.fullmatch(text.strip())
    found = int(match[1]) * _UNITS[match[2]] if match else 0
    if not 0 < found <= MAX_SECONDS:
        raise SettingsError(f"'{text}' is not a time: use seconds ('90s'), minutes or hours.")
    return found


def explain(wanted: Wanted, found: Found, status: Row) -> str:
    """Say why it does not answer, and what to do, from the status and what was last seen."""
    row = _row(wanted.name, status)
    if found.dialled is None or not found.dialled.ours:
        if whole := _whole(status):
            return whole
        nearest = found.silent
    else:
        nearest = found.dialled.why
    if row is not None:
        return _of_service(wanted, found, row)
    return nearest or _strange(wanted, found) + _of_namespace(wanted.name, status)


def _whole(status: Row) -> str:
    """Say what stops everything, if something does."""
    state = str(status.get("state", ""))
    return "" if state in _FORWARDING else f"{state}: {status.get('message', '')}"


def _of_service(wanted: Wanted, found: Found, row: Row) -> str:
    here = found.dialled is not None and found.dialled.ours
    ports = [int(port) for port in row.get("ports", ())]
    if row.get("reason") and (not here or row.get("state") != "Ready"):
        return f"{row['reason']}: {row['message']}"
    if ports and wanted.port not in ports:
        listed = ", ".join(map(str, ports))
        return f"{_key(row)} has no port {wanted.port}: wait for one of {listed}."
    if found.silent:
        return found.silent
    if found.dialled is not None and here:
        return found.dialled.why
    names = [str(name) for name in row.get("names", ())]
    if names and wanted.name not in names:
        return f"'{wanted.name}' is not a name of {_key(row)}: use '{names[0]}'."
    if found.dialled is not None and row.get("address") in found.addresses:
        return found.dialled.why  # it leads here, and the engine is not there (any more)
    if found.addresses:
        return _elsewhere(wanted, found, row)
    if not names:
        return f"{row.get('state')}: {_key(row)} has no name on this machine yet."
    return (
        f"'{wanted.name}' is forwarded, and programs do not find it: "
        "`kubefwd-operator doctor` looks at how this machine looks names up."
    )


def _elsewhere(wanted: Wanted, found: Found, row: Row) -> str:
    return (
        f"'{wanted.name}' leads to {', '.join(found.addresses)}, and this Tilt forwards it at "
        f"{row.get('address') or 'no address'}: another Tilt, or a line of your own in /etc/hosts, "
        "has the name. `kubefwd-operator status` shows who."
    )


def _strange(wanted: Wanted, found: Found) -> str:
    """Say first where a name leads that this Tilt has nothing to do with."""
    if not found.addresses:
        return ""
    return (
        f"'{wanted.name}' leads to {', '.join(found.addresses)}, which is not this Tilt's: for "
        "another Tilt's names give its `--port`. "
    )


def _of_namespace(name: str, status: Row) -> str:
    service, namespace = _parts(name)
    if not namespace:
        return (
            f"No service '{service}' is forwarded: write it with its namespace "
            f"('{service}.NAMESPACE') to hear more."
        )
    for row in status.get("namespaces", ()):
        if row["name"] == namespace:
            if not row["ready"]:
                return f"{row['reason']}: {row['message']}"
            return f"Namespace '{namespace}' has no service '{service}'{_others(namespace, status)}"
    return _why_out(namespace, status) or (
        f"Nothing in namespace '{namespace}' is forwarded: Tilt has deployed nothing to it, or it "
        "is excluded. Add it with the extension's argument `namespaces`."
    )


def _why_out(namespace: str, status: Row) -> str:
    """Say who has taken a namespace out, if it was the developer's click, or a policy."""
    if namespace in status.get("stopped", ()):
        return (
            f"Namespace '{namespace}' was stopped with the button: 'Forward a namespace' on "
            "`kubefwd:run` brings it back."
        )
    for fault in status.get("policies", ()):
        is_its_own = fault["object"].startswith(f"ForwardPolicy {namespace}/")
        if is_its_own and fault["reason"] == Reason.POLICY_FOLLOWED:
            return f"{fault['object']} {fault['reason']}: {fault['message']}"
    return ""


def _others(namespace: str, status: Row) -> str:
    names = [row["service"] for row in _rows(status) if row["namespace"] == namespace]
    if not names:
        return ", and no other."
    more = ", ..." if len(names) > _FEW else ""
    return f": there are {', '.join(names[:_FEW])}{more}."


def _row(name: str, status: Row) -> Row | None:
    """Find the service that a name means: one that is published, else one that would have it."""
    service, namespace = _parts(name)
    for row in _rows(status):
        if name in row.get("names", ()):
            return row
    for row in _rows(status):
        if row["service"] == service and namespace in ("", row["namespace"]):
            return row
    return None


def _rows(status: Row) -> Iterator[Row]:
    yield from status.get("services", ())


def _parts(name: str) -> tuple[str, str]:
    """Split a name into service and namespace, which is empty for a bare one."""
    labels = name.removesuffix(".cluster.local").removesuffix(".svc").split(".")
    if len(labels) == 1:
        return labels[0], ""
    return labels[-2], labels[-1]


def _key(row: Row) -> str:
    return f"{row['service']}.{row['namespace']}"
