"""Which names were not written, and why, as it stands in the hosts file."""

from pathlib import Path

import pytest

from kubefwd_operator.core.names import HostsEntry, spell
from kubefwd_operator.privileged.withheld import withheld

IP, ME, OTHER = "127.18.0.3", "1000.tilt-10350", "1001.tilt-10350"
WEB = HostsEntry(IP, "web", "shop", bare=True)
NAMES = " ".join(spell(WEB))
REST = " ".join(spell(WEB)[1:])
MINE = f"{IP} {REST} # kubefwd-operator:{ME}\n"


@pytest.mark.parametrize(
    "content, reason, holder, says",
    [
        pytest.param(
            f"{MINE}10.0.0.9 Web. # mine\n",
            "held-by-user",
            "10.0.0.9",
            "line of your own",
            id="yours",
        ),
        pytest.param(f"{MINE}fd00::9\tweb\n", "held-by-user", "fd00::9", "your own", id="IPv6"),
        pytest.param(
            f"127.18.0.9 web # kubefwd-operator:{OTHER}\n{MINE}",
            "held-by-instance",
            OTHER,
            f"in use by {OTHER}",
            id="another instance",
        ),
        pytest.param(MINE, "missing", "", "taken out of the hosts file", id="nobody"),
        pytest.param(f"{MINE}# web\n", "missing", "", "taken out", id="a comment"),
    ],
)
def test_a_name_that_is_not_there(
    tmp_path: Path, content: str, reason: str, holder: str, says: str
) -> None:
    (tmp_path / "hosts").write_text(content)
    (one,) = withheld([WEB], tmp_path / "hosts")
    assert (one.name, one.ip, one.reason, one.holder) == ("web", IP, reason, holder)
    assert says in one.message


@pytest.mark.parametrize("machine", ["web", "Web.example.test"])
def test_the_machine_keeps_its_own_name(tmp_path: Path, machine: str) -> None:
    (tmp_path / "hosts").write_text(f"{MINE}127.0.1.1 web\n")
    (one,) = withheld([WEB], tmp_path / "hosts", machine=machine)
    assert (one.name, one.reason) == ("web", "refused")
    assert one.message == "It is this machine's own name."


def test_what_is_there_is_not_withheld(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"{IP} {NAMES} # kubefwd-operator:{ME}\n")
    assert withheld([WEB, WEB], tmp_path / "hosts") == ()


def test_a_name_is_there_for_its_own_address_only(tmp_path: Path) -> None:
    (tmp_path / "hosts").write_text(f"127.18.0.4 {NAMES} # kubefwd-operator:{ME}\n")
    assert {one.name for one in withheld([WEB], tmp_path / "hosts")} == set(spell(WEB))


def test_nothing_is_told_where_the_file_cannot_be_read(tmp_path: Path) -> None:
    assert withheld([WEB], tmp_path / "none") == ()


@pytest.mark.parametrize(
    "hostname, suffixes, reason",
    [
        pytest.param("shop.test", (), "missing", id="free to all"),
        pytest.param("api.dev.example.com", ("dev.example.com",), "missing", id="authorised"),
        pytest.param("api.dev.example.com", (), "refused", id="not authorised"),
    ],
)
def test_a_hostname_has_reasons_of_its_own(
    tmp_path: Path, hostname: str, suffixes: tuple[str, ...], reason: str
) -> None:
    (tmp_path / "hosts").write_text(f"{IP} {NAMES} # kubefwd-operator:{ME}\n")
    entry = WEB._replace(hostnames=(hostname,))
    (one,) = withheld([entry], tmp_path / "hosts", suffixes=suffixes)
    assert (one.name, one.reason) == (hostname, reason)
