"""One run of an exec plugin: what it is told, the process, what it answers.

It runs as the developer, without a terminal and in a session of its own, so that all of it can be
killed when it takes too long. One that ends well may leave a background process behind, as under
kubectl.

A plugin's last line on stderr is worth showing ("run: aws sso login"); whatever in it looks like a
secret (its env values, long unbroken words) is blotted out.
"""

import asyncio
import base64
import json
import os
import re
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kubefwd_operator.cluster.execspec import ExecSpec
from kubefwd_operator.core.errors import CredentialsError


@dataclass(frozen=True, slots=True)
class Credential:
    """What a plugin gave. `expires` is a Unix time, None when only a 401 ends it."""

    token: str = field(default="", repr=False)
    certificate: bytes = field(default=b"", repr=False)
    key: bytes = field(default=b"", repr=False)
    expires: float | None = None
    serial: int = 0


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
    except asyncio.CancelledError:
        await kill(process)
        raise
    except TimeoutError as error:
        await kill(process)
        raise CredentialsError(
            f"The exec plugin {spec.command} has not answered within {timeout:.0f} s: run it in a "
            "terminal to see what it waits for."
        ) from error
    if process.returncode != 0:
        words = said(errors, spec)
        raise CredentialsError(
            f"The exec plugin {spec.command} ended with code {process.returncode}"
            f"{f' ({words})' if words else ''}: log in again with it."
        )
    return output


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a program that leads a session, with its children.

    Those that have left the session may hold on to its pipes.
    """
    with suppress(ProcessLookupError, PermissionError):  # gone; or nothing but zombies, on macOS
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):  # one that waits for a dead disk cannot be ended
        async with asyncio.timeout(1.0):
            await process.wait()
