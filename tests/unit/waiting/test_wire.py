"""The lines of `wait.sock`: what is asked, and what is refused with a sentence."""

import pytest

from kubefwd_operator.core.model import FOREIGN, Dialled
from kubefwd_operator.waiting import wire


@pytest.mark.parametrize("address", ["127.18.0.3", "93.184.216.34", "2001:db8::1"])
def test_a_question_arrives_as_it_was_asked(address: str) -> None:
    assert wire.place(wire.request(address, 80)) == (address, 80)


@pytest.mark.parametrize("said", [Dialled(), Dialled("No pod."), FOREIGN])
def test_an_answer_arrives_as_it_was_given(said: Dialled) -> None:
    assert wire.dialled(wire.answer(said)) == said


def test_an_answer_fits_a_line_however_long_the_reason_is() -> None:
    assert len(wire.answer(Dialled("\N{GRINNING FACE}" * 100_000))) < wire.MAX_LINE
    assert len(wire.answer(Dialled("x" * 100_000))) > 1000


def test_what_a_cluster_says_in_an_answer_moves_no_cursor() -> None:
    assert wire.dialled(wire.answer(Dialled("no\x1b]0;pod\x07 \u202e"))) == Dialled("no]0;pod ")


@pytest.mark.parametrize(
    "line, sentence",
    [
        pytest.param(b"", "is an object", id="nothing"),
        pytest.param(b'{"address": "127.18.0.3", "port": 80}', "is an object", id="no end of line"),
        pytest.param(b"\x00\xff\xfe\n", "is an object", id="no text"),
        pytest.param(b"GET / HTTP/1.1\r\n", "is an object", id="another protocol"),
        pytest.param(b"[" * 4000 + b"\n", "is an object", id="nested"),
        pytest.param(b"[]\n", "is an object", id="a list"),
        pytest.param(b'{"address": "127.18.0.3"}\n', "is an object", id="no port"),
        pytest.param(b'{"address": "::1", "port": 80, "x": 1}\n', "is an object", id="more"),
        pytest.param(b'{"address": 7, "port": 80}\n', "not a text", id="a number for an address"),
        pytest.param(b'{"address": "web", "port": 80}\n', "is none", id="a name for an address"),
        pytest.param(b'{"address": "::1", "port": "80"}\n', "not a number", id="a text for a port"),
        pytest.param(b'{"address": "::1", "port": true}\n', "not a number", id="true for a port"),
        pytest.param(b'{"address": "::1", "port": 0}\n', "not a number", id="port 0"),
        pytest.param(b'{"address": "::1", "port": 65536}\n', "not a number", id="port 65536"),
    ],
)
def test_a_question_is_refused(line: bytes, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        wire.place(line)


@pytest.mark.parametrize("line", [b"", b"{}\n", b'{"ours": 1, "why": ""}\n', b'{"ours": true}'])
def test_what_is_no_answer_is_not_taken_for_one(line: bytes) -> None:
    with pytest.raises(ValueError, match="no answer"):
        wire.dialled(line)
