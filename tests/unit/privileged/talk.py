"""What a Helper does for its callers, as one class that runs on the fake and on the real helper."""

import asyncio
import socket

import pytest

from kubefwd_operator.core.errors import HelperGone, HelperRefused
from kubefwd_operator.core.names import HostsEntry
from kubefwd_operator.privileged.channel import Helper

IP = "127.18.77.3"


def free_port(ip: str = IP) -> int:
    with socket.create_server((ip, 0)) as probe:
        return int(probe.getsockname()[1])


async def echo_once(listener: socket.socket) -> bytes:
    """Connect to a listener and take what its server says."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"served")
        await writer.drain()
        writer.close()

    address = listener.getsockname()
    async with await asyncio.start_server(serve, sock=listener):
        reader, writer = await asyncio.open_connection(*address)
        said = await reader.read()
        writer.close()
        return said


class TalksToHelper:
    """Subclasses give the fixture `helper`, which has said hello."""

    async def test_a_listener_comes_ready_to_be_served(self, helper: Helper) -> None:
        port = free_port()
        listener = await helper.listen(IP, port)
        assert listener.getsockname() == (IP, port)
        assert not listener.getblocking()
        assert not listener.get_inheritable()
        assert await echo_once(listener) == b"served"

    async def test_many_listeners_asked_for_at_once_are_not_mixed_up(self, helper: Helper) -> None:
        ports = sorted({free_port() for _ in range(30)})
        listeners = await asyncio.gather(*(helper.listen(IP, port) for port in ports))
        assert [one.getsockname()[1] for one in listeners] == ports
        for one in listeners:
            one.close()

    async def test_a_taken_port_is_refused_by_its_code_and_the_next_request_works(
        self, helper: Helper
    ) -> None:
        with socket.create_server((IP, 0)) as taken:
            port = taken.getsockname()[1]
            with pytest.raises(HelperRefused, match=str(port)) as refused:
                await helper.listen(IP, port)
        assert refused.value.code == "in-use"
        (await helper.listen(IP, free_port())).close()

    async def test_an_address_out_of_range_is_refused(self, helper: Helper) -> None:
        with pytest.raises(HelperRefused) as refused:
            await helper.listen("127.0.0.1", free_port())
        assert refused.value.code == "foreign"

    async def test_what_is_released_can_be_had_again(self, helper: Helper) -> None:
        port = free_port()
        for _ in range(3):
            (await helper.listen(IP, port)).close()
            await helper.release(IP, port)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((IP, port), timeout=5)

    async def test_a_listener_that_nobody_waits_for_goes_back(self, helper: Helper) -> None:
        port = free_port()
        asked = asyncio.create_task(helper.listen(IP, port))
        await asyncio.sleep(0)
        asked.cancel()
        listener = await helper.listen(IP, port)
        assert asked.cancelled()
        assert await echo_once(listener) == b"served"

    async def test_a_name_that_is_not_written_is_told_with_its_reason(self, helper: Helper) -> None:
        (await helper.listen(IP, free_port())).close()
        outcome = await helper.hosts(
            [HostsEntry(IP, "web", "storefront"), HostsEntry(IP, "localhost", "shop", bare=True)]
        )
        assert outcome.changed
        assert ("localhost", IP, "refused") in [
            (one.name, one.ip, one.reason) for one in outcome.withheld
        ]
        assert all(one.message for one in outcome.withheld)

    async def test_bye_ends_the_connection_and_every_later_request(self, helper: Helper) -> None:
        await helper.bye()
        helper.close()
        assert not helper.alive
        with pytest.raises(HelperGone):
            await helper.listen(IP, free_port())
