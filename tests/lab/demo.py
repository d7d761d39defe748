"""The main job, for people: `python -m tests.lab.demo [--once]`, or `make demo`.

A cluster, a real `tilt up` with the real extension, one password prompt (answered by a real
askpass), then the table of names that answer and the address of Tilt's page, until Ctrl-C.
`--once` ends after the table: 0 if every name answers, otherwise 1.

It runs in a namespace that has its own /etc but the machine's network: the page opens in your own
browser, and so do the addresses of the table; the names are known inside only, and your /etc/hosts
stays as it is. Without root (or sudo) it runs on the machine itself, as the product does.
"""

import argparse
import contextlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import yaml
from tests.lab import inside, isolate, tools
from tests.lab.api import ApiError
from tests.lab.bootstrapped import prepare
from tests.lab.cluster import Cluster
from tests.lab.eventual import eventually
from tests.lab.fixtures import Lab
from tests.lab.forwarding import HOSTS, address, forms
from tests.lab.proc import ServerError, listening
from tests.lab.tilt import Tilt
from tests.lab.user import developer, isolated

SHOP = Path(__file__).parent / "shop"
PAGE_PORT = 10350
ANSWER_WITHIN = 120.0  # seconds from `tilt up`
CLEAN_WITHIN = 10.0  # seconds from Tilt's end


def say(line: str = "") -> None:
    """Print one line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


@dataclass(frozen=True, slots=True)
class Name:
    """A name that must answer, and by whom."""

    name: str
    port: int
    namespace: str
    service: str

    def answer(self) -> str:
        """Return the pod that answers, "" for none or one of another service."""
        for ask in (self._http, self._banner):
            with contextlib.suppress(httpx.HTTPError, OSError, ValueError, KeyError):
                return ask()
        return ""

    def _http(self) -> str:
        port = "" if self.port == 80 else f":{self.port}"
        said = httpx.get(f"http://{self.name}{port}/", trust_env=False, timeout=5).json()
        right = (said["namespace"], said["service"]) == (self.namespace, self.service)
        return str(said["pod"]) if right else ""

    def _banner(self) -> str:
        with socket.create_connection((self.name, self.port), timeout=5) as connection:
            said = connection.recv(200).decode().strip()
        where, pod = said.removeprefix("hello from ").split("/")
        return pod if where == self.namespace and pod.startswith(self.service) else ""


def names() -> Iterator[Name]:
    """Yield every name of every service of the demo's project; no bare name is there twice."""
    for file in sorted(SHOP.glob("*.yaml")):
        for each in yaml.safe_load_all(file.read_text()):
            if each["kind"] == "Service":
                service, namespace = each["metadata"]["name"], each["metadata"]["namespace"]
                port = each["spec"]["ports"][0]["port"]
                for name in forms(service, namespace):
                    yield Name(name, port, namespace, service)


def wait_for_answers(tilt: Tilt) -> dict[Name, str]:
    """Ask every name until all answer or time is up; say how far it is. Return the answers."""
    found: dict[Name, str] = {}
    wanted, began, told = list(names()), time.monotonic(), ""
    while time.monotonic() - began < ANSWER_WITHIN and len(found) < len(wanted):
        for name in wanted:
            if name not in found and address(name.name) and (answer := name.answer()):
                found[name] = answer
        state = f"{len(found)} of {len(wanted)} names answer; {_state(tilt)}"
        if state != told:
            say(f"demo: {time.monotonic() - began:5.1f} s  {state}")
            told = state
        time.sleep(0.2)
    return found


def _state(tilt: Tilt) -> str:
    """Return the operator's own words."""
    try:
        return str(tilt.get("configmaps", "kubefwd:status")["data"].get("message", ""))
    except (ApiError, KeyError):
        return "the operator is starting"


def table(found: dict[Name, str]) -> str:
    """Return the table of names."""
    rows = [("NAME", "PORT", "ADDRESS", "ANSWERED BY")]
    rows += [
        (name.name, str(name.port), address(name.name) or "-", found.get(name, "NOTHING"))
        for name in names()
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )


def _page_port() -> int | None:
    return None if listening(PAGE_PORT) else PAGE_PORT


def show(lab: Lab, cluster: Cluster, *, once: bool) -> bool:
    """Run the main job and print what came of it; return whether every name answers."""
    tilt = lab.tilt(SHOP, cluster=cluster, name="shop", port=_page_port())
    tilt.add("\n# The two lines of the extension.\n" + lab.extension())
    before = HOSTS.read_bytes()
    say(f"demo: tilt up, as {lab.dev.name}, in {tilt.folder}")
    tilt.start()
    say(f"demo: Tilt's page is at {tilt.url}")
    found = wait_for_answers(tilt)
    fine = len(found) == len(list(names()))
    say(f"\n{table(found)}\n")
    say(f"Password prompts: {lab.dev.prompts}" if isolated() else "")
    if not fine:
        say(f"Not every name answers. The end of {tilt.log}:\n{tilt.output[-4000:]}")
    elif not once:
        _stay(tilt)
    tilt.stop()
    return _is_clean(before) and fine


def _is_clean(before: bytes) -> bool:
    began = time.monotonic()
    try:
        eventually(lambda: HOSTS.read_bytes() == before, CLEAN_WITHIN)
    except AssertionError:
        say("demo: stopped, but /etc/hosts is not as it was")
        return False
    say(f"demo: stopped; /etc/hosts is as it was, after {time.monotonic() - began:.1f} s")
    return True


def _stay(tilt: Tilt) -> None:
    where = " (addresses work everywhere, names inside the demo only)" if isolated() else ""
    say(f"Tilt's page:  {tilt.url}{where}\nCtrl-C ends the demo.")
    with contextlib.suppress(KeyboardInterrupt):
        tilt.exited(within=float("inf"))


def run(*, once: bool) -> int:
    """Run the demo where we are; return the exit code."""
    # In a namespace that folder is the namespace's own, and gone with it, whatever happens.
    above = inside.SCRATCH if isolated() else None
    with tempfile.TemporaryDirectory(prefix="kubefwd-demo-", dir=above) as folder:
        lab = Lab(Path(folder), developer())
        try:
            began = time.monotonic()
            say("demo: starting a Kubernetes cluster")
            cluster = lab.cluster()
            say(f"demo: the cluster is ready after {time.monotonic() - began:.1f} s")
            return 0 if show(lab, cluster, once=once) else 1
        except KeyboardInterrupt:
            say("demo: interrupted")
            return 1
        except ServerError as error:
            say(f"demo: {error}")
            return 1
        finally:
            lab.close()


def run_isolated(*, once: bool) -> int:
    """Run the demo in a namespace with the machine's network; return its exit code."""
    command = [sys.executable, "-m", "tests.lab.demo", *(["--once"] if once else [])]
    with isolate.namespace(command, log=None, network=True, prepared=str(prepare())) as process:
        while process.poll() is None:
            # Ctrl-C reaches both of us; the demo inside cleans up, then ends.
            with contextlib.suppress(KeyboardInterrupt):
                process.wait()
    return process.returncode


def may_isolate() -> bool:
    """Say whether a namespace can be made; asks for the sudo password if that is what it takes."""
    if isolate.unavailable() and sys.platform.startswith("linux") and sys.stdin.isatty():
        say("demo: your password makes a namespace, in which all of this runs")
        subprocess.run(["sudo", "-v"], check=False)
        isolate.unavailable.cache_clear()
    return not isolate.unavailable()


def main() -> int:
    """Read argv and run it."""
    parser = argparse.ArgumentParser(prog="python -m tests.lab.demo", description=__doc__)
    parser.add_argument("--once", action="store_true", help="end after the table of names")
    once = parser.parse_args().once
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that everything is stopped
    if isolated():
        return run(once=once)
    try:
        tools.ensure()
        if not once:
            tools.ensure(tools.WEB)
        if may_isolate():
            return run_isolated(once=once)
    except tools.ToolError as error:
        say(f"demo: {error}")
        return 1
    say(f"demo: {isolate.unavailable()}: it uses this machine's own /etc/hosts and sudo")
    return run(once=once)


if __name__ == "__main__":
    sys.exit(main())
