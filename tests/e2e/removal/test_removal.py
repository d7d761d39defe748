"""A namespace goes when its resource is disabled, or leaves the Tiltfile; the others stay."""

import socket
from contextlib import suppress
from functools import partial

import httpx
from tests.lab.eventual import eventually
from tests.lab.tilt import Tilt

FORMS = ("{s}", "{s}.{n}", "{s}.{n}.svc", "{s}.{n}.svc.cluster.local")
SERVICES = {"storefront": "web", "billing": "ledger", "search": "index"}


def resolved(namespace: str) -> list[str]:
    """Return the names of that namespace's service that the machine knows now."""
    found = []
    for form in FORMS:
        name = form.format(s=SERVICES[namespace], n=namespace)
        with suppress(OSError):
            socket.getaddrinfo(name, 80)
            found.append(name)
    return found


def answers(namespace: str) -> bool:
    """Say whether the service answers under every name."""
    names = resolved(namespace)
    return len(names) == len(FORMS) and all(
        httpx.get(f"http://{name}/", timeout=40, trust_env=False).is_success for name in names
    )


def namespaces(tilt: Tilt) -> list[str]:
    """Return the namespaces of the status."""
    return [row["name"] for row in tilt.status()["namespaces"]]


def test_names_follow_what_tilt_has_deployed(tilt: Tilt) -> None:
    for namespace in SERVICES:
        eventually(partial(answers, namespace))
    kept = socket.gethostbyname("web.storefront")
    with socket.create_connection(("web.storefront", 80)) as untouched:
        tilt.disable("ledger")
        eventually(lambda: not resolved("billing"))
        eventually(lambda: sorted(namespaces(tilt)) == ["search", "storefront"])
        assert answers("storefront")
        assert answers("search")

        text = (tilt.folder / "Tiltfile").read_text()
        tilt.write("Tiltfile", text.replace("k8s_yaml('search.yaml')\n", ""))
        eventually(lambda: not resolved("search"))
        eventually(lambda: namespaces(tilt) == ["storefront"])
        assert answers("storefront")
        assert socket.gethostbyname("web.storefront") == kept

        untouched.settimeout(40)
        untouched.sendall(b"GET / HTTP/1.1\r\nHost: web.storefront\r\nConnection: close\r\n\r\n")
        assert untouched.recv(1024).startswith(b"HTTP/1.1 200")


def test_a_resource_that_is_enabled_again_answers_again(tilt: Tilt) -> None:
    tilt.enable("ledger")
    eventually(lambda: answers("billing"))
    assert answers("storefront")
