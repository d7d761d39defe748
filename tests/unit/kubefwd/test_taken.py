"""Ports that a program of this machine has: which services are told of it, and when it is asked."""

from collections.abc import Collection

import pytest
from tests.unit.native.kit import pod, service

from kubefwd_operator.core.problem import ClashKind
from kubefwd_operator.core.reason import Reason
from kubefwd_operator.engines import occupant
from kubefwd_operator.engines.kubefwd.remedies import Remedies
from kubefwd_operator.engines.kubefwd.taken import ALL, Taken
from kubefwd_operator.engines.kubefwd.truth import Judgement, Verdict
from kubefwd_operator.engines.occupant import Occupant, Place

NODE = Occupant("0.0.0.0:80", "dev", "node", 4711)
UNABLE = "unable to listen on any of the requested ports: [{80 8080}]"
LACKING = Judgement(service("web", pod("web-1")), Verdict.MISSING, missing=(80,))
WELL = Judgement(service("web", pod("web-1")), Verdict.READY)


class Machine:
    """Who has which port on all addresses, and what was asked."""

    def __init__(self) -> None:
        self.there: dict[int, Occupant] = {80: NODE}
        self.asked: list[set[int]] = []

    async def ask(self, places: Collection[Place]) -> dict[Place, Occupant]:
        assert {ip for ip, _ in places} <= {ALL}
        self.asked.append({port for _, port in places})
        return {place: self.there[place[1]] for place in places if place[1] in self.there}


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(occupant, "ask", made.ask)
    return made


def unable(_: tuple[str, str]) -> str:
    return UNABLE


async def told(taken: Taken, judged: Judgement, said: str = UNABLE, *, again: bool = False) -> str:
    """What is told of web; empty for nothing."""
    found = await taken.look([judged], lambda _: said, again=again)
    return " ".join(problem.message for problem in found.get(("shop-a", "web"), ()))


async def test_who_has_the_port_is_told_with_what_to_do(machine: Machine) -> None:
    found = await Taken().look([LACKING], unable, again=False)
    ((problem,),) = found.values()
    assert problem.reason is Reason.PORT_TAKEN
    assert "web.shop-a:80 is taken by node (process 4711) on 0.0.0.0:80." in problem.message
    assert "list 'shop-a/web' in the argument `skip`" in problem.message
    assert problem.clash
    assert (problem.clash.kind, problem.clash.over) == (ClashKind.PORT, "web.shop-a:80")


@pytest.mark.parametrize(
    "judgement, said",
    [
        pytest.param(WELL, UNABLE, id="it listens by now"),
        pytest.param(LACKING, "lost connection to pod", id="kubefwd has another trouble"),
        pytest.param(LACKING, "", id="kubefwd has said nothing"),
    ],
)
async def test_nothing_is_told_or_asked_while_there_is_no_sign(
    machine: Machine, judgement: Judgement, said: str
) -> None:
    assert await told(Taken(), judgement, said) == ""
    assert machine.asked == []


async def test_nothing_is_told_when_nobody_has_it(machine: Machine) -> None:
    """kubefwd's own reconnect is in its way for a moment, too."""
    machine.there.clear()
    assert await told(Taken(), LACKING) == ""
    assert machine.asked == [{80}]


async def test_it_is_asked_once_until_it_is_to_be_asked_again(machine: Machine) -> None:
    taken = Taken()
    assert "node" in await told(taken, LACKING)
    machine.there.clear()
    assert "node" in await told(taken, LACKING)
    assert machine.asked == [{80}]
    assert await told(taken, LACKING, again=True) == ""
    assert machine.asked == [{80}, {80}]


async def test_another_port_is_asked_for(machine: Machine) -> None:
    taken = Taken()
    more = Judgement(LACKING.service, Verdict.MISSING, missing=(80, 81))
    await told(taken, LACKING)
    assert "web.shop-a:81" not in await told(taken, more)
    assert machine.asked == [{80}, {80, 81}]


def test_no_step_is_taken_that_would_be_in_vain() -> None:
    for beyond, steps in (((), True), ((LACKING.key,), False)):
        remedies = Remedies()
        found = [remedies.note([LACKING], float(second), beyond) for second in range(600)]
        assert any(found) is steps
