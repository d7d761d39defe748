"""What may be asked of kubefwd: its verbs, as in `protocol.py`, and its addresses."""

import re

from ..protocol import Grammar, matching

_ADDRESS = re.compile(r"127\.1\.(?!(1?[0-9]|2[0-6])\.)[0-9.]+")
_HOST = r"([A-Za-z0-9.-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\])"
_PEM = r"(-----BEGIN [A-Z0-9 ]{1,40}-----\n[A-Za-z0-9+/=\n]+-----END [A-Z0-9 ]{1,40}-----\n)*"
_KEY = matching(_PEM, "Certificate and key are at most 64 KiB of PEM.", limit=65536)
_TOKEN = matching("[!-~]*", "A token is at most 64 KiB of visible ASCII.", limit=65536)
VERBS: Grammar = {
    "kubefwd-start": {
        "server": matching(
            rf"https://{_HOST}(:[0-9]{{1,5}})?(/[A-Za-z0-9._~/-]*)?",
            "A server is an https address without user, query or fragment.",
            limit=2048,
        ),
        "tls_server_name": matching("[A-Za-z0-9.:_-]{0,253}", "A server name is a host's name."),
        "ca": matching(_PEM, "A CA is at most 512 KiB of PEM.", limit=524288),
        "certificate": _KEY,
        "key": _KEY,
        "token": _TOKEN,
    },
    "kubefwd-stop": {},
    "kubefwd-token": {"token": _TOKEN},
}


def is_own(ip: str) -> bool:
    """Whether that address (127.x.y.z) is one of those that kubefwd gives to services."""
    return _ADDRESS.match(ip) is not None
