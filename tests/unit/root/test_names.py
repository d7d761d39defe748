"""How names are spelled, and which ones root refuses."""

import pytest

from kubefwd_operator.root.helper.names import (
    HostsEntry,
    is_hostname,
    is_label,
    refused,
    spell,
)

IP = "127.18.0.3"
LONG = "a" * 63


@pytest.mark.parametrize(
    "entry, names",
    [
        pytest.param(
            HostsEntry(IP, "web", "shop", bare=True),
            ("web", "web.shop", "web.shop.svc", "web.shop.svc.cluster.local"),
            id="the first namespace that has it gets the bare name",
        ),
        pytest.param(
            HostsEntry(IP, "web", "shop"),
            ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local"),
            id="others do not",
        ),
        pytest.param(
            HostsEntry(IP, "web", "shop", hostnames=("shop.test", "a.b.test")),
            ("web.shop", "web.shop.svc", "web.shop.svc.cluster.local", "shop.test", "a.b.test"),
            id="hostnames come last",
        ),
        pytest.param(
            HostsEntry(IP, "web", "dev", short=False),
            ("web.dev.svc", "web.dev.svc.cluster.local"),
            id="a public domain is not shadowed",
        ),
        pytest.param(
            HostsEntry(IP, "web", "dev", bare=True, short=False),
            ("web", "web.dev.svc", "web.dev.svc.cluster.local"),
            id="bare, though not short",
        ),
        pytest.param(
            HostsEntry(IP, "db", "shop", pod="db-0", bare=True),
            ("db-0.db", "db-0.db.shop", "db-0.db.shop.svc", "db-0.db.shop.svc.cluster.local"),
            id="a pod of a headless service, bare",
        ),
        pytest.param(
            HostsEntry(IP, "db", "shop", pod="db-0", short=False),
            ("db-0.db.shop.svc", "db-0.db.shop.svc.cluster.local"),
            id="a pod of a headless service, neither",
        ),
    ],
)
def test_an_entry_is_spelled_as_in_the_cluster(entry: HostsEntry, names: tuple[str, ...]) -> None:
    assert spell(entry) == names


@pytest.mark.parametrize("text", ["a", "0", "web", "web-1", "a--b", LONG])
def test_a_label_is(text: str) -> None:
    assert is_label(text)


@pytest.mark.parametrize(
    "text",
    ["", "-a", "a-", "A", "a.b", "a_b", "a b", "a\n", "\na", "ä", "a\x00", "a#", LONG + "a", "١"],
)
def test_a_label_is_not(text: str) -> None:
    assert not is_label(text)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("web", id="bare"),
        pytest.param("web.shop", id="short"),
        pytest.param("web.shop.svc", id="svc"),
        pytest.param("web.shop.svc.cluster.local", id="the cluster's own local"),
        pytest.param("web.com.svc.cluster.local", id="a namespace called com, long form"),
        pytest.param("web.com.svc", id="a namespace called com, svc form"),
        pytest.param("web.dev", id="a public domain that is not in the short list"),
        pytest.param("localhost.shop", id="a service called localhost, short form"),
        pytest.param("ip6-service.shop", id="a service called ip6-service, short form"),
        pytest.param(f"{LONG}.{LONG}.svc.cluster.local", id="long labels"),
    ],
)
def test_a_name_is_published(name: str) -> None:
    assert refused(name, ("box", "box.example")) == ""


@pytest.mark.parametrize(
    "name, why",
    [
        ("localhost", "for itself"),
        ("broadcasthost", "for itself"),
        ("wpad", "for itself"),
        ("isatap", "for itself"),
        ("ip6-localhost", "for itself"),
        ("ip6-x", "for itself"),
        ("box", "own name"),
        ("box.example", "own name"),
        *(
            (f"web.{suffix}", f".{suffix} ")
            for suffix in (
                *("com", "net", "org", "edu", "gov", "mil", "int", "arpa", "local"),
                *("localhost", "internal", "home", "lan", "corp"),
            )
        ),
        ("db-0.db.com", ".com "),
        ("web.svc.local", ".local "),
        ("web.shop.cluster.local", ".local "),
        ("", "DNS-1123"),
        ("web.", "DNS-1123"),
        (".web", "DNS-1123"),
        ("Web", "DNS-1123"),
        ("web shop", "DNS-1123"),
        ("web\n127.0.0.1", "DNS-1123"),
        ("web#", "DNS-1123"),
        (".".join(["a" * 60] * 5), "DNS-1123"),
    ],
)
def test_a_name_is_refused_with_the_reason(name: str, why: str) -> None:
    assert why in refused(name, ("box", "box.example"))


@pytest.mark.parametrize(
    "text, taken",
    [
        ("auth.example.test", True),
        ("a.b", True),
        (".".join([LONG, LONG, LONG, "a" * 61]), True),
        (".".join([LONG, LONG, LONG, "a" * 62]), False),
        ("auth", False),
        ("a..b", False),
        ("a.b.", False),
        ("A.b", False),
        ("a.b\n", False),
        ("*.b", False),
        ("", False),
    ],
)
def test_a_hostname_has_two_labels_or_more(text: str, taken: bool) -> None:
    assert is_hostname(text) is taken


SUFFIXES = ("dev.example.com", "x.org")


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("shop.test", id="test"),
        pytest.param("a.b.c.localhost", id="below localhost"),
        pytest.param("api.dev.example.com", id="authorised"),
        pytest.param("a.x.org", id="authorised, second"),
        pytest.param("web.com.test", id="com inside"),
    ],
)
def test_a_hostname_is_published(name: str) -> None:
    assert refused(name, ("box", "box.test"), SUFFIXES) == ""


@pytest.mark.parametrize(
    "name, why",
    [
        ("test", "`allow_hostnames`"),
        ("localhost", "for itself"),
        ("", "DNS-1123"),
        ("a.test.", "DNS-1123"),
        ("A.test", "DNS-1123"),
        ("a.test\n127.0.0.1 b", "DNS-1123"),
        ("box.test", "own name"),
        ("wpad.test", "`allow_hostnames`"),
        ("localhost.dev.example.com", "`allow_hostnames`"),
        ("isatap.x.org", "`allow_hostnames`"),
        ("dev.example.com", "`allow_hostnames`"),
        ("evildev.example.com", "`allow_hostnames`"),
        ("bank.example.com", "`allow_hostnames`"),
        ("bank.com", "`allow_hostnames`"),
        ("a.xtest", "`allow_hostnames`"),
        ("web.shop", "`allow_hostnames`"),
        ("web.shop.svc.cluster.local", "`allow_hostnames`"),
    ],
)
def test_a_hostname_is_refused_with_the_reason(name: str, why: str) -> None:
    assert why in refused(name, ("box", "box.test"), SUFFIXES)


@pytest.mark.parametrize("name", ["bank.com", "dev.example.com", "a.x.org", "web.shop"])
def test_without_authorised_suffixes_only_the_free_ones_are_published(name: str) -> None:
    assert refused(name, (), ()) != ""
