"""What is done about services in trouble, and when: a second is a note."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from kubefwd_operator.core.model import Endpoint, Service, ServicePort
from kubefwd_operator.engines.kubefwd.remedies import AT_ONCE, Remedies, Remedy, State, Step
from kubefwd_operator.engines.kubefwd.truth import Judgement, Verdict

WEB = ("shop", "web")
START = 1000.0
LADDER = [Step.SYNC, Step.RECREATE, Step.READD, Step.RESTART]

Told = tuple[float, Step, str]
"""Seconds since the start, what is to be done, and to whom."""


@cache
def is_(verdict: Verdict, service: str = "web", namespace: str = "shop", **other: Any) -> Judgement:
    """Judge a service; one that is READY has a row and a socket."""
    place = (f"127.1.27.{sum(map(ord, service + namespace)) % 250}", 80)
    there = {"places": (place,), "begun": (place,), "works": True}
    given: dict[str, Any] = (there if verdict is Verdict.READY else {}) | other
    return Judgement(Service(namespace, service, (ServicePort(80),)), verdict, **given)


READY, MISSING, STALE = is_(Verdict.READY), is_(Verdict.MISSING), is_(Verdict.STALE)
SILENT, HALF_OPEN = is_(Verdict.NOT_LISTENING), is_(Verdict.HALF_OPEN)
EXHAUSTED, NOBODY = is_(Verdict.EXHAUSTED), is_(Verdict.NO_ENDPOINTS)
GOOD = is_(Verdict.READY, "good")
ELSEWHERE = is_(Verdict.READY, "good", "other")


class Course:
    """Notes what is there, second by second, and collects what is to be done."""

    def __init__(self) -> None:
        self.remedies = Remedies()
        self.seconds = 0
        self.all: list[Remedy] = []

    def go(self, seconds: int, *seen: Judgement) -> list[Told]:
        """Let time pass, the same being seen all the time."""
        return self.watch(seconds, lambda _: seen)

    def watch(self, seconds: int, seen: Callable[[int], Iterable[Judgement]]) -> list[Told]:
        """Let time pass; what is seen depends on the seconds since the start."""
        told: list[Told] = []
        for _ in range(seconds):
            for each in self.remedies.note(seen(self.seconds), START + self.seconds):
                self.all.append(each)
                whom = ".".join(filter(None, (each.service, each.namespace)))
                told.append((self.seconds, each.step, whom))
            self.seconds += 1
        return told

    def state(self, key: tuple[str, str] = WEB) -> State:
        return self.remedies.state(key)


@pytest.fixture
def course() -> Course:
    return Course()


# --- the ladders -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            MISSING,
            [
                (10, Step.SYNC, "web.shop"),
                (20, Step.RECREATE, "web.shop"),
                (40, Step.READD, "shop"),
                (70, Step.RESTART, ""),
            ],
            id="missing",
        ),
        pytest.param(
            SILENT,
            [
                (10, Step.SYNC, "web.shop"),
                (20, Step.RECREATE, "web.shop"),
                (40, Step.READD, "shop"),
                (70, Step.RESTART, ""),
            ],
            id="not listening",
        ),
        pytest.param(
            STALE,
            [(3, Step.RECREATE, "web.shop"), (23, Step.READD, "shop"), (53, Step.RESTART, "")],
            id="stale",
        ),
        pytest.param(
            HALF_OPEN,
            [(0, Step.RECREATE, "web.shop"), (20, Step.READD, "shop"), (50, Step.RESTART, "")],
            id="half open",
        ),
        pytest.param(EXHAUSTED, [(0, Step.RESTART, "")], id="exhausted"),
        pytest.param(NOBODY, [], id="no endpoints"),
        pytest.param(READY, [], id="ready"),
    ],
)
def test_one_service_alone(course: Course, seen: Judgement, expected: list[Told]) -> None:
    assert course.go(75, seen) == expected
    assert course.remedies.tried(WEB) == len(expected)


def test_to_wake_when_something_is_due_is_enough(course: Course) -> None:
    assert course.remedies.next_change(START) is None
    told: list[Told] = []
    while course.seconds < 75:
        told += course.go(1, MISSING)
        due = course.remedies.next_change(START + course.seconds - 1)
        assert due, "nothing is left over"
        course.seconds += int(due) - 1
    assert [each[:2] for each in told] == list(zip((10, 20, 40, 70), LADDER, strict=True))


def test_what_is_overdue_is_due_now(course: Course) -> None:
    course.go(1, MISSING)
    assert course.remedies.next_change(START + 99) == 0


@pytest.mark.parametrize("well", [READY, NOBODY])
def test_trouble_that_is_over_is_forgotten(course: Course, well: Judgement) -> None:
    course.go(25, MISSING)
    assert course.remedies.tried(WEB) == 2
    course.go(1, well)
    assert (course.remedies.tried(WEB), course.state()) == (0, State.NONE)
    assert course.remedies.next_change(START) is None
    assert [each[:2] for each in course.go(15, MISSING)] == [(36, Step.SYNC)]


def test_a_service_that_is_gone_is_forgotten(course: Course) -> None:
    course.go(25, MISSING)
    assert course.go(100) == []
    assert (course.remedies.tried(WEB), course.state()) == (0, State.NONE)


@pytest.mark.parametrize(
    ("seen", "expected"),
    [
        pytest.param(
            lambda second: [MISSING if second % 2 else SILENT],
            [(10, Step.SYNC), (20, Step.RECREATE)],
            id="a dial that fails every second: row, no row, row",
        ),
        pytest.param(
            lambda second: [MISSING if second < 12 else STALE],
            [(10, Step.SYNC), (15, Step.RECREATE), (35, Step.READD)],
            id="stale when a sync has been tried",
        ),
        pytest.param(
            lambda second: [MISSING if second < 9 else STALE],
            [(12, Step.RECREATE), (32, Step.READD)],
            id="stale a moment ago: the swap of the pod is waited for",
        ),
        pytest.param(
            lambda second: [STALE if second % 3 else MISSING],
            [(12, Step.SYNC), (24, Step.RECREATE)],
            id="never stale for long",
        ),
        pytest.param(
            lambda second: [STALE if second < 5 else MISSING],
            [(3, Step.RECREATE), (23, Step.READD)],
            id="no step back",
        ),
        pytest.param(
            lambda second: [MISSING if second < 25 else EXHAUSTED],
            [(10, Step.SYNC), (20, Step.RECREATE), (25, Step.RESTART)],
            id="exhausted on the way",
        ),
    ],
)
def test_another_kind_of_trouble_goes_on_climbing(
    course: Course, seen: Callable[[int], list[Judgement]], expected: list[tuple[int, Step]]
) -> None:
    assert [each[:2] for each in course.watch(39, seen)] == expected


# --- what kubefwd is still doing ---------------------------------------------------------------


def coming_up(second: int, number: int, stuck: Iterable[int] = ()) -> Judgement:
    """Tell how service NUMBER of 250 is: rows for 50 s, then sockets for 50 s, as measured."""
    place = (f"127.1.27.{number + 1}", 80)
    name = f"s{number}"
    if second < number // 5:
        return is_(Verdict.MISSING, name)
    if second < 50 + number // 5 or number in stuck:
        return is_(Verdict.NOT_LISTENING, name, begun=(place,))
    return is_(Verdict.READY, name, places=(place,), begun=(place,))


def test_250_services_that_come_up_are_left_alone(course: Course) -> None:
    assert course.watch(110, lambda second: [coming_up(second, each) for each in range(250)]) == []


def test_those_that_do_not_come_up_are_seen_to_when_the_others_have(course: Course) -> None:
    stuck = (7, 9)
    seen = course.watch(125, lambda second: [coming_up(second, each, stuck) for each in range(250)])
    assert seen == [
        (109, Step.SYNC, "s7.shop"), (109, Step.SYNC, "s9.shop"),
        (119, Step.RECREATE, "s7.shop"), (119, Step.RECREATE, "s9.shop"),
    ]  # fmt: skip


def test_another_namespace_comes_up_first_because_all_share_one_limit(course: Course) -> None:
    seen = course.watch(60, lambda second: [MISSING, *(coming_up(second, n) for n in range(250))])
    assert seen == []


def test_a_service_that_breaks_and_mends_all_the_time_makes_nobody_wait(course: Course) -> None:
    back = is_(Verdict.READY, "flaps")
    gone = is_(Verdict.MISSING, "flaps")
    seen = course.watch(30, lambda second: [gone if second % 4 == 3 else back, MISSING])
    assert [each[:2] for each in seen] == [(10, Step.SYNC), (20, Step.RECREATE)]


def test_what_is_known_to_be_wrong_does_not_wait_for_others(course: Course) -> None:
    seen = course.watch(25, lambda second: [HALF_OPEN, *(coming_up(second, n) for n in range(250))])
    assert [each[:2] for each in seen] == [(0, Step.RECREATE), (20, Step.READD)]


def test_what_was_away_for_long_is_progress_again(course: Course) -> None:
    one = is_(Verdict.READY, "one")
    lost = is_(Verdict.MISSING, "one", works=True)
    seen = course.watch(35, lambda second: [one if second < 2 or second >= 14 else lost, MISSING])
    steps = [each for each in seen if each[2] == "web.shop"]
    assert steps == [(10, Step.SYNC, "web.shop"), (24, Step.RECREATE, "web.shop")]


def test_progress_does_not_make_others_wait_for_ever(course: Course) -> None:
    def ever_new(second: int) -> list[Judgement]:
        place = (f"127.1.{second // 250}.{second % 250}", 80)
        return [is_(Verdict.READY, "other", places=(place,), begun=(place,)), MISSING]

    assert [each[:2] for each in course.watch(620, ever_new)] == [(610, Step.SYNC)]


def test_many_are_not_asked_for_at_once(course: Course) -> None:
    lost = [is_(Verdict.MISSING, f"s{number}") for number in range(12)]
    seen = course.go(23, *lost, ELSEWHERE, GOOD)
    synced = [second for second, step, _ in seen if step is Step.SYNC]
    assert synced == [10] * AT_ONCE + [15] * AT_ONCE
    assert [step for second, step, _ in seen if second == 20] == [Step.RECREATE] * AT_ONCE
    later = course.go(60, *lost, ELSEWHERE, GOOD)
    assert {whom for _, step, whom in [*seen, *later] if step is Step.RECREATE} == {
        f"s{number}.shop" for number in range(12)
    }


# --- never worse than the disease ------------------------------------------------------------


def steps(told: Sequence[Told]) -> set[Step]:
    return {step for _, step, _ in told}


@pytest.mark.parametrize("bad", [MISSING, SILENT, STALE, HALF_OPEN], ids=lambda one: one.verdict)
def test_one_bad_service_among_good_ones_is_never_paid_for_by_them(
    course: Course, bad: Judgement
) -> None:
    seen = course.go(2000, bad, GOOD, ELSEWHERE)
    assert steps(seen) <= {Step.SYNC, Step.RECREATE}
    assert {whom for _, _, whom in seen} == {"web.shop"}


@pytest.mark.parametrize("bad", [MISSING, SILENT, STALE, HALF_OPEN], ids=lambda one: one.verdict)
def test_a_bad_namespace_is_renewed_and_the_rest_left_alone(course: Course, bad: Judgement) -> None:
    seen = course.go(2000, bad, ELSEWHERE)
    assert Step.READD in steps(seen)
    assert Step.RESTART not in steps(seen)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(is_(Verdict.MISSING, "other", works=True), id="works at one of its ports"),
        pytest.param(is_(Verdict.NO_ENDPOINTS, "other", works=True), id="is held in a debugger"),
    ],
)
def test_what_works_in_part_is_not_cut_for_another(course: Course, other: Judgement) -> None:
    assert steps(course.go(2000, MISSING, other)) <= {Step.SYNC, Step.RECREATE}


def test_what_works_in_part_is_not_cut_again_and_again(course: Course) -> None:
    seen = course.go(4000, replace(MISSING, works=True))
    assert [step for _, step, _ in seen].count(Step.RECREATE) == 2
    assert [step for _, step, _ in seen].count(Step.SYNC) > 5


def test_what_has_nobody_behind_it_keeps_nothing_back(course: Course) -> None:
    nobody = is_(Verdict.NO_ENDPOINTS, "nobody")
    assert [each[1] for each in course.go(75, MISSING, nobody)] == LADDER


def test_a_ladder_is_climbed_again_after_a_back_off_that_doubles(course: Course) -> None:
    seen = course.go(1500, MISSING, GOOD)
    assert [(second, step) for second, step, _ in seen] == [
        (10, Step.SYNC), (20, Step.RECREATE),  # given up at 40
        (110, Step.SYNC), (120, Step.RECREATE),  # at 140, for 120 s
        (270, Step.SYNC), (280, Step.RECREATE),  # at 300, for 240 s
        (550, Step.SYNC), (560, Step.RECREATE),  # at 580, for 300 s
        (890, Step.SYNC), (900, Step.RECREATE),  # at 920, for 300 s
        (1230, Step.SYNC), (1240, Step.RECREATE),
    ]  # fmt: skip


# --- many at once ----------------------------------------------------------------------------


def test_a_namespace_is_renewed_once_for_all(course: Course) -> None:
    bad = [is_(Verdict.STALE, name) for name in "abc"]
    seen = course.go(50, *bad, ELSEWHERE)
    assert seen == [
        *((3, Step.RECREATE, f"{name}.shop") for name in "abc"),
        (23, Step.READD, "shop"),
    ]
    assert [course.remedies.tried(("shop", name)) for name in "abc"] == [2, 2, 2]


def test_each_namespace_is_renewed_for_itself(course: Course) -> None:
    bad = [is_(Verdict.STALE, "web", name) for name in "ab"]
    seen = course.go(30, *bad, ELSEWHERE)
    assert [each for each in seen if each[1] is Step.READD] == [
        (23, Step.READD, "a"),
        (23, Step.READD, "b"),
    ]


def test_renewing_a_namespace_is_no_step_for_another(course: Course) -> None:
    a, b = is_(Verdict.STALE, "web", "a"), is_(Verdict.STALE, "web", "b")
    seen = course.watch(35, lambda second: [a, ELSEWHERE, *([b] if second >= 10 else [])])
    assert [each for each in seen if each[1] is Step.READD] == [
        (23, Step.READD, "a"),
        (33, Step.READD, "b"),
    ]


def test_renewing_a_namespace_swallows_what_is_due_in_it(course: Course) -> None:
    late = is_(Verdict.MISSING, "late")
    seen = course.watch(45, lambda second: [STALE, late if second >= 13 else NOBODY, ELSEWHERE])
    assert [each for each in seen if each[0] >= 20] == [(23, Step.READD, "shop")]


def test_a_restart_swallows_everything(course: Course) -> None:
    lost = [is_(Verdict.MISSING, f"s{number}", f"n{number}") for number in range(8)]
    course.go(10, *lost)
    assert course.go(1, *lost, EXHAUSTED) == [(10, Step.RESTART, "")]
    assert course.go(30, *lost, EXHAUSTED) == []


def test_all_bad_escalates_to_restarts_with_a_back_off(course: Course) -> None:
    """Each restart begins anew; the ladder itself takes 70 s."""
    told: list[float] = []
    while course.seconds < 3600:
        for second, step, _ in course.go(1, MISSING, is_(Verdict.STALE, "a", "other")):
            if step is Step.RESTART:
                told.append(second)
                course.remedies.forget()
    gaps = [later - before for before, later in pairwise(told)]
    assert told[0] == 53
    assert gaps[:5] == [60, 120, 240, 480, 600]
    assert set(gaps[4:]) == {600}


def test_a_restart_is_tried_again_even_if_none_came(course: Course) -> None:
    seen = course.go(400, MISSING)
    assert len([step for _, step, _ in seen if step is Step.RESTART]) == 2


# --- restarts --------------------------------------------------------------------------------


def restarts(course: Course, seconds: int, *seen: Judgement) -> list[float]:
    """Let time pass; kubefwd begins anew whenever that is asked for."""
    told: list[float] = []
    for _ in range(seconds):
        for second, step, _ in course.go(1, *seen):
            if step is Step.RESTART:
                told.append(second)
                course.remedies.forget()
    return told


def test_want_of_addresses_spares_nobody_but_has_a_back_off(course: Course) -> None:
    assert restarts(course, 500, EXHAUSTED, GOOD, ELSEWHERE) == [0, 60, 180, 420]


def test_the_back_off_is_short_again_when_all_was_well(course: Course) -> None:
    restarts(course, 200, EXHAUSTED, GOOD)
    course.go(1, NOBODY)  # is nothing to be glad of
    assert restarts(course, 100, EXHAUSTED) == []
    course.go(1, READY, GOOD)
    assert restarts(course, 100, EXHAUSTED) == [302, 362]


def test_forgetting_begins_anew(course: Course) -> None:
    course.go(25, MISSING)
    course.remedies.forget()
    assert (course.remedies.tried(WEB), course.state()) == (0, State.NONE)
    assert [each[:2] for each in course.go(12, MISSING)] == [(35, Step.SYNC)]


def test_what_comes_back_after_a_restart_is_progress(course: Course) -> None:
    course.go(5, MISSING, GOOD)
    course.remedies.forget()
    lost = is_(Verdict.MISSING, "good")
    seen = course.watch(20, lambda second: [MISSING, GOOD if second >= 13 else lost])
    assert [each[:2] for each in seen] == [(23, Step.SYNC)]


def test_no_breath_is_taken_after_a_restart(course: Course) -> None:
    slow = [is_(Verdict.HALF_OPEN, f"s{number}") for number in range(AT_ONCE)]
    assert len(course.go(1, *slow)) == AT_ONCE
    assert course.go(1, HALF_OPEN, *slow) == []
    course.remedies.forget()
    assert course.go(1, HALF_OPEN) == [(2, Step.RECREATE, "web.shop")]


def test_where_more_addresses_are_needed_than_there_are_a_restart_is_no_cure(
    course: Course,
) -> None:
    many = [is_(Verdict.READY, f"s{number}") for number in range(256)]
    assert steps(course.go(100, EXHAUSTED, *many)) == set()
    assert course.state() is State.GIVEN_UP
    assert Step.RESTART in steps(course.go(100, EXHAUSTED, *many[1:]))


def test_pods_of_headless_services_need_addresses_too(course: Course) -> None:
    pods = tuple(Endpoint(f"db-{number}") for number in range(255))
    db = Service("shop", "db", (ServicePort(80),), pods)
    of = Judgement(replace(db, headless=True), Verdict.READY, works=True)
    assert steps(course.go(100, EXHAUSTED, of)) == set()
    of = Judgement(db, Verdict.READY, works=True)
    assert steps(course.go(100, EXHAUSTED, of)) == {Step.RESTART}


def test_pods_that_come_and_go_do_not_count_among_those_that_need_one(course: Course) -> None:
    pods = tuple(Endpoint(f"db-{number}", ready=number < 200) for number in range(255))
    db = Service("shop", "db", (ServicePort(80),), pods, headless=True)
    of = Judgement(db, Verdict.READY, works=True)
    assert steps(course.go(100, EXHAUSTED, of)) == {Step.RESTART}


# --- what is shown ---------------------------------------------------------------------------


def test_a_service_is_given_up_when_it_was_deleted_and_added_in_vain(course: Course) -> None:
    states = {}
    for second in range(300):
        course.go(1, MISSING, GOOD)
        states[second] = course.state()
    changes = [at for at in range(1, 300) if states[at] is not states[at - 1]]
    assert (states[0], states[39], states[40], changes) == (
        State.HEALING, State.HEALING, State.GIVEN_UP, [40],
    )  # fmt: skip
    course.go(1, READY, GOOD)
    assert course.state() is State.NONE


def test_it_is_given_up_although_more_is_tried(course: Course) -> None:
    course.go(41, MISSING)
    assert [each.step for each in course.all] == [Step.SYNC, Step.RECREATE, Step.READD]
    assert course.state() is State.GIVEN_UP


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (replace(MISSING, missing=(80, 90)), "web.shop is not forwarded (port 80, 90), for 10 s"),
        (replace(SILENT, missing=(80,)), "web.shop does not listen, although kubefwd says so"),
        (STALE, "web.shop is forwarded to where its Service no longer leads, for 3 s"),
        (HALF_OPEN, "web.shop lets connections time out, for 0 s"),
        (EXHAUSTED, "web.shop has no address, because kubefwd has none left, for 0 s"),
    ],
    ids=lambda one: one.verdict if isinstance(one, Judgement) else "",
)
def test_a_remedy_says_what_was_seen(course: Course, seen: Judgement, reason: str) -> None:
    course.go(11, seen)
    assert course.all[0].reason.startswith(reason)
