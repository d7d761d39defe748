"""Two namespaces that Tilt has deployed: every kind of traffic reaches them by name."""

import hashlib
import socket
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass

import aiohttp
import grpc
import httpx
import pytest
from tests.lab.forwarding import forms, get, is_ready, names_of, wait_answer
from tests.lab.servers import pattern
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")
WEB, LEDGER = forms("web", "storefront"), forms("ledger", "billing")
SIZE = 50_000_000  # bytes
IDLE = 90.0  # seconds
LONG = httpx.Timeout(60)


@dataclass(frozen=True, slots=True)
class Quiet:
    """A connection on which nothing is said from `since` on."""

    connection: socket.socket
    since: float

    def echo(self, text: bytes) -> bytes:
        """Send a text and return as many bytes as came back."""
        self.connection.sendall(text)
        answer = b""
        while len(answer) < len(text) and (more := self.connection.recv(len(text) - len(answer))):
            answer += more
        return answer


@pytest.fixture(scope="module", autouse=True)
def forwarded(tilt: Tilt) -> None:
    """Wait until both namespaces are forwarded."""
    tilt.wait_status(lambda status: is_ready(status) and {*WEB, *LEDGER} <= names_of(status))
    wait_answer("web.storefront", "ledger.billing")


@pytest.fixture(scope="module", autouse=True)
def quiet(forwarded: None) -> Iterator[Quiet]:
    """Open a connection before everything else, so that the other tests fill its idle time."""
    with socket.create_connection(("ledger.billing", 7000), timeout=45) as connection:
        assert Quiet(connection, 0).echo(b"hello") == b"hello"
        yield Quiet(connection, time.monotonic())


@pytest.mark.parametrize("name", [*WEB, *LEDGER])
def test_every_form_of_a_name_answers_over_http(dev: Dev, name: str) -> None:
    said = get(name).raise_for_status().json()
    assert f"{said['service']}.{said['namespace']}" in {"web.storefront", "ledger.billing"}
    assert said["service"] == name.split(".", maxsplit=1)[0]
    assert said["host"] == name
    # Another program, of the developer's own, resolves it as well.
    assert socket.gethostbyname(name) in dev.run("getent", "ahosts", name).stdout


@pytest.mark.parametrize("name", [*WEB, *LEDGER])
def test_every_address_that_a_name_resolves_to_takes_connections(name: str) -> None:
    found = socket.getaddrinfo(name, 80, type=socket.SOCK_STREAM)
    assert {family for family, *_ in found} == {socket.AF_INET, socket.AF_INET6}
    for family, kind, protocol, _, address in found:
        with socket.socket(family, kind, protocol) as connection:
            connection.settimeout(45)
            connection.connect(address)


def test_services_have_addresses_of_their_own() -> None:
    web, ledger = socket.gethostbyname("web.storefront"), socket.gethostbyname("ledger.billing")
    assert web != ledger
    assert {socket.gethostbyname(name) for name in WEB} == {web}
    assert {socket.gethostbyname(name) for name in LEDGER} == {ledger}


@pytest.mark.parametrize("name", ["web.storefront", "ledger.billing"])
def test_a_large_body_comes_down_unchanged(name: str) -> None:
    digest, length = hashlib.sha256(), 0
    url = f"http://{name}/bytes/{SIZE}"
    with httpx.stream("GET", url, trust_env=False, timeout=LONG) as answer:
        for chunk in answer.raise_for_status().iter_raw():
            digest.update(chunk)
            length += len(chunk)
    assert (length, digest.hexdigest()) == (SIZE, answer.headers["X-Sha256"])
    assert digest.hexdigest() == hashlib.sha256(pattern(SIZE)).hexdigest()


@pytest.mark.parametrize("name", ["web.storefront", "ledger.billing"])
def test_a_large_body_goes_up_unchanged(name: str) -> None:
    body = pattern(SIZE)
    answer = httpx.post(f"http://{name}/hash", content=body, trust_env=False, timeout=LONG)
    said = answer.raise_for_status().json()
    assert said == {"length": SIZE, "sha256": hashlib.sha256(body).hexdigest()}


async def test_a_websocket_is_echoed() -> None:
    messages = [b"first", pattern(1_000_000), b"last"]
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect("http://web.storefront/ws", max_msg_size=0) as opened,
    ):
        for message in messages:
            await opened.send_bytes(message)
            assert await opened.receive_bytes(timeout=45) == message
        await opened.send_str("text too")
        assert await opened.receive_str(timeout=45) == "text too"


async def test_grpc_answers_single_requests_and_streams() -> None:
    async def requests() -> AsyncIterator[bytes]:
        for number in range(20):
            yield b"%d" % number

    async with grpc.aio.insecure_channel("ledger.billing:9090") as channel:
        say = channel.unary_unary("/lab.Echo/Say")(b"hello", timeout=45)
        assert await say == b"hello"
        assert ("namespace", "billing") in list(await say.initial_metadata())
        chat = channel.stream_stream("/lab.Echo/Chat")(requests(), timeout=45)
        assert [answer async for answer in chat] == [b"%d" % number for number in range(20)]


def test_one_password_was_enough(tilt: Tilt) -> None:
    assert tilt.prompts == 1


@pytest.mark.timeout(IDLE + 60)
def test_a_connection_that_was_idle_for_long_still_works(quiet: Quiet) -> None:
    time.sleep(max(0.0, quiet.since + IDLE - time.monotonic()))
    assert quiet.echo(b"still here") == b"still here"
