"""Rows as Tilt's objects: what is written is read back as it was meant."""

from hypothesis import given
from hypothesis import strategies as st
from tests.unit.core.situations import broken, problem, seen, status, wish

from kubefwd_operator.core.model import Source
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.core.rows import Light, Row, news, rows
from kubefwd_operator.tilt.rows import read, write

NOON, LATER = "2026-01-02T12:00:00Z", "2026-01-02T12:00:09Z"
MESSAGES = st.text(st.one_of(st.characters(), st.sampled_from("\n\r \u2028:")), max_size=40)


def stored(row: Row) -> dict[str, object]:
    return {"metadata": {"name": row.name}, "status": write(row, NOON)}


@given(MESSAGES, MESSAGES)
def test_a_cause_that_is_still_there_is_no_news_whatever_it_says(one: str, other: str) -> None:
    engine = (problem(Reason.ENGINE_FAILED, one), problem(Reason.OWNERS_UNKNOWN, other))
    now = seen(engine=engine, a=broken(Reason.FORBIDDEN, one))
    found = rows(status(wish("a", source=Source.ARGUMENT), now))
    assert [row.light for row in found] == [Light.ERROR] * 2
    for row in found:
        assert news(None, row) == row.sentences
        assert read(stored(row)).sentences == row.sentences
        assert news(read(stored(row)), row) == ()


def test_what_somebody_has_emptied_is_told_anew() -> None:
    red = Row("kubefwd:ns:a", Light.ERROR, "PortTaken", ("web.a PortTaken: why.",))
    for raw in ({"metadata": {"name": red.name}}, {"metadata": {"name": red.name}, "status": {}}):
        assert news(read(raw), red) == red.sentences


def test_the_time_of_a_light_is_kept_while_it_lasts() -> None:
    red = Row("kubefwd:ns:a", Light.ERROR, "PortTaken", ("why.",))
    before = write(red, NOON)
    for row, time in ((red, NOON), (Row(red.name, Light.OK, "Ready", ("well.",)), LATER)):
        after = write(row, LATER, before)
        assert after["lastDeployTime"] == time.replace("Z", ".000000Z")
        assert after["conditions"][0]["lastTransitionTime"] == after["lastDeployTime"]
