"""ForwardPolicy: whatever is found is no fault, and is said."""

import pytest

from kubefwd_operator.core.errors import ClusterError, ClusterUnreachable, Forbidden, NotFound
from kubefwd_operator.doctor.finding import Level
from kubefwd_operator.doctor.policies import judge_namespaces, judge_policies


@pytest.mark.parametrize(
    "answer, said",
    [
        pytest.param(0, "there are 0", id="none"),
        pytest.param(1, "there is 1", id="one"),
        pytest.param(7, "there are 7", id="some"),
        pytest.param(NotFound("404"), "kubectl apply -f crds/", id="no such kind"),
        pytest.param(ClusterUnreachable("no route"), "does not answer", id="unreachable"),
    ],
)
def test_all_of_them(answer: int | ClusterError, said: str) -> None:
    finding = judge_policies(answer)
    assert finding.level is Level.OK
    assert said in finding.sentence


NO = Forbidden("403")


@pytest.mark.parametrize(
    "answers, said",
    [
        pytest.param({"shop": 1, "bank": 0}, "those in shop, bank.", id="all"),
        pytest.param({"shop": 1, "bank": NO}, "in shop, but not in bank, where", id="some"),
        pytest.param({"shop": NO}, "You may not read any (or there is no such kind)", id="none"),
    ],
)
def test_by_namespace(answers: dict[str, int | ClusterError], said: str) -> None:
    finding = judge_namespaces(answers)
    assert finding.level is Level.OK
    assert said in finding.sentence
