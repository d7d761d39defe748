"""What a program that did not give root has meant: each row is what such a program says."""

import pytest

from kubefwd_operator.privileged.answers import Answer, in_english, judge

REFUSED, FORBIDDEN, BROKEN = Answer.REFUSED, Answer.FORBIDDEN, Answer.BROKEN


@pytest.mark.parametrize(
    "said, answer",
    [
        pytest.param(
            ["Sorry, try again.", "sudo: 3 incorrect password attempts"], REFUSED, id="sudo wrong"
        ),
        pytest.param(
            ["sudo: no password was provided", "sudo: a password is required"],
            REFUSED,
            id="sudo cancelled",
        ),
        pytest.param(
            ["sudo-rs: Maximum 3 incorrect authentication attempts"], REFUSED, id="sudo-rs wrong"
        ),
        pytest.param(
            ["0:97: execution error: User canceled. (-128)"], REFUSED, id="osascript cancelled"
        ),
        pytest.param(
            ["Error executing command as another user: Request dismissed"],
            REFUSED,
            id="pkexec cancelled",
        ),
        pytest.param(
            ["Error executing command as another user: Not authorized"], REFUSED, id="pkexec wrong"
        ),
        pytest.param([], REFUSED, id="nothing said"),
        pytest.param(["sudo: kein Passwort angegeben"], REFUSED, id="not understood"),
        pytest.param(["dev is not in the sudoers file."], FORBIDDEN, id="sudo unknown user"),
        pytest.param(
            ["Sorry, user dev is not allowed to execute '/x' as root on h."],
            FORBIDDEN,
            id="sudo command",
        ),
        pytest.param(
            ["sudo-rs: I'm sorry dev. I'm afraid I can't do that"], FORBIDDEN, id="sudo-rs user"
        ),
        pytest.param(
            ["sudo: no askpass program specified, try setting SUDO_ASKPASS"],
            BROKEN,
            id="no askpass",
        ),
        pytest.param(
            ["sudo: unable to run /x: No such file", "sudo: no password was provided"],
            BROKEN,
            id="askpass does not run",
        ),
        pytest.param(["sudo: invalid option: --askpass"], BROKEN, id="sudo-rs before 0.2.11"),
        pytest.param(
            ["Gtk-WARNING **: cannot open display: :9", "sudo: no password was provided"],
            BROKEN,
            id="GTK without display",
        ),
        pytest.param(
            ["qt.qpa.xcb: could not connect to display :9", "sudo: no password was provided"],
            BROKEN,
            id="Qt without display",
        ),
        pytest.param(
            ['sudo: The "no new privileges" flag is set, which prevents sudo from it.'],
            BROKEN,
            id="container",
        ),
        pytest.param(
            ["Error executing command as another user: No authentication agent found."],
            BROKEN,
            id="no polkit agent",
        ),
        pytest.param(
            ["execution error: No user interaction allowed. (-1713)"], BROKEN, id="no console"
        ),
    ],
)
def test_what_was_meant(said: list[str], answer: Answer) -> None:
    assert judge(said) is answer


def test_messages_are_english_and_the_rest_of_the_locale_stays() -> None:
    environ = {"LANG": "de_DE.UTF-8", "LANGUAGE": "de", "LC_ALL": "sv_SE.UTF-8", "DISPLAY": ":0"}
    assert in_english(environ) == {
        "LANG": "de_DE.UTF-8",
        "LC_CTYPE": "sv_SE.UTF-8",
        "LC_MESSAGES": "C",
        "DISPLAY": ":0",
    }
    assert in_english({"LANG": "C"}) == {"LANG": "C", "LC_MESSAGES": "C"}
