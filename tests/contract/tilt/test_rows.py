"""Our rows on a real Tilt: what is written and what is not, and what their logs are told."""

import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.contract.tilt.conftest import StartOperator
from tests.contract.tilt.peer import TILTFILE, Tilt, access_to, kopf_run, operator_env
from tests.contract.tilt.recorder import Recording, recording
from tests.lab.proc import wait_for
from tests.lab.tilt import GROUP

from kubefwd_operator.core.errors import TiltConflict
from kubefwd_operator.core.links import Link
from kubefwd_operator.core.rows import Light, Row
from kubefwd_operator.tilt.client import LABELS, TiltClient
from kubefwd_operator.tilt.kinds import Cmd, UIResource
from kubefwd_operator.tilt.rows import Rows, read

pytestmark = pytest.mark.contract

NOON, LATER = "2026-01-02T12:00:00Z", "2026-01-02T12:00:09Z"
RESOURCES = f"{GROUP}/uiresources"
COMMANDS = f"{GROUP}/cmds"
OPERATOR = "local_resource('kubefwd:run', serve_cmd='exec sleep 1000', labels=['forwarding'])\n"

LINK = Link("http://web.a:8080", "web:8080")
GREEN = Row("kubefwd:ns:a", Light.OK, "Ready", ("Forwarding 1 service.",), 10_001, (LINK,))
OTHER = Row("kubefwd:ns:b", Light.OK, "Ready", ("Forwarding 2 services.",), 10_001)
HOSTILE = """web.a PortTaken: $(touch it) `touch it`; "touch it" 'touch it' %s \\n && touch it"""
RED = Row("kubefwd:ns:a", Light.ERROR, "PortTaken", (HOSTILE, "db.a PortTaken: by 4711."), 10_001)

TROUBLE = Row("kubefwd:status", Light.ERROR, "NoCluster", ("NoCluster: run this\n  and this.",))


@pytest.fixture
def tilt(new_tilt: Callable[..., Tilt]) -> Tilt:
    tilt = new_tilt(tiltfile=TILTFILE + OPERATOR)
    wait_for(lambda: tilt.api.exists(f"{RESOURCES}/kubefwd:run"), "the operator's row")
    return tilt


@pytest.fixture
def client(tilt: Tilt, tmp_path: Path) -> Iterator[TiltClient]:
    one = TiltClient(access_to(tilt), tmp_path)
    yield one
    one.close()


async def publish(client: TiltClient, *wanted: Row, rows: Rows | None = None) -> None:
    await (rows or Rows(client)).publish(await client.read(), wanted, NOON)


def logs(tilt: Tilt, row: str) -> str:
    command = ["tilt", "logs", "--port", str(tilt.port), row]
    ran = subprocess.run(command, env=tilt.env, capture_output=True, text=True, check=True)
    return ran.stdout


def told(tilt: Tilt, row: str, sentence: str) -> None:
    """Wait until the row's log ends with a sentence."""
    wait_for(lambda: logs(tilt, row).rstrip().endswith(sentence), f"{sentence!r} in its log")


def ours(tilt: Tilt) -> dict[str, Any]:
    found = tilt.api.items(RESOURCES)
    return {
        each["metadata"]["name"]: each
        for each in found
        if LABELS.items() <= (each["metadata"].get("labels") or {}).items()
    }


async def test_a_row_is_complete_at_once_and_in_the_operators_group(
    tilt: Tilt, client: TiltClient
) -> None:
    await publish(client, GREEN)
    (raw,) = ours(tilt).values()
    assert raw["metadata"]["labels"] == {"forwarding": "forwarding", **LABELS}
    status = raw["status"]
    assert status["runtimeStatus"] == "ok"
    assert status["endpointLinks"] == [{"url": LINK.url, "name": LINK.name}]
    assert status["disableStatus"]["state"] == "Enabled"  # else the page hides it
    assert status["lastDeployTime"] == status["conditions"][0]["lastTransitionTime"]
    assert raw["metadata"]["resourceVersion"]
    assert read(raw).sentences == GREEN.sentences


async def test_only_what_changes_is_written(tilt: Tilt, tmp_path: Path) -> None:
    with recording(tilt) as seen:
        client = TiltClient(access_to(tilt, Path(seen.env["TILT_CONFIG"])), tmp_path)
        rounds: list[tuple[list[Row], list[tuple[str, str]]]] = [
            ([GREEN, OTHER], [("POST", RESOURCES), ("POST", RESOURCES)]),
            ([GREEN, OTHER], []),
            ([OTHER, GREEN], []),
            (
                [RED, OTHER],
                [("POST", COMMANDS), ("PUT", f"{RESOURCES}/kubefwd:ns:a/status")],
            ),
            ([OTHER], [("DELETE", f"{RESOURCES}/kubefwd:ns:a")]),
            ([], [("DELETE", f"{RESOURCES}/kubefwd:ns:b")]),
            ([], []),
        ]
        for wanted, writes in rounds:
            before = len(writes_of_rows(seen))
            await publish(client, *wanted)
            assert writes_of_rows(seen)[before:] == writes
        client.close()


def writes_of_rows(seen: Recording) -> list[tuple[str, str]]:
    """Every write but the end of a command, which comes when Tilt has run it."""
    writes = [request for request in seen.requests if request[0] != "GET"]
    return [each for each in writes if not (each[0] == "DELETE" and COMMANDS in each[1])]


async def test_a_row_waits_for_another_until_it_does_not(tilt: Tilt, client: TiltClient) -> None:
    held = replace(GREEN, light=Light.PENDING, waits_on="kubefwd:status")
    for row, waits in ((held, ["kubefwd:status"]), (GREEN, [])):
        await publish(client, row)
        status = ours(tilt)["kubefwd:ns:a"]["status"]
        assert [on["name"] for on in (status.get("waiting") or {}).get("on", [])] == waits


async def test_a_row_keeps_the_time_of_its_last_change(tilt: Tilt, client: TiltClient) -> None:
    rows = Rows(client)
    more = Row(GREEN.name, Light.OK, "Ready", ("Forwarding 2 services.",), GREEN.order)
    times = []
    for now, row in ((NOON, GREEN), (LATER, more), (LATER, RED)):
        await rows.publish(await client.read(), [row], now)
        times.append(ours(tilt)["kubefwd:ns:a"]["status"]["lastDeployTime"])
    assert times == [f"2026-01-02T12:00:0{second}.000000Z" for second in (0, 0, 9)]


async def test_the_log_of_a_red_row_says_why_and_when_it_is_over(
    tilt: Tilt, client: TiltClient
) -> None:
    await publish(client, GREEN)
    assert logs(tilt, "kubefwd:ns:a") == ""
    await publish(client, RED)
    told(tilt, "kubefwd:ns:a", "db.a PortTaken: by 4711.")
    assert HOSTILE in logs(tilt, "kubefwd:ns:a")
    assert not list(tilt.folder.glob("it"))  # nothing has taken it for a command
    await publish(client, RED)
    await publish(client, GREEN)
    told(tilt, "kubefwd:ns:a", "db.a PortTaken: over")
    said = logs(tilt, "kubefwd:ns:a")
    assert said.count("by 4711") == 1
    assert "Forwarding" not in said


async def test_the_end_of_what_concerned_everything_is_told_although_its_row_goes(
    tilt: Tilt, client: TiltClient
) -> None:
    await publish(client, TROUBLE)
    await publish(client, TROUBLE)
    told(tilt, "kubefwd:status", "  and this.")
    await publish(client)
    assert ours(tilt) == {}
    told(tilt, "kubefwd:status", "NoCluster: over")
    assert logs(tilt, "kubefwd:status").count("over") == 1
    assert logs(tilt, "kubefwd:status").count("and this.") == 1


async def test_commands_that_have_ended_are_deleted(tilt: Tilt, client: TiltClient) -> None:
    await publish(client, RED)
    (command,) = await client.list_ours(Cmd)
    path = f"{COMMANDS}/{command['metadata']['name']}"
    wait_for(lambda: "terminated" in (tilt.api.get(path).get("status") or {}), "its end")
    assert tilt.api.get(path)["status"]["terminated"].get("exitCode", 0) == 0
    await publish(client, RED)
    assert not tilt.api.exists(path)


async def test_what_another_operator_left_is_swept_and_told_nothing_twice(
    tilt: Tilt, client: TiltClient, tmp_path: Path
) -> None:
    await publish(client, RED, OTHER)
    told(tilt, "kubefwd:ns:a", "db.a PortTaken: by 4711.")
    next_one = TiltClient(access_to(tilt), tmp_path)
    await publish(next_one, RED)
    assert list(ours(tilt)) == ["kubefwd:ns:a"]
    await publish(next_one, GREEN)
    told(tilt, "kubefwd:ns:a", "over")
    assert logs(tilt, "kubefwd:ns:a").count("by 4711") == 1
    next_one.close()


async def test_a_resource_of_somebody_else_is_left_alone_and_told_once(
    new_tilt: Callable[..., Tilt], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    tilt = new_tilt(tiltfile=TILTFILE + "local_resource('kubefwd:ns:a', 'true')\n")
    wait_for(lambda: tilt.api.exists(f"{RESOURCES}/kubefwd:ns:a"), "the developer's resource")
    client = TiltClient(access_to(tilt), tmp_path)
    rows = Rows(client)
    for wanted in ([RED, OTHER], [RED, OTHER], []):
        await publish(client, *wanted, rows=rows)
        theirs = tilt.object("uiresources", "kubefwd:ns:a")
        assert theirs["metadata"]["ownerReferences"]
        assert "endpointLinks" not in theirs["status"]
    await rows.remove()
    assert tilt.api.exists(f"{RESOURCES}/kubefwd:ns:a")
    assert ours(tilt) == {}
    warnings = [record.message for record in caplog.records if "is not ours" in record.message]
    assert len(warnings) == 1
    assert "rename it in the Tiltfile" in warnings[0]
    client.close()


async def test_a_row_that_has_changed_or_gone_meanwhile_is_looked_at_again(
    tilt: Tilt, client: TiltClient
) -> None:
    rows = Rows(client)
    await publish(client, GREEN)
    before = await client.read()
    await rows.publish(before, [OTHER, RED], NOON)
    with pytest.raises(TiltConflict):  # it was another when we looked
        await client.show(UIResource, before.rows[0], {"runtimeStatus": "ok"})
    await rows.remove()
    with pytest.raises(TiltConflict):  # it was there when we looked
        await client.show(UIResource, before.rows[0], {"runtimeStatus": "ok"})
    assert ours(tilt) == {}


async def test_tilt_leaves_our_rows_alone(tilt: Tilt, client: TiltClient) -> None:
    await publish(client, RED)
    before = ours(tilt)["kubefwd:ns:a"]
    path = tilt.folder / "Tiltfile"
    path.write_text(path.read_text() + "local_resource('another', 'true')\n")
    wait_for(lambda: tilt.api.exists(f"{RESOURCES}/another"), "the reload")
    assert ours(tilt)["kubefwd:ns:a"] == before


# --- the operator ----------------------------------------------------------------------------


def has_rows(tilt: Tilt, *names: str) -> None:
    wait_for(lambda: set(ours(tilt)) == set(names), f"the rows {names}")


def test_an_operator_shows_its_namespaces_and_takes_all_away_when_it_ends(
    tilt: Tilt, operate: StartOperator
) -> None:
    operator = operate(tilt, KUBEFWD_OPERATOR_NAMESPACES="a,b")
    has_rows(tilt, "kubefwd:status", "kubefwd:ns:a", "kubefwd:ns:b")  # there is no cluster
    told(tilt, "kubefwd:status", "or leave this extension out.")
    assert operator.stop(grace=30) == 0
    assert ours(tilt) == {}
    names = [each["metadata"]["name"] for each in tilt.api.items(COMMANDS)]
    assert not [name for name in names if name.startswith("kubefwd:say:")]


def test_what_a_killed_operator_left_is_swept_by_the_next(
    tilt: Tilt, operate: StartOperator
) -> None:
    first = operate(tilt, KUBEFWD_OPERATOR_NAMESPACES="a,b")
    has_rows(tilt, "kubefwd:status", "kubefwd:ns:a", "kubefwd:ns:b")
    first.kill()
    assert len(ours(tilt)) == 3
    operate(tilt, name="second", KUBEFWD_OPERATOR_NAMESPACES="b")
    has_rows(tilt, "kubefwd:status", "kubefwd:ns:b")


CI = """
local_resource('main', ['sh', '-c',
    'until tilt get uiresource kubefwd:status >/dev/null 2>&1; do sleep 0.2; done'],
    allow_parallel=True)
"""


def test_tilt_ci_ends_well_beside_a_red_row(new_tilt: Callable[..., Tilt], tmp_path: Path) -> None:
    tilt = Tilt(tmp_path / "home of ci")
    env = operator_env(tilt)
    serve = {key: env[key] for key in ("PYTHONPATH", "PYTHONDONTWRITEBYTECODE")}
    operator = f"local_resource('operator', serve_cmd={kopf_run()!r}, serve_env={serve!r})\n"
    (tilt.folder / "Tiltfile").write_text(CI + operator)
    command = ["tilt", "ci", "--port", str(tilt.port), "--timeout", "100s"]
    ran = subprocess.run(
        command,
        env=tilt.env,
        cwd=tilt.folder,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout
    assert "NoCluster: This Tiltfile deploys nothing" in ran.stdout
