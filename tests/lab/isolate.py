"""Runs a module of tests in a namespace of its own, and relays its reports.

The parent, an ordinary pytest (or a worker of pytest-xdist), collects as always. When it comes to
the first test of an isolated module, it starts a child pytest for that module's tests inside
`unshare`, and hands on the child's serialised reports as its own, so the closing line counts the
real tests. A child that hangs or dies is ended, and each test that it owes is a failure.

Root is needed, or a sudo that asks for no password; otherwise these tests are skipped, loudly.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import pytest
from tests.lab import inside, tools
from tests.lab.bootstrapped import prepare
from tests.lab.proc import dying_with_parent

CHECKOUT = Path(__file__).parents[2]
REPORTS = "KUBEFWD_LAB_REPORTS"  # the file that the child writes its reports to
GRACE = 60.0  # seconds beyond a test's own time-out, for starting and for tearing down
POLL = 0.02  # seconds


# --- starting something in a namespace -------------------------------------------------------


@lru_cache
def unavailable() -> str:
    """Return "" if namespaces can be made here, otherwise the sentence that says why not."""
    if not sys.platform.startswith("linux") or not shutil.which("unshare"):
        return "isolated tests need Linux and util-linux's unshare"
    words = [*as_root(), "unshare", "--mount", "--net", "--pid", "--fork", "true"]
    if subprocess.run(words, capture_output=True, check=False).returncode:
        return "isolated tests need root, or sudo without a password (run `sudo -v` before)"
    return ""


def as_root() -> list[str]:
    """Return what to put before a command that root must run."""
    return [] if os.geteuid() == 0 else ["sudo", "-n", "--"]


def reachable() -> list[str]:
    """Return the folders that `dev` must be able to enter."""
    wanted = [CHECKOUT, Path(sys.prefix), Path(sys.base_prefix), tools.cache_root()]
    wanted.append(Path(os.environ.get("PLAYWRIGHT_BROWSERS_PATH", "~/.cache/ms-playwright")))
    if kubefwd := shutil.which("kubefwd"):
        wanted.append(Path(kubefwd).parent)
    found = {path.expanduser().resolve() for path in wanted if path.expanduser().exists()}
    outermost = [path for path in found if not any(up in found for up in path.parents)]
    return [str(path) for path in sorted(outermost)]


@contextmanager
def namespace(
    command: Sequence[str],
    *,
    log: Path | None,
    env: dict[str, str] | None = None,
    folder: Path = CHECKOUT,
    **more: Any,
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command in a namespace (`more` as in inside.Place); kill all of it at the end.

    Its output goes to `log`, or (None) where ours goes.
    """
    with tempfile.TemporaryDirectory(prefix="kubefwd-lab-") as scratch:
        hold = Path(scratch) / "hold"
        hold.mkdir()
        environment = {**os.environ, **(env or {}), inside.MARK: "1"}
        place = inside.Place(command, environment, str(folder), str(hold), reachable(), **more)
        file = place.write(Path(scratch) / "place.json")
        kinds = ["--mount", "--uts", "--pid", *([] if place.network else ["--net"])]
        unshare = ["unshare", *kinds, "--fork", "--kill-child", "--mount-proc"]
        python = [sys.executable, "-m", "tests.lab.inside", str(file)]
        words = dying_with_parent([*as_root(), *unshare, *python])
        output = log.open("ab") if log else None
        process = subprocess.Popen(
            words,
            cwd=CHECKOUT,
            stdin=subprocess.DEVNULL if log else None,
            stdout=output,
            stderr=subprocess.STDOUT if log else None,
            start_new_session=log is not None,
        )
        try:
            yield process
        finally:
            end(process)
            if output:
                output.close()


def end(process: subprocess.Popen[bytes]) -> None:
    """Kill unshare, and with it (`--kill-child`) everything in its namespace."""
    if process.poll() is None:
        if as_root():
            subprocess.run([*as_root(), "kill", "-KILL", str(process.pid)], check=False)
        else:
            process.kill()
    process.wait(30)


# --- the child's side ------------------------------------------------------------------------


class ChildReports:
    """Writes every report of this (child) pytest to the file that the parent reads."""

    def __init__(self, config: pytest.Config, file: Path) -> None:
        self._config, self._file = config, file

    def _write(self, message: dict[str, Any]) -> None:
        with self._file.open("a") as file:
            file.write(json.dumps(message) + "\n")

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = self._config.hook.pytest_report_to_serializable(config=self._config, report=report)
        self._write({"test": report.nodeid, "report": data})

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self._write({"test": nodeid, "finished": True})


# --- the parent's side -----------------------------------------------------------------------


@dataclass(slots=True)
class Module:
    """A child pytest for the tests of one module."""

    process: subprocess.Popen[bytes]
    reports: Path
    log: Path
    close: Any
    read: int = 0  # bytes of `reports` that were read
    waiting: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    finished: set[str] = field(default_factory=set)

    def poll(self) -> bool:
        """Read what came; say whether there was anything."""
        with self.reports.open("rb") as file:
            file.seek(self.read)
            lines = file.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self.read += len(whole)
        for line in whole.splitlines():
            message = json.loads(line)
            if "report" in message:
                self.waiting.setdefault(message["test"], []).append(message["report"])
            else:
                self.finished.add(message["test"])
        return bool(whole)

    def why_nothing(self) -> str:
        """Return what to say of a test that has no report."""
        tail = "\n".join(self.log.read_text(errors="replace").splitlines()[-60:])
        code = self.process.poll()
        what = "hung and was ended" if code is None else f"ended with {code}"
        return f"The isolated pytest of this module {what}.\n--- {self.log} ---\n{tail}"


class IsolatedModules:
    """Takes the tests of isolated modules out of the parent's hands."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._modules: dict[Path, Module] = {}
        self._broken: dict[Path, str] = {}  # why no child could be started
        self._limits: dict[str, float] = {}  # seconds, by test
        self._session: pytest.Session

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self._session = session

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        for item in items:
            if item.get_closest_marker("isolated") and unavailable():
                item.add_marker(pytest.mark.skip(reason=unavailable()))
            elif item.get_closest_marker("isolated"):
                # The child keeps the time of each test; the parent has a deadline of its own.
                self._limits[item.nodeid] = self._timeout(item)
                item.add_marker(pytest.mark.timeout(0), append=False)

    def _timeout(self, item: pytest.Item) -> float:
        marker = item.get_closest_marker("timeout")
        given = self._config.getoption("timeout", None)
        if marker and (marker.args or "timeout" in marker.kwargs):
            given = marker.args[0] if marker.args else marker.kwargs["timeout"]
        return float(given or self._config.getini("timeout") or 600) + GRACE

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> bool | None:
        if not item.get_closest_marker("isolated") or unavailable():
            return None
        item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
        for report in self._reports(item):
            item.ihook.pytest_runtest_logreport(report=report)
        item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
        # What an ordinary test before this one has left standing for it is not for the next one.
        item.session._setupstate.teardown_exact(nextitem)
        return True

    def _reports(self, item: pytest.Item) -> list[pytest.TestReport]:
        try:
            if item.path not in self._broken:
                module = self._modules.get(item.path) or self._begin(item)
        except (tools.ToolError, OSError) as error:
            self._broken[item.path] = f"The lab cannot be started: {error}"
        if item.path in self._broken:
            return [_failure(item, self._broken[item.path])]
        deadline = time.monotonic() + self._limits[item.nodeid]
        while item.nodeid not in module.finished:
            ended = module.process.poll() is not None
            if not module.poll() and (ended or time.monotonic() > deadline):
                failure = _failure(item, module.why_nothing())
                end(module.process)
                return [*self._read(module, item), failure]
            time.sleep(POLL)
        found = self._read(module, item)
        if not any(other.path == item.path for other in self._after(item)):
            self._finish(module)
        return found

    def _read(self, module: Module, item: pytest.Item) -> list[pytest.TestReport]:
        read = self._config.hook.pytest_report_from_serializable
        data = module.waiting.pop(item.nodeid, [])
        reports = [read(config=self._config, data=each) for each in data]
        for report in reports:
            if isinstance(report.longrepr, list):  # a skip's place, which JSON makes a list of
                report.longrepr = tuple(report.longrepr)
        return reports

    def _after(self, item: pytest.Item) -> list[pytest.Item]:
        items = self._session.items
        return items[items.index(item) + 1 :]

    def _finish(self, module: Module) -> None:
        """Let the child tear down what it holds, and end."""
        ends = time.monotonic() + GRACE
        while module.process.poll() is None and time.monotonic() < ends:
            time.sleep(POLL)
        module.close()

    def _begin(self, item: pytest.Item) -> Module:
        """Start the child for the module of this test."""
        items = [other for other in self._session.items if other.path == item.path]
        prepared = self._prepare(item)
        number = f"{len(self._modules)}-{item.path.stem}"
        factory: pytest.TempPathFactory = self._config._tmp_path_factory  # type: ignore[attr-defined]  # public only as a fixture
        folder = factory.mktemp(f"isolated-{number}")
        reports, log = folder / "reports.jsonl", folder / "pytest.log"
        reports.touch()
        command = self._command(folder / "tmp", [each.nodeid for each in items])
        quiet = self._config.getoption("capture") != "no"
        env = {REPORTS: str(reports), "PYTHONDONTWRITEBYTECODE": "1"}
        context = namespace(
            command,
            log=log if quiet else None,
            env=env,
            folder=self._config.rootpath,
            prepared=prepared,
        )
        log.touch()
        process = context.__enter__()
        module = Module(process, reports, log, lambda: context.__exit__(None, None, None))
        self._modules[item.path] = module
        return module

    def _prepare(self, item: pytest.Item) -> str:
        """Build outside, where there is a network, what the child needs."""
        capture = self._config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            tools.ensure()
            if item.get_closest_marker("browser"):
                tools.ensure(tools.WEB)
            if item.get_closest_marker("e2e"):
                return str(prepare())
        return ""

    def _command(self, basetemp: Path, tests: Sequence[str]) -> list[str]:
        options = self._config.option
        words = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:xdist"]
        words += ["--rootdir", str(self._config.rootpath), "--basetemp", str(basetemp)]
        words += [f"--tb={options.tbstyle}", *["-v"] * max(0, options.verbose)]
        words += [f"-o{each}" for each in options.override_ini or ()]
        words += [f"-W{each}" for each in options.pythonwarnings or ()]
        if self._config.getoption("timeout", None) is not None:
            words.append(f"--timeout={self._config.getoption('timeout')}")
        if options.maxfail:
            words.append(f"--maxfail={options.maxfail}")
        return [*words, *(["-s"] if options.capture == "no" else []), *tests]

    def pytest_sessionfinish(self) -> None:
        for module in self._modules.values():
            module.close()


def _failure(item: pytest.Item, why: str) -> pytest.TestReport:
    return pytest.TestReport(item.nodeid, item.location, {item.name: 1}, "failed", why, "call")


def register(config: pytest.Config) -> None:
    """Be the child when this pytest is one, otherwise the parent."""
    if REPORTS in os.environ:
        plugin: object = ChildReports(config, Path(os.environ[REPORTS]))
    else:
        plugin = IsolatedModules(config)
    config.pluginmanager.register(plugin, "kubefwd-lab-isolation")
