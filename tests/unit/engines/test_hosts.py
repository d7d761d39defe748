"""The names of an instance: when they are written, and what becomes of those that are not."""

from collections.abc import Sequence

import pytest
from tests.unit.native.kit import wish

from kubefwd_operator.core.errors import HelperGone, HelperRefused
from kubefwd_operator.core.model import Repaired
from kubefwd_operator.core.names import HostsEntry, Placed
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines.hosts import UNWRITTEN, HostsWriter, names, notes
from kubefwd_operator.privileged.channel import HostsOutcome
from kubefwd_operator.privileged.rivals import Contested
from kubefwd_operator.privileged.withheld import Withheld

WEB = Placed("shop-a", "web", ("127.18.0.3",))
NAMES = ("web", "web.shop-a", "web.shop-a.svc", "web.shop-a.svc.cluster.local")


class Helper:
    """Notes what it is asked to write."""

    def __init__(self) -> None:
        self.asked: list[tuple[HostsEntry, ...]] = []
        self.outcome: HostsOutcome | Exception = HostsOutcome()

    async def hosts(self, entries: Sequence[HostsEntry]) -> HostsOutcome:
        self.asked.append(tuple(entries))
        if isinstance(self.outcome, Exception):
            raise self.outcome
        return self.outcome


@pytest.fixture
def helper() -> Helper:
    return Helper()


@pytest.fixture
def writer(helper: Helper) -> HostsWriter:
    return HostsWriter(helper)


async def write(writer: HostsWriter, *placed: Placed, retry: bool = False) -> None:
    await writer.write(placed, wish("shop-a"), retry=retry)


async def test_only_news_are_written(writer: HostsWriter, helper: Helper) -> None:
    await write(writer, WEB)
    await write(writer, WEB)
    assert len(helper.asked) == 1
    assert writer.named == {"127.18.0.3"}
    await write(writer)
    assert helper.asked[1:] == [()]
    assert writer.named == frozenset()


async def test_a_retry_writes_what_there_is_anyhow(writer: HostsWriter, helper: Helper) -> None:
    await write(writer, retry=True)
    assert helper.asked == []
    await write(writer, WEB)
    await write(writer, WEB, retry=True)
    assert len(helper.asked) == 2


async def test_a_repair_writes_even_nothing(writer: HostsWriter, helper: Helper) -> None:
    await writer.write((), wish("shop-a"), retry=False, repair=True)
    assert helper.asked == [()]
    assert writer.repaired(1) == Repaired(1)
    await writer.write((WEB,), wish("shop-a"), retry=False, repair=True)
    helper.outcome = HostsOutcome((Withheld("web", "127.18.0.3", "refused", "It is so."),))
    await writer.write((WEB,), wish("shop-a"), retry=False, repair=True)
    assert len(helper.asked) == 3
    assert writer.repaired(2) == Repaired(2, names=len(NAMES) - 1)


@pytest.mark.parametrize(
    "code, reason",
    [
        ("read-only", Reason.HOSTS_NOT_WRITABLE),
        ("limit", Reason.LIMIT_REACHED),
        ("system", Reason.INTERNAL_ERROR),
    ],
)
async def test_a_refusal_is_a_problem_until_a_retry_succeeds(
    writer: HostsWriter, helper: Helper, code: str, reason: Reason
) -> None:
    helper.outcome = HelperRefused(code, "No.")
    await write(writer, WEB)
    assert writer.written.problem is not None
    assert writer.written.problem.reason is reason
    assert writer.written.problem.message == "No. It is tried again every 30 seconds."
    helper.outcome = HostsOutcome()
    await write(writer, WEB, retry=True)
    assert writer.written.problem is None
    assert names(writer.written, WEB) == (NAMES, ())


async def test_a_helper_that_is_gone_is_the_callers_concern(
    writer: HostsWriter, helper: Helper
) -> None:
    helper.outcome = HelperGone("gone")
    with pytest.raises(HelperGone):
        await write(writer, WEB)


@pytest.mark.parametrize(
    "why, holder, reason, has, remedy",
    [
        ("refused", "", Reason.NAME_REFUSED, "this machine", "Use another name"),
        (
            "held-by-user",
            "192.0.2.7",
            Reason.NAME_TAKEN,
            "your own line in /etc/hosts, 192.0.2.7",
            "Take that line out of /etc/hosts",
        ),
        (
            "held-by-instance",
            "1000.tilt-2",
            Reason.NAME_TAKEN,
            "the Tilt 'tilt-2' of user 1000",
            "comes here when that one ends",
        ),
        ("held-by-instance", "", Reason.NAME_TAKEN, "another Tilt", "when that one ends"),
        ("missing", "", Reason.NAME_TAKEN, None, ""),
    ],
)
async def test_a_name_that_is_withheld(
    writer: HostsWriter,
    helper: Helper,
    why: str,
    holder: str,
    reason: Reason,
    has: str | None,
    remedy: str,
) -> None:
    lost = Withheld("web", "127.18.0.3", why, "It is so.", holder)
    other = Withheld("web", "127.18.0.9", why, "Another's.")
    helper.outcome = HostsOutcome((lost, other))
    await write(writer, WEB)
    given, problems = names(writer.written, WEB)
    assert given == NAMES[1:]
    (problem,) = problems
    assert problem.reason is reason
    assert problem.message.startswith("web: It is so.")
    assert remedy in problem.message
    if has is None:
        assert problem.clash is None
    else:
        assert problem.clash is not None
        assert (problem.clash.over, problem.clash.without) == ("web", "web.shop-a")
        assert problem.clash.has == has
        assert remedy in problem.clash.remedy


async def test_who_waits_for_a_name_is_noted_beside_it(writer: HostsWriter, helper: Helper) -> None:
    helper.outcome = HostsOutcome(contested=(Contested("web", "1000.tilt-2"),))
    await write(writer, WEB)
    (problem,) = notes(writer.written, WEB.key, NAMES)
    assert problem.reason is Reason.NAME_CONTESTED
    assert problem.clash is not None
    assert problem.clash.has == "web.shop-a"
    assert problem.clash.without == "the Tilt 'tilt-2' of user 1000"
    assert notes(writer.written, WEB.key, ("another",)) == ()


async def test_to_clear_takes_everything_back(writer: HostsWriter, helper: Helper) -> None:
    await write(writer, WEB)
    helper.outcome = HelperRefused("read-only", "No.")
    await writer.clear()
    assert helper.asked[-1] == ()
    assert (writer.written, writer.named) == (UNWRITTEN, frozenset())
