"""Lines, requests, answers and events, without a socket."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kubefwd_operator.core.errors import HelperRefused
from kubefwd_operator.privileged.wire import (
    MAX_LINE,
    Answer,
    Event,
    Lines,
    WireError,
    decode,
    encode,
)


def test_a_request_is_one_line_of_json() -> None:
    line = encode({"id": 1, "verb": "hello", "text": "zwei\nZeilen ü"})
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["text"] == "zwei\nZeilen ü"


def test_a_request_at_the_limit_passes_and_one_byte_more_does_not() -> None:
    frame = len(encode({"a": ""}))
    assert len(encode({"a": "x" * (MAX_LINE - frame)})) == MAX_LINE
    with pytest.raises(HelperRefused, match="forward fewer") as refused:
        encode({"a": "x" * (MAX_LINE - frame + 1)})
    assert refused.value.code == "limit"


def test_an_answer_has_id_outcome_and_body() -> None:
    line = b'{"id": 7, "ok": false, "error": "in-use", "message": "taken", "more": 1}'
    assert decode(line) == Answer(7, False, "in-use", "taken", json.loads(line))


def test_an_event_has_name_level_and_message() -> None:
    line = b'{"event": "log", "level": "warning", "message": "careful"}'
    assert decode(line) == Event("log", "warning", "careful")


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"1", b"null", b'{"id":true,"ok":true}', b'{"id":1,"ok":1}', b"\xff"],
    ids=["empty", "cut", "list", "number", "null", "id is bool", "ok is number", "not utf-8"],
)
def test_what_is_neither_answer_nor_event_is_an_error(line: bytes) -> None:
    with pytest.raises(WireError):
        decode(line)


@settings(max_examples=40, deadline=None)
@given(lines=st.lists(st.binary(max_size=30).filter(lambda x: b"\n" not in x)), data=st.data())
def test_lines_come_out_as_they_went_in_however_the_stream_is_cut(
    lines: list[bytes], data: st.DataObject
) -> None:
    stream, cutter, found = b"".join(line + b"\n" for line in lines), Lines(), []
    while stream:
        cut = data.draw(st.integers(1, len(stream)))
        found += cutter.feed(stream[:cut])
        stream = stream[cut:]
    assert found == lines


def test_a_line_may_be_as_long_as_the_limit_and_no_longer() -> None:
    assert Lines().feed(b"x" * (MAX_LINE - 1) + b"\n") == [b"x" * (MAX_LINE - 1)]
    cutter = Lines()
    assert cutter.feed(b"x" * (MAX_LINE - 1)) == []
    with pytest.raises(WireError, match="line of more than"):
        cutter.feed(b"x")
