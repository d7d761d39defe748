"""A namespace goes when its resource is disabled, or leaves the Tiltfile; the others stay.

Without the extension all of them go.
"""

import socket
from functools import partial

import pytest
from tests.lab.eventual import eventually
from tests.lab.forwarding import address, answers, forms, namespaces_of, wait_gone
from tests.lab.tilt import Tilt

pytestmark = pytest.mark.engines("native", "kubefwd")

WEB = forms("web", "storefront")
LEDGER = forms("ledger", "billing")
INDEX = forms("index", "search")


def all_answer(names: list[str]) -> bool:
    """Say whether the service answers under every name."""
    return all(map(answers, names))


def test_names_follow_what_tilt_has_deployed(tilt: Tilt) -> None:
    for names in (WEB, LEDGER, INDEX):
        eventually(partial(all_answer, names))
    kept = address("web.storefront")
    with socket.create_connection(("web.storefront", 80)) as untouched:
        tilt.disable("ledger")
        wait_gone(*LEDGER)
        tilt.wait_status(lambda status: sorted(namespaces_of(status)) == ["search", "storefront"])
        assert all_answer([*WEB, *INDEX])

        tilt.write("Tiltfile", tilt.tiltfile.replace("k8s_yaml('search.yaml')\n", ""))
        wait_gone(*INDEX)
        tilt.wait_status(lambda status: namespaces_of(status) == ["storefront"])
        assert all_answer(WEB)
        assert address("web.storefront") == kept

        untouched.settimeout(40)
        untouched.sendall(b"GET / HTTP/1.1\r\nHost: web.storefront\r\nConnection: close\r\n\r\n")
        assert untouched.recv(1024).startswith(b"HTTP/1.1 200")


def test_a_resource_that_is_enabled_again_answers_again(tilt: Tilt) -> None:
    tilt.enable("ledger")
    eventually(lambda: all_answer(LEDGER))
    assert all_answer(WEB)


def our_rows(tilt: Tilt) -> list[str]:
    names = [each["metadata"]["name"] for each in tilt.list("uiresources")]
    return [name for name in names if name.startswith("kubefwd:")]


def test_without_the_extension_nothing_is_forwarded_until_it_is_back(tilt: Tilt) -> None:
    with_it, asked = tilt.tiltfile, tilt.prompts
    lines = with_it.splitlines(keepends=True)
    tilt.write("Tiltfile", "".join(line for line in lines if not line.startswith("v1alpha1.")))
    wait_gone(*WEB, *LEDGER)
    eventually(lambda: not our_rows(tilt))

    tilt.write("Tiltfile", with_it)
    eventually(lambda: all_answer([*WEB, *LEDGER]))
    eventually(lambda: {"kubefwd:run", "kubefwd:ns:storefront"} <= set(our_rows(tilt)))
    assert tilt.prompts == asked
