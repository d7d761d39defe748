"""What kubefwd takes out of the hosts file of the user's, and how it is put back. Pure.

Its last sweep removes names, whoever wrote them, where it shares our hosts file (on macOS).
"""

from ..hosts import owner_of, without


def unswept(before: bytes, now: bytes) -> bytes:
    """Return `now` with the user's lines as they were `before` kubefwd took names out of them.

    It writes every line anew, in its own style; so the old bytes are taken, unless somebody else
    has added a name meanwhile. Then the lines that lack a name are added at the end.
    """
    user, rest = without(before, bool), without(now, bool)
    lost = _pairs(user) - _pairs(rest)
    if not lost:
        return now
    if _pairs(rest) <= _pairs(user):
        blocks = [line for line in now.split(b"\n") if owner_of(line)]
        return b"".join(line + b"\n" for line in blocks) + user
    return now + b"".join(b"\n" + line for line in user.split(b"\n") if _pairs(line) & lost)


def _pairs(content: bytes) -> set[tuple[bytes, bytes]]:
    lines = [line.split(b"#")[0].split() for line in content.split(b"\n")]
    return {(words[0], name) for words in lines if words for name in words[1:]}
