"""Exec plugins: the developer's own programs that hand out short-lived credentials.

`run` starts one (as the developer, no terminal, own session so that all of it can be killed,
60 s), `answer` judges its ExecCredential, and `ExecPlugin` decides *when* one is started:

- single flight: whoever needs a credential waits for the one run under way;
- cached until `expirationTimestamp`, else until the cluster says 401;
- a 401 to a credential that has worked before leads to one run at once; a 401 to one that never
  worked is a failure of the plugin, like an exit code, a time-out or an answer that is no answer;
- after a failure the next run waits 1, 2, 4, 5 minutes; after the fifth failure in a row there is
  no further run (`CredentialsExpired`), because an expired login must not open browser tabs all
  night. Refresh builds a fresh ExecPlugin and so starts over.

A plugin's last line on stderr is worth showing ("run: aws sso login"); whatever in it looks like a
secret (its env values, long unbroken words) is blotted out.
"""

import asyncio
import base64
import json
import os
import re
import signal
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubefwd_operator.cluster.kubeconfig import ExecSpec
from kubefwd_operator.core.errors import CredentialsError, CredentialsExpired

DELAYS = (60.0, 120.0, 240.0, 300.0)
"""Seconds to wait after the first, second, ... failure in a row; one more failure is the end."""

TIMEOUT = 60.0
"""Seconds that a plugin may take, a login in the browser included."""


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave. `expires` is a Unix time, None when only a 401 ends it."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires: float | None = None
    serial: int = 0


Runner = Callable[[ExecSpec, Mapping[str, str], float], Awaitable[bytes]]


def environment(spec: ExecSpec, base: Mapping[str, str], ca: bytes = b"") -> dict[str, str]:
    """Make the plugin's environment: the developer's, its `env` list, KUBERNETES_EXEC_INFO.

    `ca` fills certificate-authority-data in when the kubeconfig had it in a file.
    """
    info: dict[str, Any] = dict(spec.info)
    if ca and "cluster" in info and "certificate-authority-data" not in info["cluster"]:
        about = {**info["cluster"], "certificate-authority-data": base64.b64encode(ca).decode()}
        info["cluster"] = about
    document = {"apiVersion": spec.api_version, "kind": "ExecCredential", "spec": info}
    return {**base, **dict(spec.env), "KUBERNETES_EXEC_INFO": json.dumps(document)}


def answer(spec: ExecSpec, output: bytes, *, now: float) -> Credential:
    """Judge what a plugin printed. Raises CredentialsError with a sentence."""
    try:
        document = json.loads(output)
        version, status = document["apiVersion"], document["status"]
        token = status.get("token") or ""
        certificate = status.get("clientCertificateData") or ""
        key = status.get("clientKeyData") or ""
        stamp = status.get("expirationTimestamp")
        texts = isinstance(token + certificate + key, str)
        expires = None if stamp is None else _unix(stamp)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise CredentialsError(
            f"The exec plugin {spec.command} did not print an ExecCredential: run it in a "
            "terminal to see what it says."
        ) from error
    if version != spec.api_version:
        raise CredentialsError(
            f"The exec plugin {spec.command} answers in another version than the kubeconfig asks "
            f"for ({spec.api_version}): update one of them."
        )
    if not texts or not (token or certificate) or bool(certificate) != bool(key):
        raise CredentialsError(
            f"The exec plugin {spec.command} gave neither a token nor a certificate with its key: "
            "log in again with it."
        )
    if expires is not None and expires <= now:
        raise CredentialsError(
            f"The exec plugin {spec.command} gave a credential that has already expired: log in "
            "again with it, and check this machine's clock."
        )
    return Credential(token, certificate.encode(), key.encode(), expires)


def _unix(stamp: str) -> float:
    """RFC 3339, with any number of digits of a second, to a Unix time."""
    whole = re.sub(r"\.(\d+)", lambda match: "." + match[1][:6].ljust(6, "0"), stamp)
    moment = datetime.fromisoformat(whole)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def said(stderr: bytes, spec: ExecSpec) -> str:
    """Make a plugin's last line on stderr fit for a message: short, without secrets."""
    lines = [line for line in stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    text = "".join(char for char in (lines or [""])[-1] if char.isprintable()).strip()
    for _, value in spec.env:
        if len(value) >= 4:  # shorter ones are flags, not secrets
            text = text.replace(value, "***")
    text = re.sub(r"[A-Za-z0-9+/_=.-]{40,}", "***", text)
    return text[:200]


async def run(spec: ExecSpec, env: Mapping[str, str], timeout: float) -> bytes:  # noqa: ASYNC109
    """Run the plugin once and give its standard output. Raises CredentialsError."""
    try:
        process = await asyncio.create_subprocess_exec(
            spec.command, *spec.args, env=env, stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, start_new_session=True,
        )  # fmt: skip
    except OSError as error:
        hint = f" {spec.install_hint}" if spec.install_hint else ""
        raise CredentialsError(
            f"The exec plugin {spec.command} of the kubeconfig cannot be started "
            f"({error.strerror}): install it, or put it on PATH.{hint}"
        ) from error
    try:
        async with asyncio.timeout(timeout):
            output, errors = await process.communicate()
    except TimeoutError as error:
        raise CredentialsError(
            f"The exec plugin {spec.command} has not answered within {timeout:.0f} s: run it in a "
            "terminal to see what it waits for."
        ) from error
    finally:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        await process.wait()
    if process.returncode != 0:
        words = said(errors, spec)
        raise CredentialsError(
            f"The exec plugin {spec.command} ended with code {process.returncode}"
            f"{f' ({words})' if words else ''}: log in again with it."
        )
    return output


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

    async def credential(self) -> Credential:
        """Give the cached credential or a new one; raises CredentialsError, CredentialsExpired."""
        current = self._current
        if current and (current.expires is None or self._wall() < current.expires):
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
        self._current = Credential(
            fresh.token, fresh.certificate, fresh.key, fresh.expires, self._serial
        )
        return self._current

    def _fail(self, message: str) -> None:
        self._failures += 1
        self._last_error = message
        if self._failures <= len(self._delays):
            delay = self._delays[self._failures - 1]
            self._not_before = asyncio.get_running_loop().time() + delay

    def _landed(self, flight: asyncio.Task[Credential]) -> None:
        self._flight = None
        if not flight.cancelled():
            flight.exception()  # every waiter may be gone; then nobody else looks at it
