"""Our buttons on Tilt's real apiserver: they come, change and go, and do not change without need.

The page clicks by a PUT of the button as it has read it, with the resourceVersion of then.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from tests.contract.tilt.peer import TILTFILE, Tilt, access_to
from tests.lab.api import Api, ApiError, Json
from tests.lab.proc import wait_for
from tests.lab.tilt import GROUP

from kubefwd_operator.core.buttons import OURS, Situation, wanted
from kubefwd_operator.core.errors import TiltConflict
from kubefwd_operator.tilt.buttons import show_buttons
from kubefwd_operator.tilt.client import TiltClient

pytestmark = pytest.mark.contract

HASH = "uibuttonspec-hash"
FULL = Situation(("a", "b"), frozenset({"b", "c"}), denied=True)
EMPTY = Situation()


@pytest.fixture
def client(tilt: Tilt, tmp_path: Path) -> Iterator[TiltClient]:
    one = TiltClient(access_to(tilt), tmp_path)
    yield one
    one.close()


def shown(tilt: Tilt) -> dict[str, Json]:
    """Our buttons as Tilt holds them."""
    items = tilt.api.items(f"{GROUP}/uibuttons")
    return {item["metadata"]["name"]: item for item in items if item["metadata"]["name"] in OURS}


def settled(tilt: Tilt) -> dict[str, Json]:
    """Wait until Tilt has written its hash of the spec on each, which is once a spec."""

    def hashes() -> dict[str, str]:
        return {
            name: item["metadata"].get("annotations", {}).get(HASH, "")
            for name, item in shown(tilt).items()
        }

    wait_for(lambda: all(hashes().values()), "Tilt's hash on every button")
    return shown(tilt)


def click(api: Api, read: Json) -> Json:
    """Click as the page does: what was read, with another status."""
    path = f"{GROUP}/uibuttons/{quote(read['metadata']['name'])}/status"
    status = {"lastClickedAt": "2020-01-01T00:00:00.000001Z", "inputs": []}
    return api.put(path, {**read, "status": status})


async def show(client: TiltClient, situation: Situation) -> None:
    await show_buttons(client, await client.read(), wanted(situation))


async def test_they_come_change_and_go(tilt: Tilt, client: TiltClient) -> None:
    await show(client, FULL)
    assert shown(tilt).keys() == OURS
    spec = shown(tilt)["kubefwd:stop"]["spec"]
    assert spec["location"] == {"componentType": "Resource", "componentID": "kubefwd:run"}
    assert spec["inputs"][0]["choice"]["choices"] == ["a", "b"]
    settled(tilt)
    await show(client, EMPTY)
    left = shown(tilt)
    assert left.keys() == {"kubefwd:forward", "kubefwd:pause", "kubefwd:repair"}
    assert [each["name"] for each in left["kubefwd:forward"]["spec"]["inputs"]] == ["namespace"]


async def test_one_that_need_not_change_is_not_written_so_that_a_click_succeeds(
    tilt: Tilt, client: TiltClient
) -> None:
    await show(client, FULL)
    read = settled(tilt)
    for _ in range(2):
        await show(client, FULL)
    assert shown(tilt) == read
    for name, button in read.items():
        click(tilt.api, button)
        assert shown(tilt)[name]["status"]["lastClickedAt"].startswith("2020-01-01")
    clicked = shown(tilt)
    await show(client, FULL)
    assert shown(tilt) == clicked


async def test_one_that_changes_refuses_a_click_on_what_it_was(
    tilt: Tilt, client: TiltClient
) -> None:
    await show(client, FULL)
    read = settled(tilt)
    click(tilt.api, read["kubefwd:stop"])
    await show(client, Situation(("a",), frozenset({"b", "c"}), denied=True))
    with pytest.raises(ApiError) as refused:
        click(tilt.api, read["kubefwd:stop"])
    assert refused.value.code == 409
    now = shown(tilt)["kubefwd:stop"]
    assert now["spec"]["inputs"][0]["choice"]["choices"] == ["a"]
    assert now["status"]["lastClickedAt"]  # a click that we have not read yet is kept
    click(tilt.api, read["kubefwd:pause"])  # and the others are as they were


async def test_a_change_is_a_conflict_when_somebody_has_clicked_meanwhile(
    tilt: Tilt, client: TiltClient
) -> None:
    await show(client, FULL)
    settled(tilt)
    before = await client.read()
    click(tilt.api, shown(tilt)["kubefwd:stop"])
    with pytest.raises(TiltConflict):
        await show_buttons(client, before, wanted(Situation(("a",), denied=True)))
    assert json.dumps(shown(tilt)["kubefwd:stop"]["spec"]).count('"b"') == 1


async def test_what_was_not_there_when_we_looked_is_a_conflict_and_what_has_gone_is_none(
    client: TiltClient,
) -> None:
    nothing = await client.read()
    await show(client, FULL)
    with pytest.raises(TiltConflict):
        await show_buttons(client, nothing, wanted(FULL))
    there = await client.read()
    for _ in range(2):
        await show_buttons(client, there, {})


async def test_a_reload_of_the_tiltfile_leaves_them_as_they_are(
    tilt: Tilt, client: TiltClient
) -> None:
    await show(client, FULL)
    read = settled(tilt)
    (tilt.folder / "Tiltfile").write_text(TILTFILE + "print('read again')\n")
    wait_for(lambda: "read again" in tilt.output, "a reload")
    wait_for(lambda: tilt.output.count("Successfully loaded Tiltfile") > 1, "its end")
    assert shown(tilt) == read


async def test_a_button_of_somebody_else_is_left_alone(
    new_tilt: Callable[..., Tilt], tmp_path: Path
) -> None:
    place = "v1alpha1.ui_component_location(component_id='kubefwd:run', component_type='Resource')"
    buttons = "".join(
        f"v1alpha1.ui_button(name='{name}', text='Mine', location={place})\n" for name in OURS
    )
    tilt = new_tilt(tiltfile=TILTFILE + buttons)
    client = TiltClient(access_to(tilt), tmp_path)
    wait_for(lambda: shown(tilt).keys() == OURS, "the buttons")
    for situation in (FULL, EMPTY):
        await show(client, situation)
        assert {item["spec"]["text"] for item in shown(tilt).values()} == {"Mine"}
    client.close()
