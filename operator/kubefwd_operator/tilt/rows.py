"""Our rows on Tilt's page: made, changed when they must, and taken off.

Facts of Tilt 0.37. A UIResource that Tilt did not make is left alone by it, and shown if its status
says that it is enabled; a status in what is created is kept, so a row is complete at once. Rows of
the same label stand in one group of the page; ours take that of the operator's own row. They have
no part in `tilt ci`, which counts what Tiltfiles declare. Tilt never collects them: an operator
that ends well takes its own off, and what one that was killed has left is found by its label.

A row has no log of its own, but whatever a Cmd annotated with its name writes is shown there. So
what is to be said is a Cmd that runs once and is deleted when it has ended. Tilt writes a line of
the command itself before, so the text comes in a variable: said once.
"""

import logging
import re
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from kubefwd_operator.core.rows import OPERATOR, Light, Row, news
from kubefwd_operator.tilt.client import LABELS, Raw, TiltClient, TiltObjects
from kubefwd_operator.tilt.kinds import Cmd, UIResource

log = logging.getLogger(__name__)

VARIABLE = "kubefwd"
"""Of the environment of a Cmd; its value is what it says."""

_SENTENCES = re.compile(r"\n(?! )")
"""Between sentences; further lines of one are indented."""

_NEVER_DISABLED = {"state": "Enabled", "enabledCount": 1, "disabledCount": 0, "sources": []}


class Rows:
    """Publishes rows on one Tilt."""

    def __init__(self, client: TiltClient) -> None:
        self._client = client
        self._foreign: set[str] = set()
        self._labels: dict[str, str] = {}  # of the operator's own row; they never change

    async def publish(self, seen: TiltObjects, wanted: Iterable[Row], now: str) -> None:
        """Make the page show what is `wanted`, tell the logs what is new, and delete the rest.

        `now` is RFC 3339, to the second. Raises TiltConflict when a row has changed since `seen`.
        """
        there = {raw["metadata"]["name"]: raw for raw in seen.rows}
        after = {row.name: row for row in wanted}
        for name, raw in there.items():
            if name not in after:
                await self._say(name, news(read(raw), None))
                await self._client.delete(UIResource, name)
        for row in after.values():
            await self._show(row, there.get(row.name), now)
        for raw in seen.commands:
            if (raw.get("status") or {}).get("terminated"):
                await self._client.delete(Cmd, raw["metadata"]["name"])

    async def remove(self) -> None:
        """Take everything of ours off the page, what an operator before has left too."""
        for kind in (UIResource, Cmd):
            for raw in await self._client.list_ours(kind):
                await self._client.delete(kind, raw["metadata"]["name"])

    async def _show(self, row: Row, raw: Raw | None, now: str) -> None:
        if raw is None:
            await self._add(row, now)
            return
        status = write(row, now, before=raw.get("status") or {})
        if not _says(raw, status):
            await self._say(row.name, news(read(raw), row))
            await self._client.show(UIResource, raw, status)

    async def _add(self, row: Row, now: str) -> None:
        """Make a row, unless somebody else has one of that name."""
        if await self._client.find(UIResource, row.name) is not None:
            if row.name not in self._foreign:
                self._foreign.add(row.name)
                log.warning(
                    "Tilt has a resource %s that is not ours, so its row is not shown: "
                    "rename it in the Tiltfile.",
                    row.name,
                )
            return
        await self._say(row.name, news(None, row))
        metadata = {"name": row.name, "labels": await self._group() | LABELS}
        await self._client.create(UIResource, {"metadata": metadata, "status": write(row, now)})

    async def _group(self) -> dict[str, str]:
        """Give the labels by which the page puts the operator's own row into a group."""
        if not self._labels:
            own = await self._client.find(UIResource, OPERATOR)
            labels = (own or {}).get("metadata", {}).get("labels") or {}
            self._labels = {key: value for key, value in labels.items() if "/" not in key}
        return self._labels

    async def _say(self, name: str, lines: Sequence[str]) -> None:
        if not lines:
            return
        metadata = {
            "name": f"kubefwd:say:{secrets.token_hex(4)}",
            "labels": LABELS,
            "annotations": {
                "tilt.dev/resource": name,
                "tilt.dev/log-span-id": f"kubefwd-operator:{name}",
            },
        }
        spec = {"args": ["printenv", VARIABLE], "env": [f"{VARIABLE}=" + "\n".join(lines)]}
        await self._client.create(Cmd, {"metadata": metadata, "spec": spec})


def write(row: Row, now: str, before: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Write a UIResource's status; times are those of the last change of its light."""
    held = _ready(before or {})
    same = (before or {}).get("runtimeStatus") == row.light
    # Tilt wants six decimals.
    time = held.get("lastTransitionTime") if same else None
    time = time or now.removesuffix("Z") + ".000000Z"
    condition = {
        "type": "Ready",
        "status": "True" if row.light is Light.OK else "False",
        "reason": row.reason,
        "message": "\n".join(row.sentences),
        "lastTransitionTime": time,
    }
    return {
        "runtimeStatus": row.light.value,
        "updateStatus": "pending" if row.waits_on else "not_applicable",
        "waiting": _waiting(row.waits_on) if row.waits_on else None,
        "lastDeployTime": time,
        "order": row.order,
        "endpointLinks": [{"url": link.url, "name": link.name} for link in row.links],
        "disableStatus": _NEVER_DISABLED,
        "conditions": [condition],
    }


def _waiting(name: str) -> dict[str, Any]:
    """Say that it waits for another row, which the page then shows beside it."""
    group, version = UIResource.version.split("/")
    on = {"group": group, "apiVersion": version, "kind": UIResource.kind, "name": name}
    return {"reason": "waiting-for-dep", "on": [on]}


def read(raw: Raw) -> Row:
    """Read a row of ours off Tilt's object, as far as `news` needs it."""
    status = raw.get("status") or {}
    ready = _ready(status)
    light = status.get("runtimeStatus")
    return Row(
        name=raw["metadata"]["name"],
        light=Light(light) if light in set(Light) else Light.PENDING,
        reason=ready.get("reason", ""),
        sentences=tuple(_SENTENCES.split(ready.get("message", ""))),
    )


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any]:
    conditions = status.get("conditions") or ()
    return next((each for each in conditions if each.get("type") == "Ready"), {})


def _says(raw: Raw, status: Mapping[str, Any]) -> bool:
    """Whether a row's status is this; Tilt leaves out what is empty."""
    there = raw.get("status") or {}
    return all((there.get(key) or None) == (value or None) for key, value in status.items())
