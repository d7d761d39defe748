"""Our client and Tilt's apiserver: what each error becomes, and what is never done."""

import asyncio
import signal
import stat
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.tilt.peer import MAPS, TILTFILE, Tilt, access_to
from tests.lab.proc import wait_for

from kubefwd_operator.core.errors import TiltConflict, TiltError, TiltGone
from kubefwd_operator.tilt import client as module
from kubefwd_operator.tilt.client import STATUS, TiltClient
from kubefwd_operator.tilt.glance import glance
from kubefwd_operator.tilt.parse import session_pid
from kubefwd_operator.tilt.publish import publish
from kubefwd_operator.tilt.session import TiltAccess

pytestmark = pytest.mark.contract

OWNED = "v1alpha1.config_map(name='kubefwd:status', data={'the': 'developer'})\n"


@pytest.fixture
def access(tilt: Tilt) -> TiltAccess:
    return access_to(tilt)


@pytest.fixture
def client(access: TiltAccess, tmp_path: Path) -> Iterator[TiltClient]:
    one = TiltClient(access, tmp_path)
    yield one
    one.close()


async def test_it_reads_what_a_pass_needs(tilt: Tilt, client: TiltClient) -> None:
    objects = await client.read()
    assert "kubefwd:refresh" in {raw["metadata"]["name"] for raw in objects.buttons}
    assert tilt.server is not None
    assert session_pid(objects) == tilt.server.pid
    assert objects.maps == {}
    assert objects.data(STATUS) is None


async def test_it_publishes_only_what_has_changed_and_drops_old_keys(client: TiltClient) -> None:
    rounds = [({"a": "1", "b": "2"}, True), ({"a": "1", "b": "2"}, False), ({"a": "3"}, True)]
    for data, is_new in rounds:
        written = await publish(client, await client.read(), {STATUS: data})
        assert written == ((STATUS,) if is_new else ())
    assert (await client.read()).data(STATUS) == {"a": "3"}


async def test_a_stale_write_is_a_conflict_and_changes_nothing(client: TiltClient) -> None:
    before = await client.read()
    await publish(client, before, {STATUS: {"by": "one"}})
    with pytest.raises(TiltConflict):  # it did not exist when we looked
        await publish(client, before, {STATUS: {"by": "two"}})
    seen = await client.read()
    await publish(client, seen, {STATUS: {"by": "three"}})
    with pytest.raises(TiltConflict):  # it was another when we looked
        await publish(client, seen, {STATUS: {"by": "four"}})
    assert (await client.read()).data(STATUS) == {"by": "three"}


async def test_a_config_map_of_a_tiltfile_is_never_written(
    new_tilt: Callable[..., Tilt], tmp_path: Path
) -> None:
    tilt = new_tilt(tiltfile=TILTFILE + OWNED)
    client = TiltClient(access_to(tilt), tmp_path)
    wait_for(lambda: tilt.api.exists(f"{MAPS}/{STATUS}"), "the map")
    with pytest.raises(TiltError, match="belongs to a Tiltfile: rename it"):
        await publish(client, await client.read(), {STATUS: {"by": "us"}})
    assert (await client.read()).data(STATUS) == {"the": "developer"}
    client.close()


async def test_a_foreign_token_means_that_our_tilt_is_gone(
    access: TiltAccess, tmp_path: Path
) -> None:
    client = TiltClient(replace(access, token="another"), tmp_path)
    with pytest.raises(TiltGone, match="Another Tilt"):
        await client.read()
    client.close()


async def test_a_foreign_certificate_means_that_our_tilt_is_gone(
    new_tilt: Callable[..., Tilt], tilt: Tilt, access: TiltAccess, tmp_path: Path
) -> None:
    other = access_to(new_tilt())
    client = TiltClient(replace(access, ca=other.ca), tmp_path)
    with pytest.raises(TiltGone):
        await client.read()
    client.close()


async def test_a_tilt_that_has_ended_is_gone(tilt: Tilt, client: TiltClient) -> None:
    await client.read()
    tilt.stop()
    with pytest.raises(TiltGone):
        await client.read()


async def test_a_tilt_that_hangs_times_out_and_is_read_again_afterwards(
    tilt: Tilt, access: TiltAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.5)
    client = TiltClient(access, tmp_path)
    await client.read()
    assert tilt.server is not None
    tilt.server.signal(signal.SIGSTOP)
    try:
        with pytest.raises(TiltError, match="timed out"):
            await client.read()
    finally:
        tilt.server.signal(signal.SIGCONT)
    assert (await client.read()).sessions
    client.close()


def found(pattern: str, folder: str | Path) -> set[Path]:
    return set(Path(folder).glob(pattern))


async def test_the_authority_file_is_private_and_nothing_goes_to_tmp(
    access: TiltAccess, tmp_path: Path
) -> None:
    before = found("pykube-ng.*", tempfile.gettempdir())
    client = TiltClient(access, tmp_path)
    await client.read()
    assert found("pykube-ng.*", tempfile.gettempdir()) == before
    (file,) = found("*.crt", tmp_path)
    assert file.read_text() == access.ca
    assert access.token not in file.read_text()
    assert not stat.S_IMODE(file.stat().st_mode) & 0o022
    client.close()


async def test_a_proxy_of_the_environment_is_not_used(
    access: TiltAccess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    client = TiltClient(access, tmp_path)
    assert (await client.read()).sessions
    client.close()


async def test_a_glance_sees_what_was_published(access: TiltAccess, client: TiltClient) -> None:
    assert await asyncio.to_thread(glance, access, STATUS) is None
    await publish(client, await client.read(), {STATUS: {"state": "Ready"}})
    assert await asyncio.to_thread(glance, access, STATUS) == {"state": "Ready"}


async def test_a_glance_at_another_tilt_is_refused(access: TiltAccess) -> None:
    with pytest.raises(TiltError, match="403"):
        await asyncio.to_thread(glance, replace(access, token="another"), STATUS)


async def test_a_glance_at_a_tilt_that_has_ended_finds_nobody(
    tilt: Tilt, access: TiltAccess
) -> None:
    tilt.stop()
    with pytest.raises(TiltGone, match="still running"):
        await asyncio.to_thread(glance, access, STATUS)
