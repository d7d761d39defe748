"""Refresh in Tilt's real web page, clicked by a real browser."""

import socket
from contextlib import suppress
from pathlib import Path

import pytest
from tests.lab.eventual import eventually
from tests.lab.forwarding import answers, is_ready, wait_answer
from tests.lab.page import page
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.browser

ASK = b"GET / HTTP/1.1\r\nHost: web.storefront\r\n\r\n"


def has_ended(connection: socket.socket) -> bool:
    """Say whether the other side has closed a connection on which nothing is asked for."""
    connection.settimeout(0.1)
    with suppress(TimeoutError):
        try:
            return connection.recv(1) == b""
        except ConnectionError:
            return True
    return False


def test_refresh_in_the_page_starts_the_forwarding_anew_without_a_question(
    tilt: Tilt, dev: Dev, tmp_path: Path
) -> None:
    wait_answer("web.storefront")
    before = tilt.wait_status(is_ready)
    assert dev.prompts == 1

    with socket.create_connection(("web.storefront", 80)) as tunnel:
        tunnel.sendall(ASK)
        assert tunnel.recv(65536).startswith(b"HTTP/1.1 200")
        assert not has_ended(tunnel)
        with page(tilt, "r/kubefwd:run/overview") as opened:
            button = opened.get_by_role("button", name="Refresh")
            button.wait_for()
            opened.screenshot(path=tmp_path / "before.png")
            button.click()
            after = tilt.wait_status(
                lambda status: status["generation"] > before["generation"] and is_ready(status)
            )
            opened.screenshot(path=tmp_path / "after.png")
        eventually(lambda: has_ended(tunnel))

    assert answers("web.storefront")
    assert after["pid"] == before["pid"]
    assert [row["names"] for row in after["services"]] == [
        row["names"] for row in before["services"]
    ]
    assert dev.prompts == 1
