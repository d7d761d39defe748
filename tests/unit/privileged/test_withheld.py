"""Which names were not written, and why, as it stands in the hosts file."""

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
def test_a_name_that_is_not_there(content: str, reason: str, holder: str, says: str) -> None:
    (one,) = withheld([WEB], content.encode())
    assert (one.name, one.ip, one.reason, one.holder) == ("web", IP, reason, holder)
    assert says in one.message


@pytest.mark.parametrize("machine", ["web", "Web.example.test"])
def test_the_machine_keeps_its_own_name(machine: str) -> None:
    content = f"{MINE}127.0.1.1 web\n"
    (one,) = withheld([WEB], content.encode(), machine=machine)
    assert (one.name, one.reason) == ("web", "refused")
    assert one.message == "It is this machine's own name."


def test_what_is_there_is_not_withheld() -> None:
    content = f"{IP} {NAMES} # kubefwd-operator:{ME}\n"
    assert withheld([WEB, WEB], content.encode()) == ()


def test_a_name_is_there_for_its_own_address_only() -> None:
    content = f"127.18.0.4 {NAMES} # kubefwd-operator:{ME}\n"
    assert {one.name for one in withheld([WEB], content.encode())} == set(spell(WEB))


@pytest.mark.parametrize(
    "hostname, suffixes, reason",
    [
        pytest.param("shop.test", (), "missing", id="free to all"),
        pytest.param("api.dev.example.com", ("dev.example.com",), "missing", id="authorised"),
        pytest.param("api.dev.example.com", (), "refused", id="not authorised"),
    ],
)
def test_a_hostname_has_reasons_of_its_own(
    hostname: str, suffixes: tuple[str, ...], reason: str
) -> None:
    content = f"{IP} {NAMES} # kubefwd-operator:{ME}\n"
    entry = WEB._replace(hostnames=(hostname,))
    (one,) = withheld([entry], content.encode(), suffixes=suffixes)
    assert (one.name, one.reason) == (hostname, reason)
