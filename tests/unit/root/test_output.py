"""What a child of root's says: every limit is a row."""

import contextlib
import os
import select
from collections.abc import Iterator

import pytest

from kubefwd_operator.root.helper.kubefwd import output as module
from kubefwd_operator.root.helper.kubefwd.output import Output


class Pipe:
    def __init__(self, *secrets: str) -> None:
        reading, self.writing = os.pipe()
        self.output = Output(reading, *secrets)

    def say(self, text: bytes) -> list[str]:
        os.write(self.writing, text)
        return list(self.output.lines())


@pytest.fixture(autouse=True)
def second(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    return now


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    made = Pipe("k3y", "", "t0ken")
    yield made
    os.close(made.output.fd)


@pytest.mark.parametrize(
    "said, told",
    [
        pytest.param(b"one\ntwo\n", ["one", "two"], id="lines"),
        pytest.param(b"\n  \n\t\n", [], id="blank lines"),
        pytest.param(b"\x1b[36mINFO\x1b[0m hello   \n", ["INFO hello"], id="colours"),
        pytest.param(b"a\x07\x00b\r\n", ["ab"], id="control characters"),
        pytest.param(b"\xff\xfe\n", ["\ufffd\ufffd"], id="not UTF-8"),
        pytest.param(b"x" * 600 + b"\n", ["x" * 500], id="a long line"),
        pytest.param(b"key k3y, token t0ken.\n", ["key ***, token ***."], id="secrets"),
        pytest.param(b"x" * 497 + b"t0ken\n", ["x" * 497 + "***"], id="a secret at the limit"),
    ],
)
def test_it_is_made_fit(pipe: Pipe, said: bytes, told: list[str]) -> None:
    assert pipe.say(said) == told


def test_a_line_may_come_in_pieces(pipe: Pipe) -> None:
    assert pipe.say(b"half t0") == []
    assert pipe.say(b"ken whole\n") == ["half *** whole"]


def test_nothing_to_read_is_not_the_end(pipe: Pipe) -> None:
    assert list(pipe.output.lines()) == []
    assert not pipe.output.ended
    os.close(pipe.writing)
    assert list(pipe.output.lines()) == []
    assert pipe.output.ended


def test_its_last_word_needs_no_newline(pipe: Pipe) -> None:
    assert pipe.say(b"panic") == []
    os.close(pipe.writing)
    assert list(pipe.output.lines()) == ["panic"]


def test_a_flood_is_cut_and_the_next_second_is_heard(pipe: Pipe, second: list[float]) -> None:
    told = pipe.say(b"flood\n" * 200)
    assert told == ["flood"] * (module.MAX_LINES - 1) + ["... and more in the same second."]
    second[0] += 1
    assert pipe.say(b"quiet\n") == ["quiet"]


def test_it_is_polled_by_its_descriptor(pipe: Pipe) -> None:
    with contextlib.closing(select.epoll()) as poll:
        poll.register(pipe.output, select.EPOLLIN)
        assert poll.poll(0) == []
        os.write(pipe.writing, b"x")
        assert poll.poll(0) == [(pipe.output.fd, select.EPOLLIN)]
