"""The stand-in's defects are what the real kubefwd's are, seen from outside; and cures cure them.

Only the stand-in has them at will, so this is no part of the contract (`verified.py`).
"""

import asyncio
import json
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import httpx
import pytest
from tests.contract.kubefwd.kit import HOSTS, Kubefwd, pod_behind, service, sockets
from tests.contract.kubefwd.stand_in.world import SWITCHES
from tests.lab.eventual import eventually, eventually_async, steady

from kubefwd_operator.core.errors import KubefwdUnreachable
from kubefwd_operator.engines.kubefwd.api import KubefwdApi
from kubefwd_operator.engines.kubefwd.rows import Forward

pytestmark = [pytest.mark.contract, pytest.mark.isolated]

Apply = Callable[..., Awaitable[None]]
Make = Callable[..., Kubefwd]


@pytest.fixture
def kind() -> str:
    return "stand-in"


@pytest.fixture
def begin_with() -> Iterator[Callable[..., object]]:
    """Return a function that gives every stand-in defects from its start on."""
    yield lambda **defects: SWITCHES.write_text(json.dumps(defects))
    SWITCHES.unlink(missing_ok=True)


def switch(kubefwd: Kubefwd, **defects: object) -> None:
    status, found = kubefwd.raw("PUT", "/stand-in/defects", defects)
    assert (status, found) == (200, defects)


@pytest.fixture
async def hasty(kubefwd: Kubefwd) -> AsyncIterator[KubefwdApi]:
    """A client that loses patience soon."""
    made = KubefwdApi(kubefwd.key, seconds=0.2, change=0.2)
    yield made
    await made.close()


async def test_it_hangs_and_goes_on(kubefwd: Kubefwd, hasty: KubefwdApi) -> None:
    switch(kubefwd, hang=True)
    for call in (hasty.health, hasty.info, hasty.forwards):
        with pytest.raises(KubefwdUnreachable):
            await call()
    switch(kubefwd)
    assert (await kubefwd.api.health()).version


async def test_a_delete_hangs(kubefwd: Kubefwd, hasty: KubefwdApi) -> None:
    switch(kubefwd, hang_delete=True)
    with pytest.raises(KubefwdUnreachable):
        await hasty.remove_namespace("shop")
    await kubefwd.api.add_namespace("shop")


async def test_it_asks_nobody_for_the_key(kubefwd: Kubefwd) -> None:
    switch(kubefwd, open=True)
    assert not await kubefwd.api.guarded()


async def test_it_has_no_api(make_kubefwd: Make, begin_with: Callable[..., object]) -> None:
    begin_with(no_api=True)
    kubefwd = make_kubefwd().start()
    eventually(lambda: "Server listening on http://127.2.27.1:80" in kubefwd.server.output)
    with pytest.raises(KubefwdUnreachable, match="nothing listens"):
        await kubefwd.api.health()
    assert kubefwd.server.exit_code is None


async def test_it_does_not_hear_sigterm(kubefwd: Kubefwd) -> None:
    switch(kubefwd, ignore_term=True)
    kubefwd.server.signal(signal.SIGTERM)
    steady(lambda: kubefwd.server.exit_code is None, seconds=0.5)
    assert (await kubefwd.api.health()).version
    switch(kubefwd)
    kubefwd.server.signal(signal.SIGTERM)
    assert kubefwd.server.wait_exited() == 0


async def test_it_crashes_and_leaves_its_names(kubefwd: Kubefwd, web: Forward) -> None:
    with pytest.raises(httpx.TransportError):
        switch(kubefwd, crash=True)
    assert kubefwd.server.wait_exited() == 2
    assert web.ip in HOSTS.read_text()
    assert (web.ip, web.port) not in sockets()


async def test_no_address_is_left(kubefwd: Kubefwd, web: Forward, apply: Apply) -> None:
    switch(kubefwd, exhausted=True)
    await apply(service(web.namespace, "more", "web", {"port": 8888, "targetPort": 8080}))
    rows = await kubefwd.until(web.namespace, lambda rows: len(rows) == 2, listen=False)
    assert [row.ip for row in rows] == ["<nil>", web.ip]
    await eventually_async(lambda: ("127.0.0.1", 8888) in sockets())
    assert "IP generation has run out of bounds" in kubefwd.server.output


# --- illnesses of one service, and what helps ------------------------------------------------


def vanished(rows: list[Forward]) -> bool:
    return not rows


def silent(rows: list[Forward]) -> bool:
    return [(row.status, (row.ip, row.port) in sockets()) for row in rows] == [("Active", False)]


def connecting(rows: list[Forward]) -> bool:
    return [row.status for row in rows] == ["Connecting"]


ILLNESSES = [
    pytest.param("vanish", vanished, id="vanish"),
    pytest.param("early", silent, id="early"),
    pytest.param("stuck", connecting, id="stuck"),
]


async def sync(kubefwd: Kubefwd, web: Forward) -> None:
    await kubefwd.api.sync(web.service, web.namespace)


async def reconnect(kubefwd: Kubefwd, web: Forward) -> None:
    await kubefwd.api.reconnect(web.service, web.namespace)


async def renew_service(kubefwd: Kubefwd, web: Forward) -> None:
    await kubefwd.api.remove_service(web.service, web.namespace)
    await kubefwd.api.add_service(web.service, web.namespace)


async def renew_namespace(kubefwd: Kubefwd, web: Forward) -> None:
    await kubefwd.api.remove_namespace(web.namespace)
    await kubefwd.api.add_namespace(web.namespace)


LADDER = {
    "sync": sync,
    "reconnect": reconnect,
    "service": renew_service,
    "namespace": renew_namespace,
}


async def show(kubefwd: Kubefwd, web: Forward, fits: Callable[[list[Forward]], bool]) -> None:
    async def shown() -> bool:
        return fits(await kubefwd.rows(web.namespace))

    _: bool = await eventually_async(shown)


@pytest.mark.parametrize(("illness", "looks"), ILLNESSES)
@pytest.mark.parametrize("cure", LADDER)
async def test_an_illness_lasts_until_its_cure(
    kubefwd: Kubefwd,
    web: Forward,
    illness: str,
    looks: Callable[[list[Forward]], bool],
    cure: str,
) -> None:
    switch(kubefwd, **{illness: {f"web.{web.namespace}": cure}})
    await show(kubefwd, web, looks)
    for name, remedy in LADDER.items():
        await remedy(kubefwd, web)
        if name == cure:
            break
        await show(kubefwd, web, looks)
    (row,) = await kubefwd.count(web.namespace, 1)
    assert await pod_behind(row) == row.pod


async def test_a_restart_is_what_helps_last(kubefwd: Kubefwd, web: Forward) -> None:
    switch(kubefwd, vanish={f"web.{web.namespace}": "restart"})
    for remedy in LADDER.values():
        await show(kubefwd, web, vanished)
        await asyncio.gather(remedy(kubefwd, web), return_exceptions=True)
    await show(kubefwd, web, vanished)


async def test_a_connection_is_half_open(kubefwd: Kubefwd, web: Forward) -> None:
    switch(kubefwd, half_open={f"web.{web.namespace}": "service"}, stall=0.2)
    await kubefwd.until(web.namespace, lambda rows: rows and rows[0].started > web.started)
    with pytest.raises(httpx.TransportError):
        await pod_behind(web)
    assert "error creating error stream for port 80 -> 8080" in await kubefwd.complaints()
    await renew_service(kubefwd, web)
    (row,) = await kubefwd.count(web.namespace, 1)
    assert await pod_behind(row) == row.pod


# --- the habits that nobody has to switch on -------------------------------------------------


async def test_addresses_are_used_up(kubefwd: Kubefwd, web: Forward, apply: Apply) -> None:
    """Each name of each pod takes one for good; 256 are there."""
    many = [service(web.namespace, f"s{number}", "web") for number in range(256)]
    await apply(*many)
    rows = await kubefwd.until(
        web.namespace, lambda rows: len(rows) > 255 and "<nil>" in {row.ip for row in rows},
        listen=False,
    )  # fmt: skip
    given = [row.ip for row in rows if row.ip != "<nil>"]
    assert len(set(given)) == len(given) == 256
    assert {"127.1.27.255", "127.1.27.0"} <= set(given)
