"""The census: what it counts, and that it asks rarely and minds nothing."""

import asyncio
from typing import Any

import pytest

from kubefwd_operator.cluster.census import PERIOD, Census
from kubefwd_operator.core.errors import ClusterError, ClusterUnreachable, Forbidden

pytestmark = [pytest.mark.asyncio, pytest.mark.looptime(start=0)]


class Source:
    """Gives the next answer, and the last one again."""

    def __init__(self, *answers: list[dict[str, Any]] | ClusterError) -> None:
        self.answers = list(answers)
        self.asked: list[float] = []

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        assert (path, query) == ("/api/v1/namespaces", {"resourceVersion": "0"})
        self.asked.append(asyncio.get_running_loop().time())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ClusterError):
            raise answer
        return {"items": [{"metadata": each} for each in answer]}


async def seen(source: Source, rounds: int) -> tuple[tuple[str, ...] | None, int]:
    """The names after some rounds, and how often they were told."""
    told: list[int] = []
    census = Census(source, lambda: told.append(1))
    await asyncio.sleep(PERIOD * (rounds - 1) + 1)
    await census.close()
    await asyncio.sleep(PERIOD * 3)
    assert source.asked == [PERIOD * each for each in range(rounds)]
    return census.names, len(told)


A, B = {"name": "a"}, {"name": "b"}


@pytest.mark.parametrize(
    "answers, names, told",
    [
        pytest.param([[B, A]], ("a", "b"), 1, id="sorted, told once"),
        pytest.param([[A], [A, B], [A]], ("a",), 3, id="they come and go"),
        pytest.param([[A, B | {"deletionTimestamp": "now"}]], ("a",), 1, id="on its way out"),
        pytest.param([[]], (), 1, id="none"),
        pytest.param(
            [
                [
                    {"name": name}
                    for name in ("a\x1b[2J", "(the one typed above)", "", None, "A", "b.c", "ok")
                ]
            ],
            ("ok",),
            1,
            id="what no namespace is called",
        ),
        pytest.param([[A], ClusterUnreachable("no")], ("a",), 1, id="what was known stays"),
        pytest.param([[A], Forbidden("no")], (), 2, id="forbidden meanwhile"),
        pytest.param([Forbidden("no")], (), 1, id="forbidden"),
        pytest.param([ClusterUnreachable("no")], None, 0, id="not known"),
        pytest.param([ClusterUnreachable("no"), [A]], ("a",), 1, id="reached later"),
    ],
)
async def test_what_is_counted(
    answers: list[list[dict[str, Any]] | ClusterError], names: tuple[str, ...] | None, told: int
) -> None:
    assert await seen(Source(*answers), 4) == (names, told)
