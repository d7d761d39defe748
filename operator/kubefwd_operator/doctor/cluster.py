"""The cluster: whether it answers, and what the developer may do there, namespace by namespace.

What is allowed is asked of the cluster, one SelfSubjectAccessReview per right; nothing is tried
out. An exec plugin of the kubeconfig runs as it does for kubectl.
"""

import asyncio
import re
from collections.abc import Sequence
from contextlib import AsyncExitStack

from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.core.errors import (
    ClusterError,
    CredentialsError,
    Forbidden,
    NotFound,
    TiltError,
)
from kubefwd_operator.doctor.finding import Case, Finding, fail, ok, warn
from kubefwd_operator.doctor.reach import reach
from kubefwd_operator.doctor.rights import REVIEWS, RIGHTS, Right, judge_rights
from kubefwd_operator.doctor.where import NoKubeconfig, Where

_AT_ONCE = 8
"""Questions that are under way at a time."""

_MAKE_ONE = (
    "Log in to a cluster with your provider's command, or start a local one; then "
    "`kubectl config use-context NAME`."
)


async def cluster(case: Case) -> list[Finding]:
    """Ask the cluster for its version, then for the rights in each namespace."""
    async with AsyncExitStack() as stack:
        try:
            found, client = await stack.enter_async_context(reach(case))
        except (CredentialsError, TiltError) as error:
            return judge_kubeconfig(error)
        return await _ask(case, found, client)


async def _ask(case: Case, found: Where, client: ClusterClient) -> list[Finding]:
    try:
        version = str((await client.get("/version")).get("gitVersion", ""))
    except ClusterError as error:
        return judge_unreachable(found, error)
    reached = ok(f"{found.ref.context} answers ({version}; {found.source}).")
    names = case.wanted or (found.namespace,)
    return [reached, *await _rights(client, names, case.engine)]


def judge_kubeconfig(error: Exception) -> list[Finding]:
    """Say why there are no credentials to try."""
    if isinstance(error, NoKubeconfig):
        return [fail(str(error), _MAKE_ONE)]
    return [fail(*_split(error, "Look at it with: kubectl config view"))]


def judge_unreachable(found: Where, error: ClusterError) -> list[Finding]:
    """Say why it does not answer; the error's own words say what to check."""
    words = str(error).replace(" It is tried again every few seconds.", "")
    command = f"kubectl --context {found.ref.context} get --raw /version"
    if isinstance(error, CredentialsError):
        return [fail(words, f"Log in again with your provider's command, then try: {command}")]
    return [fail(words, f"Start the cluster or your VPN; this has to work: {command}")]


async def _rights(client: ClusterClient, names: Sequence[str], engine: str) -> list[Finding]:
    gate = asyncio.Semaphore(_AT_ONCE)
    each = await asyncio.gather(*(_namespace(client, name, engine, gate) for name in names))
    return [finding for findings in each for finding in findings]


async def _namespace(
    client: ClusterClient, name: str, engine: str, gate: asyncio.Semaphore
) -> list[Finding]:
    try:
        if not await _exists(client, name, gate):
            return judge_absent(name)
        answers = await asyncio.gather(*(_may(client, right, name, gate) for right in RIGHTS))
    except ClusterError as error:
        return judge_unasked(name, error)
    denied = [right for right, allowed in zip(RIGHTS, answers, strict=True) if not allowed]
    return judge_rights(name, denied, context=client.context, engine=engine)


async def _exists(client: ClusterClient, name: str, gate: asyncio.Semaphore) -> bool:
    """Say whether there is such a namespace; who may not look has to believe it."""
    try:
        async with gate:
            await client.get(f"/api/v1/namespaces/{name}")
    except NotFound:
        return False
    except Forbidden:
        return True
    return True


async def _may(client: ClusterClient, right: Right, name: str, gate: asyncio.Semaphore) -> bool:
    async with gate:
        answer = await client.create(REVIEWS, right.review(name))
    status = answer.get("status")
    return isinstance(status, dict) and bool(status.get("allowed"))


def judge_absent(name: str) -> list[Finding]:
    """Say that a namespace is not there."""
    fix = "Correct its name, or let Tilt make it: it is picked up when it appears."
    return [warn(f"There is no namespace {name}.", fix)]


def judge_unasked(name: str, error: ClusterError) -> list[Finding]:
    """Say that the cluster does not answer what is allowed."""
    why, fix = _split(error, f"Try it: kubectl auth can-i list services --namespace {name}")
    return [warn(f"What you may do in {name} cannot be asked: {why}", fix)]


def _split(error: Exception, otherwise: str) -> tuple[str, str]:
    """Cut the command, with which an error ends, from its sentence."""
    match = re.fullmatch(r"(.+?\.) ((?:Check|Compare) with: .+)", str(error))
    return (match[1], match[2]) if match else (str(error), otherwise)
