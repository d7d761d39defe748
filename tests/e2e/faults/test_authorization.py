"""Root is not given: the status says what to run, and everything else goes on."""

import subprocess
from collections.abc import Callable, Iterator

import pytest
from tests.lab.eventual import eventually
from tests.lab.forwarding import is_ready, namespaces_of, wait_answer, wait_false
from tests.lab.tilt import Tilt
from tests.lab.user import Dev, without_sudo

from kubefwd_operator.core.clicks import AUTHORIZE_BUTTON


@pytest.fixture(autouse=True)
def sound(dev: Dev) -> Iterator[None]:
    """Leave sudo and askpass as they were."""
    yield
    dev.answer_with(dev.password)
    dev.sudoers()


@pytest.fixture
def no_sudo() -> Iterator[None]:
    """Hide every sudo of the place, which is a namespace of this module's own."""
    with without_sudo():
        yield


def test_a_wrong_password_is_not_asked_for_again_until_refresh(
    start: Callable[..., Tilt], dev: Dev
) -> None:
    dev.answer_with("wrong")
    before = dev.prompts
    tilt = start()
    message = wait_false(tilt, "HelperReady", "AuthorizationDenied")
    assert "Refresh" in message
    assert "authorize" in message
    # One invocation of sudo asks up to three times by itself.
    assert 1 <= dev.prompts - before <= 3
    assert tilt.status()["state"] == "AuthorizationDenied"
    tilt.wait_status(lambda status: "billing" in namespaces_of(status))

    asked = dev.prompts
    dev.answer_with(dev.password)
    tilt.click("kubefwd:refresh")
    wait_answer("web.storefront", "ledger.billing")
    assert dev.prompts == asked + 1
    tilt.wait_status(is_ready)


def has_button(tilt: Tilt) -> bool:
    return any(button["metadata"]["name"] == AUTHORIZE_BUTTON for button in tilt.list("uibuttons"))


def test_a_dialog_that_was_cancelled_is_shown_again_by_a_button_that_comes_and_goes(
    start: Callable[..., Tilt], dev: Dev
) -> None:
    folder = dev.mkdir(".lab/dialogs")
    dev.write(folder / "zenity", "#!/bin/sh\nexit 1\n", mode=0o755)
    path = f"{folder}:{dev.environment['PATH']}"
    tilt = start(env={"SUDO_ASKPASS": "", "DISPLAY": ":77", "PATH": path})
    message = wait_false(tilt, "HelperReady", "AuthorizationDenied")
    assert "sudo dialog did not give root" in message
    assert tilt.status()["state"] == "AuthorizationDenied"
    eventually(lambda: has_button(tilt))

    answer = f"#!/bin/sh\necho '{dev.password}'\n"
    dev.write(folder / "zenity", answer, mode=0o755)
    tilt.click(AUTHORIZE_BUTTON)
    wait_answer("web.storefront", "ledger.billing")
    status = tilt.wait_status(is_ready)
    assert status["authorization"]["way"] == "sudo dialog"
    eventually(lambda: not has_button(tilt))


def test_without_askpass_the_line_to_paste_is_told_and_works(
    start: Callable[..., Tilt], dev: Dev
) -> None:
    before = dev.prompts
    tilt = start(env={"SUDO_ASKPASS": ""})
    message = wait_false(tilt, "HelperReady", "WaitingForAuthorization")
    (line,) = [line for line in message.splitlines() if line.startswith("/usr/bin/sudo ")]
    tilt.wait_log(line)
    assert dev.prompts == before

    # What a person types into a terminal; -A stands for typing the password there.
    line = line.replace("sudo ", "sudo -A ", 1)
    with dev.background("sh", "-c", line):
        wait_answer("web.storefront", "ledger.billing")
        tilt.wait_status(is_ready)


def test_the_authorize_command_is_told_and_works(start: Callable[..., Tilt], dev: Dev) -> None:
    tilt = start(env={"SUDO_ASKPASS": ""})
    message = wait_false(tilt, "HelperReady", "WaitingForAuthorization")
    (line,) = [line for line in message.splitlines() if " authorize --instance " in line]
    dev.sudoers(password=False)
    with dev.background("sh", "-c", line):
        wait_answer("web.storefront")


def test_without_a_password_line_nobody_is_asked_and_the_log_says_why(
    start: Callable[..., Tilt], dev: Dev
) -> None:
    dev.sudoers(password=False)
    before = dev.prompts
    tilt = start()
    wait_answer("web.storefront", "ledger.billing")
    assert dev.prompts == before
    tilt.wait_log("Root came without a question")
    assert "NOPASSWD" in tilt.run_output


def test_a_developer_who_may_not_use_sudo_is_told_so(start: Callable[..., Tilt], dev: Dev) -> None:
    dev.sudoers(allowed=False)
    tilt = start()
    message = wait_false(tilt, "HelperReady", "AuthorizationDenied")
    assert "run this in any terminal" in message
    dev.sudoers()
    tilt.click("kubefwd:refresh")
    wait_answer("web.storefront")


def test_without_any_sudo_the_helper_itself_is_what_to_run(
    start: Callable[..., Tilt], no_sudo: None
) -> None:
    tilt = start()
    message = wait_false(tilt, "HelperReady", "WaitingForAuthorization")
    assert "become root in any terminal" in message
    (line,) = [line for line in message.splitlines() if line.startswith("/usr/bin/python3 ")]
    # The test is root already, as a person would be after `su`.
    become_root = subprocess.Popen(["sh", "-c", line], start_new_session=True)
    try:
        wait_answer("web.storefront", "ledger.billing")
    finally:
        tilt.stop()
        become_root.terminate()
        become_root.wait(60)
