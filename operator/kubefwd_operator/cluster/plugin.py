"""When an exec plugin is run: the developer's own programs that hand out short-lived credentials.

- single flight: whoever needs a credential waits for the one run under way;
- cached until `expirationTimestamp`, else until the cluster says 401;
- a 401 to a credential that has worked before leads to one run at once; a 401 to one that never
  worked is a failure of the plugin, like an exit code, a time-out or an answer that is no answer;
- after a failure the next run waits 1, 2, 4, 5 minutes; after the fifth failure in a row there is
  no further run (`CredentialsExpired`), because an expired login must not open browser tabs all
  night. Refresh builds a fresh ExecPlugin and so starts over.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace

from kubefwd_operator.cluster.execspec import ExecSpec
from kubefwd_operator.cluster.execution import Credential, answer, run
from kubefwd_operator.core.errors import CredentialsError, CredentialsExpired

DELAYS = (60.0, 120.0, 240.0, 300.0)
"""Seconds to wait after the first, second, ... failure in a row; one more failure is the end."""

TIMEOUT = 60.0
"""Seconds that a plugin may take, a login in the browser included."""

Runner = Callable[[ExecSpec, Mapping[str, str], float], Awaitable[bytes]]


class ExecPlugin:
    """Hands out the plugin's current credential and decides when the plugin runs again."""

    def __init__(
        self,
        spec: ExecSpec,
        env: Mapping[str, str],
        *,
        runner: Runner = run,
        wall: Callable[[], float] = time.time,
        delays: tuple[float, ...] = DELAYS,
        timeout: float = TIMEOUT,
    ) -> None:
        self._spec, self._env, self._runner, self._wall = spec, env, runner, wall
        self._delays, self._timeout = delays, timeout
        self._current: Credential | None = None
        self._proven = False
        self._serial = 0
        self._failures = 0
        self._not_before = 0.0
        self._last_error = ""
        self._flight: asyncio.Task[Credential] | None = None

    async def credential(self, margin: float = 0.0) -> Credential:
        """Give the cached credential, if it is good for `margin` more seconds, or a new one.

        Raises CredentialsError, CredentialsExpired.
        """
        current = self._current
        if current and (current.expires is None or self._wall() < current.expires - margin):
            return current
        if self._flight is None:
            self._check_allowed()
            self._flight = asyncio.create_task(self._refresh(), name="exec plugin")
            self._flight.add_done_callback(self._landed)
        return await asyncio.shield(self._flight)

    def accept(self, credential: Credential) -> None:
        """Note that the cluster took this credential: failures in a row are over."""
        if credential is self._current and not self._proven:
            self._proven = True
            self._failures = 0
            self._last_error = ""

    def reject(self, credential: Credential) -> None:
        """Note that the cluster said 401 to this credential: it is not handed out again."""
        if credential is not self._current:
            return
        self._current = None
        if not self._proven:
            self._fail(
                f"The cluster refused the fresh credential of the exec plugin "
                f"{self._spec.command} (401): log in again with it."
            )

    async def close(self) -> None:
        """Stop a run under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.wait([self._flight])

    def _check_allowed(self) -> None:
        if self._failures > len(self._delays):
            raise CredentialsExpired(
                f"{self._last_error} It has failed {self._failures} times and is not run again "
                "until you click Refresh."
            )
        wait = self._not_before - asyncio.get_running_loop().time()
        if self._failures and wait > 0:
            raise CredentialsError(
                f"{self._last_error} It is tried again within "
                f"{self._delays[self._failures - 1] / 60:.0f} min, or when you click Refresh."
            )

    async def _refresh(self) -> Credential:
        try:
            output = await self._runner(self._spec, self._env, self._timeout)
            fresh = answer(self._spec, output, now=self._wall())
        except CredentialsError as error:
            self._fail(str(error))
            raise
        self._serial += 1
        self._proven = False
        self._current = replace(fresh, serial=self._serial)
        return self._current

    def _fail(self, message: str) -> None:
        self._failures += 1
        self._last_error = message
        if self._failures <= len(self._delays):
            delay = self._delays[self._failures - 1]
            self._not_before = asyncio.get_running_loop().time() + delay

    def _landed(self, _: asyncio.Task[Credential]) -> None:
        self._flight = None
