"""The command line that root runs, spelled in one place."""

import shlex

import pytest

from kubefwd_operator.core.errors import SettingsError
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.privileged.command import command, require_instance, sudo, typed
from kubefwd_operator.root.helper.peer import identify

HELPER = (
    "/usr/bin/python3",
    *("-I", "-S", "-B", "-X", "pycache_prefix=/dev/null"),
    "/home/me too/root",
    *("--instance", "tilt-10350"),
)


def test_under_sudo_the_uid_is_not_named_because_sudo_names_it() -> None:
    assert command("/usr/bin/python3", "/home/me too/root", "tilt-10350") == HELPER


def test_without_sudo_the_uid_is_named() -> None:
    argv = command("/usr/bin/python3", "/home/me too/root", "tilt-10350", 0)
    assert argv == (*HELPER, "--uid", "0")


def test_a_kubefwd_is_named_by_path_and_content_as_root_reads_it() -> None:
    pinned = PinnedKubefwd("/opt/k u", "ab" * 32, "1.25.16")
    argv = command("/usr/bin/python3", "/home/me too/root", "tilt-10350", 0, pinned)
    told = ("--uid", "0", "--kubefwd", "/opt/k u", "--sha256", "ab" * 32)
    assert argv == (*HELPER, *told)
    user = identify(argv[len(HELPER) - 2 :], {})
    assert (user.kubefwd, user.sha256) == (pinned.path, pinned.sha256)


def test_where_hostnames_may_end_is_named_as_root_reads_it() -> None:
    suffixes = ("dev.example.com", "a.b")
    argv = command("/usr/bin/python3", "/home/me too/root", "tilt-10350", 0, None, suffixes)
    assert argv == (*HELPER, "--uid", "0", "--hostnames", "dev.example.com,a.b")
    assert identify(argv[len(HELPER) - 2 :], {}).suffixes == suffixes


def test_options_of_sudo_end_before_the_helper_begins() -> None:
    assert sudo("/usr/bin/sudo", HELPER, "-n") == ("/usr/bin/sudo", "-n", "--", *HELPER)


def test_what_is_shown_to_be_typed_is_what_would_run() -> None:
    assert shlex.split(typed(HELPER)) == list(HELPER)
    assert "'/home/me too/root'" in typed(HELPER)


@pytest.mark.parametrize("instance", ["tilt-10350", "a", "0", "-" * 32])
def test_an_instance_id_passes(instance: str) -> None:
    assert require_instance(instance) == instance


@pytest.mark.parametrize(
    "instance", ["", "A", "a" * 33, "a b", "a\n", "../x", "a_b", "ä", "--uid=0 "]
)
def test_what_root_would_refuse_is_no_instance_id(instance: str) -> None:
    with pytest.raises(SettingsError, match="no instance id"):
        command("/usr/bin/python3", "/root", instance)
