"""How long something has been missing."""

from tests.unit.native.kit import pod, service

from kubefwd_operator.engines.native.absences import Absences

DB0 = ("shop-a", "db", "db-0")


def test_a_service_without_pods_is_idle_after_ten_seconds() -> None:
    absences = Absences()
    absences.note([service("web")], 100)
    assert absences.idle(109.9) == frozenset()
    assert absences.next_change(103) == 7
    assert absences.idle(110) == {("shop-a", "web")}
    assert absences.next_change(110) is None


def test_a_pod_in_between_begins_the_count_anew() -> None:
    absences = Absences()
    absences.note([service("web")], 100)
    absences.note([service("web", pod("web-1", ready=False))], 105)
    absences.note([service("web")], 106)
    assert absences.idle(112) == frozenset()
    assert absences.idle(116) == {("shop-a", "web")}


def test_what_cannot_be_forwarded_is_never_idle() -> None:
    absences = Absences()
    absences.note([service("web", selector={})], 100)
    assert absences.idle(200) == frozenset()


def test_a_named_pod_that_leaves_is_expected_back_for_thirty_seconds() -> None:
    absences = Absences()
    there = service("db", pod("db-0", hostname="db-0"), pod("db-1", hostname="db-1"), headless=True)
    left = service("db", pod("db-1", hostname="db-1"), headless=True)
    absences.note([there], 100)
    assert absences.departed() == ()
    absences.note([left], 110)
    absences.note([left], 120)
    assert absences.departed() == (DB0,)
    assert absences.next_change(120) == 20
    absences.note([left], 140)
    assert absences.departed() == ()


def test_a_named_pod_that_comes_back_or_whose_service_goes_is_not_expected() -> None:
    there = service("db", pod("db-0", hostname="db-0"), headless=True)
    for later in ([there], []):
        absences = Absences()
        absences.note([there], 100)
        absences.note([service("db", headless=True)], 101)
        assert absences.departed() == (DB0,)
        absences.note(later, 102)
        assert absences.departed() == ()
