"""What is said to the developer: every message names its remedy."""

import dataclasses

from tests.unit.privileged.test_ways import HELPER, HERE

from kubefwd_operator.core.reason import Reason
from kubefwd_operator.privileged import advice
from kubefwd_operator.privileged.answers import Answer
from kubefwd_operator.privileged.attempts import Refusal
from kubefwd_operator.privileged.command import command, sudo, typed
from kubefwd_operator.privileged.ways import ALL, already_root, sudo_askpass, sudo_silent

AUTHORIZE = "/venv/bin/kubefwd-operator authorize --instance tilt-1"
SUDO = typed(sudo("/usr/bin/sudo", HELPER))
SILENT = Refusal(sudo_silent.WAY, launched=True, said="sudo: a password is required")
NOT_ROOT = Refusal(already_root.WAY, launched=False, said="this operator does not run as root")
NO_ASKPASS = Refusal(sudo_askpass.WAY, launched=False, said="SUDO_ASKPASS is not set")
WRONG = Refusal(sudo_askpass.WAY, launched=True, said="sudo: 3 incorrect", answer=Answer.REFUSED)


def test_waiting_names_what_stood_in_the_way_and_both_lines_each_on_its_own() -> None:
    problem = advice.refused(HERE, [NOT_ROOT, SILENT, NO_ASKPASS])
    assert problem.reason is Reason.WAITING_FOR_AUTHORIZATION
    told = problem.message.splitlines()
    assert "(sudo -n: sudo: a password is required; SUDO_ASKPASS is not set)" in told[0]
    assert AUTHORIZE in told
    assert SUDO in told


def test_a_terminal_that_was_chosen_is_no_failure() -> None:
    problem = advice.refused(HERE, [])
    assert problem.reason is Reason.WAITING_FOR_AUTHORIZATION
    assert "nobody is to be asked. Please run this" in problem.message


def test_the_order_of_the_ways_is_told() -> None:
    assert advice.order(ALL) == (
        "Ways to root, in the order in which they are tried: already root, sudo -n, sudo -A, "
        "sudo dialog, osascript, pkexec, a line to paste into a terminal."
    )


def test_without_sudo_the_line_is_one_for_root_and_names_the_uid() -> None:
    here = dataclasses.replace(HERE, sudo="")
    missing = Refusal(sudo_askpass.WAY, launched=False, said="sudo is not installed")
    problem = advice.refused(here, [NOT_ROOT, missing])
    assert "sudo is not installed" in problem.message
    assert problem.message.endswith(typed(command("/usr/bin/python3", "/r", "tilt-1", 1000)))
    assert AUTHORIZE not in problem.message


def test_denied_names_what_sudo_said_and_that_refresh_asks_again() -> None:
    problem = advice.refused(HERE, [SILENT, WRONG])
    assert problem.reason is Reason.AUTHORIZATION_DENIED
    for part in ("3 incorrect", "Authorize", "Refresh", AUTHORIZE, SUDO):
        assert part in problem.message


def test_a_fault_of_the_machine_comes_before_everything() -> None:
    here = dataclasses.replace(HERE, fault="No Python. Install it.")
    problem = advice.refused(here, [WRONG])
    assert (problem.reason, problem.message) == (
        Reason.HELPER_UNAVAILABLE,
        "No Python. Install it.",
    )


def test_prompting_names_the_program_that_asks_and_the_way_round_it() -> None:
    problem = advice.prompting(HERE, sudo_askpass.WAY, "/bin/ask")
    assert problem.reason is Reason.WAITING_FOR_AUTHORIZATION
    for part in ("sudo -A", "/bin/ask", AUTHORIZE):
        assert part in problem.message


def test_lost_says_how_and_what_to_do_with_or_without_knowing_the_machine() -> None:
    for here, line in ((HERE, AUTHORIZE), (None, "Refresh")):
        problem = advice.lost(here, "The privileged helper is gone: it has closed the connection.")
        assert problem.reason is Reason.AUTHORIZATION_LOST
        assert "it has closed the connection." in problem.message
        assert "Refresh" in problem.message
        assert line in problem.message


def test_the_log_says_why_nobody_was_asked() -> None:
    said = advice.welcomed("sudo -n", sudo_silent.WAY)
    assert "without a question (sudo -n)" in said
    assert "NOPASSWD line or a cached timestamp" in said
    assert "runs as root itself" in advice.welcomed("already root", already_root.WAY)
    assert advice.welcomed("sudo -A", sudo_askpass.WAY) == "Root was given through sudo -A."
    assert advice.welcomed("terminal", None) == "Root was given from a terminal."
    assert "still waiting for us" in advice.welcomed("lingering helper", None)


def test_an_installed_helper_that_is_not_used_is_named_wherever_a_person_is_told_what_to_do() -> (
    None
):
    here = dataclasses.replace(HERE, outdated="It is of another version.")
    for problem in (
        advice.waiting(here, [SILENT, NO_ASKPASS]),
        advice.prompting(here, sudo_askpass.WAY, "/bin/ask"),
        advice.denied(here, WRONG),
    ):
        assert problem.message.startswith("It is of another version. ")
        assert problem.message.splitlines()[-1] == SUDO, "the line to paste is still the last"
