"""Who gets in, and what is counted."""

import errno
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.native.admission import Admission, admits
from kubefwd_operator.engines.native.owner import Owners
from kubefwd_operator.engines.native.sockdiag import Owner

DEVELOPER = 1000
WEB, API = ("shop-a", "web"), ("shop-a", "api")


@pytest.mark.parametrize(
    "owner, expected",
    [
        pytest.param(Owner(DEVELOPER, 5), True, id="the developer"),
        pytest.param(Owner(0, 5), True, id="root"),
        pytest.param(Owner(0, 0), False, id="closed: reported as uid 0 with inode 0"),
        pytest.param(Owner(DEVELOPER, 0), True, id="the developer's, closed, where it is told"),
        pytest.param(Owner(1001, 5), False, id="somebody else"),
        pytest.param(Owner(1001, 0), False, id="somebody else's, closed"),
        pytest.param(Owner(65534, 5), False, id="a user that has no name in this namespace"),
        pytest.param(None, False, id="nobody any more"),
    ],
)
def test_the_developer_and_root_get_in(owner: Owner | None, expected: bool) -> None:
    assert admits(owner, DEVELOPER) is expected


@pytest.mark.parametrize("inode, expected", [(5, True), (0, False)])
def test_a_developer_who_is_root_is_told_from_a_closed_socket(inode: int, expected: bool) -> None:
    assert admits(Owner(0, inode), developer=0) is expected


@dataclass
class Told:
    """Says what it was told to say."""

    answers: list[Owner | OSError | None]
    closed: int = 0
    asked: list[socket.socket] = field(default_factory=list)

    def of(self, connection: socket.socket) -> Owner | None:
        self.asked.append(connection)
        found = self.answers.pop(0)
        if isinstance(found, OSError):
            raise found
        return found

    def close(self) -> None:
        self.closed += 1


@pytest.fixture
def connection() -> Iterator[socket.socket]:
    with socket.socket() as made:
        yield made


def admission(
    ask: Callable[[], Owners | None], *, everybody: bool = False
) -> tuple[Admission, list[int]]:
    told: list[int] = []
    made = Admission(DEVELOPER, lambda: told.append(1), everybody=everybody, ask=ask)
    made.start()
    return made, told


def test_refusals_are_counted_by_service_and_told(connection: socket.socket) -> None:
    owners = Told([Owner(1001, 5), Owner(DEVELOPER, 5), Owner(1001, 6), None])
    made, told = admission(lambda: owners)
    assert [made.admits(connection, each) for each in (WEB, WEB, WEB, API)] == [
        False,
        True,
        False,
        False,
    ]
    assert made.refused == {WEB: 2, API: 1}
    assert len(told) == 3
    assert made.problem is None
    made.close()
    assert owners.closed == 1


def test_an_answer_that_is_missing_makes_a_stranger(connection: socket.socket) -> None:
    made, _ = admission(lambda: Told([OSError(errno.ENOBUFS, "no"), Owner(DEVELOPER, 5)]))
    assert not made.admits(connection, WEB)
    assert made.admits(connection, WEB)
    assert made.refused == {WEB: 1}


def test_a_kernel_that_cannot_be_asked_lets_everybody_in_and_it_is_a_problem(
    connection: socket.socket,
) -> None:
    def ask() -> Owners:
        raise OSError(errno.EPERM, "Operation not permitted")

    made, told = admission(ask)
    assert made.problem
    assert made.problem.reason is Reason.OWNERS_UNKNOWN
    assert "Operation not permitted" in made.problem.message
    assert "`allow_other_users`" in made.problem.message
    assert made.admits(connection, WEB)
    assert (made.refused, told) == ({}, [])


def test_where_everybody_may_come_nobody_is_asked(connection: socket.socket) -> None:
    owners = Told([])
    made, _ = admission(lambda: owners, everybody=True)
    assert made.admits(connection, WEB)
    assert made.problem is None
    assert owners.asked == []


def test_where_owners_are_not_told_everybody_gets_in(connection: socket.socket) -> None:
    made, _ = admission(lambda: None)
    assert made.admits(connection, WEB)
    assert made.problem is None
