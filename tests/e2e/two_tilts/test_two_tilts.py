"""Two Tilts of one developer on two clusters, with services of the same names.

A name leads to one cluster at a time, each address to its own for good, and both are told.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx
import pytest
from tests.lab.api import Json
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import (
    HOSTS,
    address,
    forms,
    get,
    is_ready,
    names_of,
    row,
    wait_answer,
    wait_clean,
    wait_row,
)
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

FOLDER = Path(__file__).parent
WEB = "web.storefront"
NAMES = forms("web", "storefront")


@pytest.fixture
def other(lab: Lab) -> Cluster:
    """Give the second developer's cluster, which has the same namespace and service."""
    return lab.cluster("other")


def uid(cluster: Cluster) -> str:
    """Return the uid of the one pod of `web`, which its backend answers with."""
    cluster.pods.wait_ready("storefront")
    (pod,) = cluster.pods.find("storefront")
    return str(pod["metadata"]["uid"])


def who(name: str) -> str:
    """Return the uid of the pod that answers under a name or address."""
    return str(get(name).raise_for_status().json()["uid"])


def conflict(status: Json) -> Json:
    """Return the one conflict with another Tilt."""
    (found,) = [each for each in status["conflicts"] if each["kind"] == "OtherTilt"]
    return dict(found)


@dataclass
class Asking:
    """Asks for `web` again and again; keeps the pods that answered, each in a row once."""

    answered: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def ask(self) -> None:
        while not self.over.wait(0.05):
            try:
                found = who(WEB)
            except httpx.HTTPError:
                continue  # between the end of one and the turn of the other
            if self.answered[-1:] != [found]:
                self.answered.append(found)


@contextmanager
def asking() -> Iterator[Asking]:
    """Ask all the time between this and the end."""
    made = Asking()
    thread = threading.Thread(target=made.ask)
    thread.start()
    try:
        yield made
    finally:
        made.over.set()
        thread.join(60)


def start_second(lab: Lab, other: Cluster) -> Tilt:
    """Start a Tilt of the same project on the other cluster, with a namespace more."""
    second = lab.tilt(FOLDER, cluster=other, name="second")
    second.add("k8s_yaml('search.yaml')\n")
    return second.start()


def test_a_name_never_leads_to_the_other_cluster_and_passes_on_at_the_end(
    lab: Lab, dev: Dev, cluster: Cluster, other: Cluster
) -> None:
    hosts = HOSTS.read_bytes()
    first = lab.tilt(FOLDER, cluster=cluster, name="first").start()
    wait_answer(*NAMES)
    mine = row(first.wait_status(is_ready), WEB)
    one = uid(cluster)

    with asking() as heard:
        eventually(lambda: heard.answered)
        second = start_second(lab, other)
        wait_answer("index.search")  # what only the second has is not held up
        two = uid(other)

        # Both are told, each with the other's name.
        theirs = wait_row(second, WEB, "NameTaken")
        assert first.instance in theirs["message"]
        assert not set(NAMES) & names_of(second.status())
        told = first.wait_status(lambda now: row(now, WEB)["reason"] == "NameContested")
        assert second.instance in row(told, WEB)["message"]
        assert told["state"] == "Ready"
        assert (lost := conflict(second.status()))["without"] == WEB
        assert first.instance in lost["has"]
        assert (kept := conflict(told))["has"] == WEB
        assert second.instance in kept["without"]
        assert set(lost["over"]) == set(kept["over"]) == set(NAMES)
        assert set(NAMES) <= names_of(told)

        # Names are the first's; an address is always its own cluster's.
        assert theirs["address"] != mine["address"]
        assert [address(name) for name in NAMES] == [mine["address"]] * len(NAMES)
        assert {who(name) for name in (*NAMES, mine["address"])} == {one}
        assert who(theirs["address"]) == two
        assert dev.prompts == 2

        assert heard.answered == [one]
        first.stop()
        for name in NAMES:
            eventually(partial(_is, name, two))
        eventually(lambda: heard.answered == [one, two])

    assert row(second.wait_status(is_ready), WEB)["address"] == theirs["address"]
    assert [address(name) for name in NAMES] == [theirs["address"]] * len(NAMES)
    assert heard.answered == [one, two]
    assert dev.prompts == 2

    second.stop()
    wait_clean(hosts)


def _is(name: str, uid: str) -> bool:
    return who(name) == uid
