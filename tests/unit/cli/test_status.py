"""What `status` and `ready` print, and the code they leave with."""

import io
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result
from rich.console import Console

from kubefwd_operator.cli import look, main
from kubefwd_operator.cli.look import Report
from kubefwd_operator.cli.status import show
from kubefwd_operator.core.errors import TiltGone
from kubefwd_operator.tilt.session import TiltAccess, TiltLocation

ACCESS = TiltAccess("tilt-default", "https://127.0.0.1:1", "", "")
GONE_PID = 2**22 + 1  # above Linux's largest process id


def condition(kind: str, status: str, reason: str = "Ready", message: str = "") -> dict[str, str]:
    return {"type": kind, "status": status, "reason": reason, "message": message}


def service(**more: Any) -> dict[str, Any]:
    whole = {"namespace": "storefront", "service": "web", "names": [], "address": "127.18.0.3"}
    return {**whole, "ports": [80, 443], "state": "Ready", "message": "", "url": "", **more}


def document(state: str = "Ready", **more: Any) -> dict[str, Any]:
    whole = {"state": state, "message": f"It is {state}.", "pid": os.getpid()}
    return {**whole, "conditions": [], "namespaces": [], "services": [], **more}


Call = Callable[..., Result]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch) -> Call:
    """Run a command against a ConfigMap of that content."""

    def run(data: Mapping[str, str] | Exception | None, *arguments: str) -> Result:
        def glance(access: TiltAccess, name: str) -> Mapping[str, str] | None:
            assert (access, name) == (ACCESS, "kubefwd:status")
            if isinstance(data, Exception):
                raise data
            return data

        def read_access(location: TiltLocation) -> TiltAccess:
            return ACCESS

        monkeypatch.setattr(look, "glance", glance)
        monkeypatch.setattr(look, "read_access", read_access)
        return CliRunner().invoke(main, list(arguments))

    return run


def published(**more: Any) -> dict[str, str]:
    return {"status.json": json.dumps(document(**more))}


def test_the_last_click_is_answered(call: Call) -> None:
    answer = {"button": "Pause", "sentence": "it is [paused] already.", "refused": True}
    assert (
        "last click  Pause: it is [paused] already."
        in call(published(lastClick=answer), "status").output
    )
    for none in ({}, {"lastClick": None}):
        assert "last click" not in call(published(**none), "status").output


def test_what_was_stopped_is_told_with_what_brings_it_back(call: Call) -> None:
    shown = call(published(stopped=["a", "b"]), "status").output
    assert "stopped  a, b: 'Forward a namespace' on `kubefwd:run` brings one back." in shown
    assert "stopped" not in call(published(stopped=[]), "status").output


def test_what_is_so_of_everything_is_said_once(call: Call) -> None:
    paused = {"name": "a", "ready": False, "reason": "Paused", "message": "It is Paused."}
    other = {"name": "b", "ready": False, "reason": "Forbidden", "message": "It is forbidden."}
    services = [service(message="It is Paused."), service(message="It has no pods.")]
    data = published(state="Paused", namespaces=[paused, other], services=services)
    shown = call(data, "status").output
    assert "It has no pods." in shown
    assert shown.count("It is Paused.") == 1
    assert "namespace b Forbidden: It is forbidden." in shown


@pytest.mark.parametrize("command", ["status", "ready"])
@pytest.mark.parametrize(
    "data, code, words",
    [
        pytest.param(published(), 0, "It is Ready.", id="ready"),
        pytest.param(published(state="Degraded"), 1, "It is Degraded.", id="degraded"),
        pytest.param(published(state="Starting"), 1, "It is Starting.", id="starting"),
        pytest.param(None, 3, "has not reported yet", id="no ConfigMap"),
        pytest.param({}, 3, "has not reported yet", id="no document"),
        pytest.param({"status.json": "[]"}, 3, "has not reported yet", id="another document"),
        pytest.param({"status.json": "{"}, 3, "is damaged: Refresh", id="half a document"),
        pytest.param(published(pid=GONE_PID), 3, "does not run any more", id="process gone"),
        pytest.param(TiltGone("Nobody answers."), 3, "Nobody answers.", id="no Tilt"),
    ],
)
def test_the_exit_code_tells(
    call: Call, command: str, data: Mapping[str, str] | Exception | None, code: int, words: str
) -> None:
    result = call(data, command)
    assert result.exit_code == code
    assert words in result.output
    assert "Traceback" not in result.output


def test_a_wrong_environment_is_a_wrong_call(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TILT_PORT", "web")
    result = call(published(), "ready")
    assert result.exit_code == 2
    assert "TILT_PORT: 'web' is not a port" in result.output


def test_json_is_the_document_whole_and_alone(call: Call) -> None:
    result = call(published(state="Degraded", extra="ünïcode"), "status", "--json")
    assert json.loads(result.stdout) == document("Degraded", extra="ünïcode")
    assert "ünïcode" in result.stdout
    assert result.exit_code == 1


def shown(**more: Any) -> str:
    output = io.StringIO()
    show(Report(document(**more)), Console(file=output, width=250, highlight=False))
    return output.getvalue()


def test_each_service_has_a_line() -> None:
    rows = [
        service(url="http://web.storefront"),
        service(service="db", state="NotForwarded", message="It has no selector."),
    ]
    lines = shown(services=rows).splitlines()
    (web,) = [line for line in lines if "http://web.storefront" in line]
    assert web.split() == ["http://web.storefront", "127.18.0.3", "80,", "443", "Ready"]
    (db,) = [line for line in lines if "db.storefront" in line]
    assert "  NotForwarded " in db
    assert db.rstrip().endswith("It has no selector.")


def test_conflicts_have_a_table_of_their_own() -> None:
    who = {"has": "[your] line", "without": "web.a", "remedy": "Take it out."}
    row = {"kind": "HostsFile", "over": ["web", "web.a"], **who}
    lines = shown(services=[service()], conflicts=[row]).splitlines()
    title = lines.index("Conflicts")
    assert any("127.18.0.3" in line for line in lines[:title])
    (line,) = [line for line in lines[title:] if "HostsFile" in line]
    words = "web, web.a HostsFile [your] line web.a Take it out."
    assert " ".join(line.split()) == words
    assert "Conflicts" not in shown(services=[service()], conflicts=[])


def test_what_is_said_of_policies_is_shown_by_object() -> None:
    row = {"object": "ForwardPolicy a/p", "reason": "PolicyInvalid", "message": "[It] is wrong."}
    lines = [line.split() for line in shown(policies=[row]).splitlines()]
    assert ["ForwardPolicy", "a/p", "PolicyInvalid:", "[It]", "is", "wrong."] in lines


@pytest.mark.parametrize(
    "one, is_said",
    [
        pytest.param(condition("HelperReady", "True", message="Well."), False, id="well"),
        pytest.param(condition("Degraded", "False", message="Well."), False, id="not degraded"),
        pytest.param(condition("HelperReady", "False", "Lost", "Lost it."), True, id="not well"),
        pytest.param(condition("Degraded", "True", "NameTaken", "Taken."), True, id="degraded"),
        pytest.param(
            condition("Ready", "False", "Starting", "It is Starting."), False, id="said already"
        ),
    ],
)
def test_conditions_are_shown_when_they_tell_more(one: dict[str, str], is_said: bool) -> None:
    text = shown(state="Starting", conditions=[one])
    assert (f"{one['type']} {one['reason']}: {one['message']}" in text) == is_said


def test_namespaces_are_shown_when_they_are_not_ready() -> None:
    rows = [
        {"name": "well", "ready": True, "reason": "Ready", "message": "3 services"},
        {"name": "locked", "ready": False, "reason": "Forbidden", "message": "You may not."},
    ]
    text = shown(namespaces=rows)
    assert "namespace locked Forbidden: You may not." in text
    assert "well" not in text


def test_what_others_wrote_is_not_taken_for_markup() -> None:
    text = shown(services=[service(message="[bold]not mine[/bold] [/]")])
    assert "[bold]not mine[/bold] [/]" in text


def test_long_messages_are_whole_when_piped(call: Call) -> None:
    words = " ".join(f"word{number}" for number in range(40))
    result = call(published(services=[service(message=words)]), "status")
    assert "word39" in result.output


def test_help_lists_every_command() -> None:
    result = CliRunner().invoke(main, ["--help"])
    assert result.exit_code == 0
    for name in ("authorize", "ready", "status", "version"):
        assert f"\n  {name} " in result.output
    assert CliRunner().invoke(main, ["nonsense"]).exit_code == 2
