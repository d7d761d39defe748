"""The question and its answers, byte by byte, as a kernel on little-endian gives them."""

import errno
import struct
import sys

import pytest

from kubefwd_operator.engines.native.sockdiag import Owner, answer, request

CLIENT, SERVICE = ("127.0.0.1", 45000), ("127.18.0.3", 80)
SEVEN = 7
PORTS = bytes.fromhex("afc8 0050")
MINE, OURS = bytes([127, 0, 0, 1]), bytes([127, 18, 0, 3])
PAD, MAPPED = bytes(12), bytes(10) + b"\xff\xff"
little_endian = pytest.mark.skipif(sys.byteorder != "little", reason="bytes of little-endian")


def message(
    *,
    kind: int = 20,
    sequence: int = SEVEN,
    ports: bytes = PORTS,
    source: bytes = MINE + PAD,
    destination: bytes = OURS + PAD,
    uid: int = 1000,
    inode: int = 4711,
) -> bytes:
    """What the kernel answers when it has found a socket."""
    identity = ports + source + destination + struct.pack("=III", 0, 1, 2)
    facts = struct.pack("=IIIII", 0, 3, 4, uid, inode)
    body = bytes([2, 1, 0, 0]) + identity + facts
    return struct.pack("=IHHII", 16 + len(body), kind, 0, sequence, 99) + body


def error(code: int, sequence: int = SEVEN) -> bytes:
    return struct.pack("=IHHIIi", 36, 2, 0, sequence, 99, -code) + bytes(16)


@little_endian
def test_the_question_is_one_exact_look_up() -> None:
    assert request(CLIENT, SERVICE, SEVEN) == b"".join(
        [
            bytes.fromhex("48000000 1400 0100 07000000 00000000"),  # 72 bytes, BY_FAMILY, REQUEST
            bytes.fromhex("02 06 00 00 ffffffff"),  # AF_INET, TCP, no extensions, any state
            PORTS,
            *(MINE, PAD, OURS, PAD),
            bytes.fromhex("01000000 ffffffff ffffffff"),  # lo, no cookie
        ]
    )


@pytest.mark.parametrize(
    "given, owner",
    [
        pytest.param(message(), Owner(1000, 4711), id="a user's"),
        pytest.param(message(uid=0), Owner(0, 4711), id="root's"),
        pytest.param(message(uid=0, inode=0), Owner(0, 0), id="closed"),
        pytest.param(message(uid=0xFFFFFFFE), Owner(0xFFFFFFFE, 4711), id="the largest uid"),
        pytest.param(message() + bytes(8), Owner(1000, 4711), id="with attributes behind"),
        pytest.param(
            message(source=MAPPED + MINE, destination=MAPPED + OURS),
            Owner(1000, 4711),
            id="a dual-stack socket",
        ),
        pytest.param(error(errno.ENOENT), None, id="no such socket"),
        pytest.param(
            message(ports=PORTS[:2] + bytes(2), destination=bytes(16)),
            None,
            id="a listener on the client's end",
        ),
        pytest.param(message(ports=PORTS[2:] + PORTS[:2]), None, id="other ports"),
        pytest.param(message(source=OURS + PAD), None, id="another source"),
        pytest.param(message(destination=MINE + PAD), None, id="another destination"),
        pytest.param(message(source=bytes(12) + MINE), None, id="IPv6, but not mapped"),
    ],
)
def test_an_answer_names_the_owner_of_this_connection_only(
    given: bytes, owner: Owner | None
) -> None:
    assert answer(given, CLIENT, SERVICE, SEVEN) == owner


@pytest.mark.parametrize(
    "given, code",
    [
        pytest.param(error(errno.EPERM), errno.EPERM, id="forbidden"),
        pytest.param(error(0), 0, id="an acknowledgement"),
        pytest.param(message(sequence=6), errno.EBADMSG, id="of the question before"),
        pytest.param(error(errno.ENOENT, 6), errno.EBADMSG, id="an error of the question before"),
        pytest.param(message(kind=3), errno.EBADMSG, id="of another kind"),
        pytest.param(message()[:-1], errno.EBADMSG, id="cut"),
        pytest.param(b"", errno.EBADMSG, id="empty"),
    ],
)
def test_what_is_no_answer_is_an_error(given: bytes, code: int) -> None:
    with pytest.raises(OSError) as caught:  # noqa: PT011 - the errno is compared
        answer(given, CLIENT, SERVICE, SEVEN)
    assert caught.value.errno == code
