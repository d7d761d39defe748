"""Throws generated lines at the root side's parser and validators.

On demand, with the number of lines and a seed:

    PYTHONPATH=operator python -m tests.unit.root.fuzz 1000000 [SEED]

The unit tests run a smaller number. Whatever a line holds, it is refused with a code of the wire,
or what comes out of it is checked again here in another way than the validators do.
"""

import ipaddress
import json
import random
import re
import sys
import time
from collections import Counter
from typing import Any

from kubefwd_operator.root.helper import protocol
from kubefwd_operator.root.helper.kubefwd import wire
from kubefwd_operator.root.helper.names import refused, spell
from kubefwd_operator.root.helper.protocol import Refusal

CODES = {"protocol", "version", "foreign", "limit"}
VERBS = [
    *("hello", "listen", "release", "hosts", "kubefwd-start", "kubefwd-stop"),
    *("kubefwd-token", "heartbeat", "purge", "bye", "_bye", "answer", ""),
]
OURS, LOOPBACK = map(ipaddress.ip_network, ("127.18.0.0/15", "127.0.0.0/8"))
LABEL = re.compile(r"\A[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")
WORDS = [
    *("web", "shop", "com", "a" * 63, "a" * 64, "-a", "a-", "A", "caf\u00e9", "a.b", "a b"),
    *("a\n", "a\n127.0.0.1 x", "a#", "\0", "localhost", "../x", "1", "\u0661", "\u2028", ""),
]
HOSTNAMES = [
    *("a.test", "a.localhost", "a.example.com", "a.com", "a.test.", "a..test", "A.test", "test"),
    *("a.test\n127.0.0.1 x", "a.test #", "*.test", "a" * 63 + ".test", "a" * 64 + ".test"),
]
ADDRESSES = [
    *("127.18.0.3", "127.19.255.254", "127.1.27.4", "127.18.0.0", "127.18.0.255", "127.0.0.1"),
    *("127.18.00.3", "127.18.0.3\n", "127.18.0.\u0663", " 127.18.0.3", "::1", "0x7f.18.0.3"),
    *("127.18.0.256", "127.20.0.1", "127.1.26.1", "127.018.0.3", "127.18.3"),
]
PORTS = [0, 1, 80, 65535, 65536, -1, True, 80.0, "80", 10**30, None]
ODD: list[Any] = [None, True, 0, -1, 1.5, "", "x", [], {}, [[]], {"a": {}}, 1 << 53, 1 << 64]
SECRETS = [*[""] * 9, "abc", "a b", "a\n", "\u00e9", "-----BEGIN X-----\nQQ==\n-----END X-----\n"]
SERVERS = [
    "https://a:1",
    "http://a",
    "https://u@a",
    "https://a/?x",
    "https://[::1]:6443",
    "https://a\n",
]


def value(chance: random.Random, near: list[Any]) -> Any:
    """Return a value that belongs there, most of the time."""
    return chance.choice(near if chance.random() < 0.93 else ODD)


def entry(chance: random.Random) -> Any:
    return {
        "ip": value(chance, ADDRESSES),
        **{name: value(chance, WORDS) for name in ("service", "namespace", "pod")},
        **{name: value(chance, [True, False]) for name in ("bare", "short")},
        "hostnames": value(chance, [[], [value(chance, HOSTNAMES) for _ in range(3)]]),
    }


def request(chance: random.Random) -> dict[str, Any]:
    """Make a request that is nearly right, or right."""
    verb = chance.choice(VERBS)
    fields: dict[str, Any] = {"id": value(chance, [0, 1, (1 << 53) - 1]), "verb": verb}
    if verb in ("listen", "release"):
        fields |= {"ip": value(chance, ADDRESSES), "port": value(chance, PORTS)}
    elif verb == "hello":
        fields |= {"version": value(chance, [1]), "linger": value(chance, [0, 30, 300, 301])}
    elif verb == "hosts":
        fields["entries"] = [entry(chance) for _ in range(chance.randrange(4))]
    elif verb.startswith("kubefwd-t"):
        fields["token"] = value(chance, SECRETS)
    elif verb == "kubefwd-start":
        secrets = ("tls_server_name", "ca", "certificate", "key", "token")
        fields |= {name: value(chance, SECRETS) for name in secrets}
        fields["server"] = value(chance, SERVERS)
    for _ in range(chance.random() < 0.1):
        fields.pop(chance.choice(list(fields)))
        fields[chance.choice(["more", "id", "verb", "argv"])] = value(chance, WORDS)
    return fields


def line(chance: random.Random) -> bytes:
    """Make a line: a request, some with a few bytes changed, some of bytes alone."""
    kind = chance.random()
    if kind < 0.05:
        return chance.randbytes(chance.randrange(60))
    data = bytearray(json.dumps(request(chance), ensure_ascii=kind < 0.5).encode())
    if kind > 0.85:
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.choice(b'\0\n"{}[]\\,:\xff019eE.-')
    return bytes(data)


def _told(error: Refusal, data: bytes) -> str:
    assert error.code in CODES, data
    assert str(error).isprintable(), data
    return error.code


def check(data: bytes) -> str:
    """Read a line as root does; return its verb or the code of its refusal."""
    try:
        message = protocol.load(data)
        protocol.ID.check(message.get("id"))
        verb, fields = protocol.request(message, {**protocol.VERBS, **wire.VERBS})
        entries = [protocol.entry(item) for item in fields.get("entries", [])]
    except Refusal as error:
        return _told(error, data)
    if "ip" in fields:
        assert ipaddress.ip_address(fields["ip"]) in OURS, data
        assert 1 <= fields["port"] <= 65535, data
    for one in entries:
        assert ipaddress.ip_address(one.ip) in LOOPBACK, data  # the session looks up whose it is
        labels = (one.service, one.namespace, *filter(None, [one.pod]))
        assert all(LABEL.match(label) for label in labels), data
        for name in spell(one):
            assert name.isascii(), data
            assert not re.search(r"[^a-z0-9.-]", name) or refused(name, ()), data
        for name in one.hostnames:
            assert name.endswith((".test", ".localhost")) or refused(name, (), ()), data
    for name in ("token", "server"):
        assert str(fields.get(name, "")).isprintable(), data
    return verb


def run(count: int, seed: int) -> Counter[str]:
    """Check so many lines; return how many ended how."""
    chance = random.Random(seed)
    return Counter(check(line(chance)) for _ in range(count))


if __name__ == "__main__":
    lines, start = int(sys.argv[1]), int((sys.argv[2:] or [str(time.time_ns())])[0])
    write = sys.stdout.write
    write(f"{lines} lines, seed {start}\n")
    began = time.monotonic()
    write(f"{dict(run(lines, start))} {time.monotonic() - began:.0f} s\n")
