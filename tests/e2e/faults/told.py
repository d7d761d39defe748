"""What every fault is asserted by: a condition or a row with its reason, and who still answers."""

from functools import partial

import httpx
from tests.lab.api import Json
from tests.lab.eventual import eventually
from tests.lab.tilt import Tilt

NAMESPACES = ("vault", "storefront", "billing", "search")  # the first by an argument


def get(url: str) -> httpx.Response:
    """Ask once, on a connection of its own."""
    return httpx.get(url, timeout=45, trust_env=False)


def answers(*names: str) -> None:
    """Wait until each of these names answers over HTTP."""
    for name in names:
        eventually(partial(_answers, name))


def _answers(name: str) -> bool:
    return get(f"http://{name}/").is_success


def condition(tilt: Tilt, kind: str, reason: str) -> str:
    """Wait for a condition that is not as it should be, for that reason; return its message."""

    def fits(status: Json) -> bool:
        found = {each["type"]: each for each in status["conditions"]}[kind]
        return (found["status"], found["reason"]) == ("False", reason)

    status = tilt.wait_status(fits)
    return str({each["type"]: each["message"] for each in status["conditions"]}[kind])


def service(tilt: Tilt, name: str, reason: str) -> Json:
    """Wait for the row of a service with that reason; return it."""

    def rows(status: Json) -> list[Json]:
        fits = (name, reason)
        return [row for row in status["services"] if (row["service"], row["reason"]) == fits]

    return rows(tilt.wait_status(rows))[0]


def namespace(tilt: Tilt, name: str, reason: str) -> Json:
    """Wait for the row of a namespace with that reason; return it."""

    def rows(status: Json) -> list[Json]:
        fits = (name, reason)
        return [row for row in status["namespaces"] if (row["name"], row["reason"]) == fits]

    return rows(tilt.wait_status(rows))[0]


def ready(tilt: Tilt) -> None:
    """Wait until everything is well."""
    tilt.wait_status(lambda status: status["state"] == "Ready")
