"""The cluster that a check asks, opened and closed again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from kubefwd_operator.cluster import credentials
from kubefwd_operator.cluster.client import ClusterClient
from kubefwd_operator.doctor.finding import Case
from kubefwd_operator.doctor.where import Where, where


@asynccontextmanager
async def reach(case: Case) -> AsyncIterator[tuple[Where, ClusterClient]]:
    """Find the cluster and make a client for it. Raises CredentialsError, TiltError."""
    found = await asyncio.to_thread(where, case)
    client = ClusterClient(await asyncio.to_thread(credentials.load, found.ref, case.environ))
    try:
        yield found, client
    finally:
        await client.close()
