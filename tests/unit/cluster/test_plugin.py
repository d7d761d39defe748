"""Exec plugins: answers as a table, real runs, and when a plugin is run (on looptime's clock)."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.lab.proc import alive, wait_for

from kubefwd_operator.cluster.execspec import ExecSpec
from kubefwd_operator.cluster.execution import Credential, answer, environment, run, said
from kubefwd_operator.cluster.plugin import ExecPlugin
from kubefwd_operator.core.errors import CredentialsError, CredentialsExpired

V1 = "client.authentication.k8s.io/v1"
SPEC = ExecSpec("aws", V1)


def printed(status: object, version: str = V1) -> bytes:
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status}).encode()


# --- answers -----------------------------------------------------------------------------------

ANSWERS = {
    "token": ({"token": "t"}, Credential("t")),
    "certificate": (
        {"clientCertificateData": "C", "clientKeyData": "K"},
        Credential("", b"C", b"K"),
    ),
    "both": (
        {"token": "t", "clientCertificateData": "C", "clientKeyData": "K"},
        Credential("t", b"C", b"K"),
    ),
    "expiry": (
        {"token": "t", "expirationTimestamp": "1970-01-01T01:00:00Z"},
        Credential("t", expires=3600.0),
    ),
    "expiry with an offset": (
        {"token": "t", "expirationTimestamp": "1970-01-01T02:00:00+01:00"},
        Credential("t", expires=3600.0),
    ),
    "expiry with nanoseconds": (
        {"token": "t", "expirationTimestamp": "1970-01-01T01:00:00.500000001Z"},
        Credential("t", expires=3600.5),
    ),
    "expiry with tenths": (
        {"token": "t", "expirationTimestamp": "1970-01-01T01:00:00.5Z"},
        Credential("t", expires=3600.5),
    ),
    "expiry null": ({"token": "t", "expirationTimestamp": None}, Credential("t")),
}


@pytest.mark.parametrize("status, expected", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_read(status: object, expected: Credential) -> None:
    assert answer(SPEC, printed(status), now=1000.0) == expected


WRONG = {
    "nothing": (b"", "did not print an ExecCredential"),
    "not JSON": (b"Please log in", "did not print an ExecCredential"),
    "a list": (b"[]", "did not print an ExecCredential"),
    "no status": (b'{"apiVersion": "x"}', "did not print an ExecCredential"),
    "status null": (printed(None), "did not print an ExecCredential"),
    "expiry is no date": (
        printed({"token": "t", "expirationTimestamp": "soon"}),
        "did not print an ExecCredential",
    ),
    "another version": (printed({"token": "t"}, "v1"), "another version"),
    "empty": (printed({}), "neither a token nor a certificate"),
    "certificate without key": (
        printed({"clientCertificateData": "C"}),
        "neither a token nor a certificate",
    ),
    "key without certificate": (
        printed({"token": "t", "clientKeyData": "K"}),
        "neither a token nor a certificate",
    ),
    "token is a number": (printed({"token": 5}), "did not print an ExecCredential"),
    "already expired": (
        printed({"token": "t", "expirationTimestamp": "1970-01-01T00:00:01Z"}),
        "already expired",
    ),
}


@pytest.mark.parametrize("output, words", WRONG.values(), ids=WRONG)
def test_a_wrong_answer_gets_a_sentence(output: bytes, words: str) -> None:
    with pytest.raises(CredentialsError, match=words) as caught:
        answer(SPEC, output, now=1000.0)
    assert "aws" in str(caught.value)


def test_a_credential_has_no_secret_in_its_repr() -> None:
    assert "hush" not in repr(Credential("hush", b"hush", b"hush", 5.0))


# --- what it is told, and what it said ------------------------------------------------------------


def test_the_environment_is_the_developers_plus_the_kubeconfigs() -> None:
    spec = ExecSpec("aws", V1, env=(("PROFILE", "dev"),), info={"interactive": False})
    env = environment(spec, {"HOME": "/home/dev", "PROFILE": "prod"})
    assert (env["HOME"], env["PROFILE"]) == ("/home/dev", "dev")
    assert json.loads(env["KUBERNETES_EXEC_INFO"]) == {
        "apiVersion": V1,
        "kind": "ExecCredential",
        "spec": {"interactive": False},
    }


@pytest.mark.parametrize(
    "cluster, expected",
    [
        ({"server": "s"}, "Q0E="),
        ({"server": "s", "certificate-authority-data": "x"}, "x"),
        (None, None),
    ],
    ids=["a CA file is filled in", "inline stays", "not when the cluster was not asked for"],
)
def test_a_ca_file_becomes_data(cluster: Mapping[str, str] | None, expected: str | None) -> None:
    info: dict[str, Any] = {"interactive": False} | ({"cluster": cluster} if cluster else {})
    told = json.loads(
        environment(ExecSpec("aws", V1, info=info), {}, b"CA")["KUBERNETES_EXEC_INFO"]
    )
    assert told["spec"].get("cluster", {}).get("certificate-authority-data") == expected


SAID = {
    "last line": (b"Traceback\nrun: aws sso login\n\n", "run: aws sso login"),
    "nothing": (b"", ""),
    "an env value is blotted out": (b"bad key hunter22", "bad key ***"),
    "a long word is blotted out": (b"token " + b"eyJh" * 20 + b" refused", "token *** refused"),
    "colours go": (b"\x1b[31mno\x1b[0m", "[31mno[0m"),
    "short": (b"no " * 200, ("no " * 200)[:200]),
    "not UTF-8": (b"caf\xe9", "caf\ufffd"),
}


@pytest.mark.parametrize("stderr, expected", SAID.values(), ids=SAID)
def test_the_last_words_of_a_plugin(stderr: bytes, expected: str) -> None:
    spec = ExecSpec("aws", V1, env=(("KEY", "hunter22"), ("FLAG", "no")))
    assert said(stderr, spec) == expected


# --- real runs ---------------------------------------------------------------------------------


def script(text: str) -> ExecSpec:
    return ExecSpec(sys.executable, V1, args=("-c", text), install_hint="brew install it")


async def test_a_plugin_gets_its_environment_and_no_terminal() -> None:
    output = await run(
        script(
            "import os, sys; print(os.environ['A'], sys.stdin.read(), os.getsid(0)==os.getpid())"
        ),
        {"A": "b"},
        10,
    )
    assert output == b"b  True\n"


async def test_a_failing_plugin_is_quoted() -> None:
    with pytest.raises(CredentialsError, match=r"ended with code 3 \(log in first\)"):
        await run(script("import sys; print('log in first', file=sys.stderr); sys.exit(3)"), {}, 10)


async def test_a_missing_plugin_is_named_with_its_hint() -> None:
    spec = ExecSpec("no-such-plugin", V1, install_hint="brew install it")
    with pytest.raises(
        CredentialsError, match=r"no-such-plugin .* cannot be started.*brew install"
    ):
        await run(spec, {}, 10)


async def test_a_hanging_plugin_is_killed_with_its_children(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    text = (
        "import subprocess, sys, time\n"
        "p = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        f"open({str(child)!r}, 'w').write(str(p.pid))\n"
        "time.sleep(60)"
    )
    async with asyncio.timeout(10):
        with pytest.raises(CredentialsError, match="has not answered within 1 s"):
            await run(script(text), {}, 1.0)
    wait_for(lambda: not alive(int(child.read_text())), "the child is gone", within=5)


async def test_a_child_that_left_the_session_cannot_hold_it_up(tmp_path: Path) -> None:
    child = tmp_path / "pid"
    script_file = tmp_path / "plugin"
    script_file.write_text(f"#!/bin/sh\nsetsid sleep 60 &\necho $! > {child}\nsleep 60\n")
    script_file.chmod(0o755)
    async with asyncio.timeout(10):
        with pytest.raises(CredentialsError, match="has not answered"):
            await run(ExecSpec(str(script_file), V1), {"PATH": "/usr/bin:/bin"}, 0.3)
    os.kill(int(child.read_text()), signal.SIGKILL)
    wait_for(lambda: not alive(int(child.read_text())), "the child is gone", within=5)
    await asyncio.sleep(0.05)  # its pipes are closed by the loop


async def test_what_a_plugin_leaves_behind_lives_on(tmp_path: Path) -> None:
    """A token agent that it starts, say; kubectl does not end that either."""
    child = tmp_path / "pid"
    text = (
        "import subprocess, sys\n"
        "no = subprocess.DEVNULL\n"
        "p = subprocess.Popen(['sleep', '60'], stdin=no, stdout=no, stderr=no)\n"
        f"open({str(child)!r}, 'w').write(str(p.pid))\n"
        "print('done')"
    )
    assert await run(script(text), {"PATH": "/usr/bin:/bin"}, 10) == b"done\n"
    assert alive(int(child.read_text()))
    os.kill(int(child.read_text()), signal.SIGKILL)


# --- when it is run ------------------------------------------------------------------------------


class Runs:
    """Stands in for `run`: takes a second, then does what it is told."""

    def __init__(self) -> None:
        self.count = 0
        self.status: dict[str, Any] = {"token": "t"}
        self.error = ""

    async def __call__(self, spec: ExecSpec, env: Mapping[str, str], timeout: float) -> bytes:  # noqa: ASYNC109
        self.count += 1
        await asyncio.sleep(1)
        if self.error:
            raise CredentialsError(self.error)
        return printed(self.status)


def plugin(runs: Runs) -> ExecPlugin:
    return ExecPlugin(SPEC, {}, runner=runs, wall=lambda: asyncio.get_running_loop().time())


async def attempts(subject: ExecPlugin, until: float, step: float = 0.5) -> type[Exception] | None:
    """Ask every `step` seconds until a time; gives the kind of the last error."""
    last: type[Exception] | None = None
    while asyncio.get_running_loop().time() < until:
        try:
            await subject.credential()
            last = None
        except CredentialsError as error:
            last = type(error)
        await asyncio.sleep(step)
    return last


looptimed = [pytest.mark.looptime(start=0), pytest.mark.asyncio]


class TestSchedule:
    pytestmark = looptimed

    async def test_one_run_serves_everybody_who_waits(self) -> None:
        runs = Runs()
        subject = plugin(runs)
        found = await asyncio.gather(*(subject.credential() for _ in range(10)))
        assert runs.count == 1
        assert {id(each) for each in found} == {id(found[0])}

    async def test_one_that_gives_up_waiting_disturbs_nobody(self) -> None:
        runs = Runs()
        subject = plugin(runs)
        first = asyncio.create_task(subject.credential())
        second = asyncio.create_task(subject.credential())
        await asyncio.sleep(0.5)
        first.cancel()
        assert (await second).token == "t"
        assert runs.count == 1

    async def test_a_credential_is_kept_until_it_expires(self) -> None:
        runs = Runs()
        runs.status = {"token": "t", "expirationTimestamp": "1970-01-01T00:10:00Z"}
        subject = plugin(runs)
        await attempts(subject, 599)
        assert runs.count == 1
        runs.status = {"token": "u"}
        await asyncio.sleep(2)
        assert (await subject.credential()).token == "u"
        await attempts(subject, 100_000, 100)
        assert runs.count == 2

    async def test_a_margin_asks_for_a_fresh_one_before_the_end(self) -> None:
        runs = Runs()
        runs.status = {"token": "t", "expirationTimestamp": "1970-01-01T00:10:00Z"}
        subject = plugin(runs)
        await attempts(subject, 500)
        assert (await subject.credential(90)).token == "t"
        await asyncio.sleep(20)
        runs.status = {"token": "u", "expirationTimestamp": "1970-01-01T00:20:00Z"}
        assert (await subject.credential()).token == "t"
        assert (await subject.credential(90)).token == "u"
        assert (await subject.credential(90)).token == "u"
        assert runs.count == 2

    async def test_a_401_to_a_proven_credential_leads_to_one_run_at_once(self) -> None:
        runs = Runs()
        subject = plugin(runs)
        first = await subject.credential()
        subject.accept(first)
        subject.reject(first)
        subject.reject(first)  # a second request that was under way
        second = await subject.credential()
        assert second is not first
        assert (runs.count, asyncio.get_running_loop().time()) == (2, 2.0)

    async def test_failures_wait_1_2_4_5_minutes_then_it_is_over(self) -> None:
        runs = Runs()
        runs.error = "The exec plugin aws failed."
        subject = plugin(runs)
        counts = []
        for until in (59, 62, 180, 185, 420, 426, 720, 731, 100_000):
            kind = await attempts(subject, until, 0.5 if until < 1000 else 100)
            counts.append((until, runs.count))
        assert counts == [
            (59, 1), (62, 2), (180, 2), (185, 3), (420, 3), (426, 4), (720, 4), (731, 5),
            (100_000, 5),
        ]  # fmt: skip
        assert kind is CredentialsExpired

    async def test_the_sentences_say_when_it_is_tried_again(self) -> None:
        runs = Runs()
        runs.error = "The exec plugin aws failed."
        subject = plugin(runs)
        await attempts(subject, 10)
        with pytest.raises(CredentialsError, match=r"aws failed\. It is tried again within 1 min"):
            await subject.credential()
        await attempts(subject, 1000)
        with pytest.raises(CredentialsExpired, match=r"failed 5 times .* until you click Refresh"):
            await subject.credential()

    async def test_it_works_again_after_a_failure(self) -> None:
        runs = Runs()
        runs.error = "The exec plugin aws failed."
        subject = plugin(runs)
        await attempts(subject, 130)  # two failures
        runs.error = ""
        await attempts(subject, 200)
        subject.accept(await subject.credential())
        runs.error = "The exec plugin aws failed."
        subject.reject(await subject.credential())
        before = runs.count
        await attempts(subject, 263)  # the first delay again, not the third
        assert runs.count - before == 2

    async def test_a_401_to_a_fresh_credential_counts_as_a_failure(self) -> None:
        runs = Runs()
        subject = plugin(runs)

        async def refused_for_ever(until: float, step: float = 0.5) -> None:
            while asyncio.get_running_loop().time() < until:
                try:
                    subject.reject(await subject.credential())
                except CredentialsError as error:
                    assert "aws (401)" in str(error)  # noqa: PT017
                await asyncio.sleep(step)

        await refused_for_ever(50)
        assert runs.count == 1
        await refused_for_ever(100_000, 100)
        assert runs.count == 5

    async def test_close_ends_a_run_under_way(self) -> None:
        runs = Runs()
        subject = plugin(runs)
        waiting = asyncio.create_task(subject.credential())
        await asyncio.sleep(0.5)
        await subject.close()
        assert asyncio.get_running_loop().time() == 0.5
        with pytest.raises(asyncio.CancelledError):
            await waiting

    async def test_a_failure_that_nobody_waits_for_is_no_warning(self) -> None:
        runs = Runs()
        runs.error = "no"
        subject = plugin(runs)
        waiting = asyncio.create_task(subject.credential())
        await asyncio.sleep(0.5)
        waiting.cancel()
        await asyncio.sleep(2)
        assert runs.count == 1
