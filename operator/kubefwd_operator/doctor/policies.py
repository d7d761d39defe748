"""ForwardPolicy objects: whether the cluster knows the kind, and whether they may be read.

Nothing of it is a fault: without the kind, or without the right to read it, everything works as if
there were no policies. But whoever has written one wants to know why it changes nothing.
"""

import asyncio
from collections.abc import Sequence

from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.core.errors import (
    ClusterError,
    CredentialsError,
    Forbidden,
    NotFound,
    TiltError,
)
from kubefwd_operator.core.policies import PATH, PLURAL
from kubefwd_operator.doctor.finding import Case, Finding, ok
from kubefwd_operator.doctor.reach import reach

_RIGHT = (
    "Whoever runs the cluster can give you list and watch on forwardpolicies.kubefwd-operator.dev."
)


async def policies(case: Case) -> list[Finding]:
    """Ask for all of them, then namespace by namespace."""
    try:
        async with reach(case) as (found, client):
            return [await _all(case.wanted or (found.namespace,), client)]
    except (CredentialsError, TiltError):
        return [ok("The cluster cannot be asked.")]


async def _all(names: Sequence[str], client: ClusterClient) -> Finding:
    answer = await _ask(client, f"{PATH}/{PLURAL}")
    if not isinstance(answer, Forbidden):
        return judge_policies(answer)
    paths = (f"{PATH}/namespaces/{name}/{PLURAL}" for name in names)
    answers = await asyncio.gather(*(_ask(client, path) for path in paths))
    return judge_namespaces(dict(zip(names, answers, strict=True)))


async def _ask(client: ClusterClient, path: str) -> int | ClusterError:
    try:
        return len((await client.get(path)).get("items") or ())
    except ClusterError as error:
        return error


def judge_policies(answer: int | ClusterError) -> Finding:
    """Judge the answer to the question for all of them."""
    if isinstance(answer, NotFound):
        return ok("The cluster does not know the kind, and needs none (kubectl apply -f crds/).")
    if isinstance(answer, ClusterError):
        return ok("The cluster does not answer.")
    return ok(f"You may read all of them; there {'is 1' if answer == 1 else f'are {answer}'}.")


def judge_namespaces(answers: dict[str, int | ClusterError]) -> Finding:
    """Judge the answers of single namespaces, when all at once may not be read."""
    read = [name for name, answer in answers.items() if isinstance(answer, int)]
    if not read:
        return ok(f"You may not read any (or there is no such kind), so none counts. {_RIGHT}")
    others = [name for name in answers if name not in read]
    but = f", but not in {', '.join(others)}, where none counts. {_RIGHT}" if others else "."
    return ok(f"You may read those in {', '.join(read)}{but}")
