"""The relay of an isolated module's reports: nothing a child does may look like success.

Each test runs a whole pytest, as a user would, on a small module in a folder of its own.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.lab import inside, isolate

CHECKOUT = Path(__file__).parents[3]
CONFTEST = """
from tests.lab import isolate
isolate.GRACE = 3.0

def pytest_configure(config):
    config.addinivalue_line("markers", "isolated: in a namespace of its own")
    isolate.register(config)
"""
HEAD = "import os, signal, time, pytest\npytestmark = pytest.mark.isolated\n"

LIMIT = 240.0  # seconds; some, on a machine with nothing else to do
pytestmark = [
    pytest.mark.skipif(bool(isolate.unavailable()), reason=isolate.unavailable()),
    pytest.mark.timeout(LIMIT + 60),
]


def run(folder: Path, body: str, *arguments: str) -> tuple[dict[str, int], str]:
    """Run pytest on a module; return the counts of its closing line, and its output."""
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "pytest.ini").write_text("[pytest]\ntimeout = 20\n")
    (folder / "test_it.py").write_text(HEAD + body)
    left_out = (inside.MARK, isolate.REPORTS, "PYTEST_ADDOPTS")
    env = {name: value for name, value in os.environ.items() if name not in left_out}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments, str(folder)],
        cwd=folder,
        env={**env, "PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    counted = re.findall(r"(\d+) (passed|failed|skipped|xfailed|error)", ran.stdout)
    return {what: int(number) for number, what in counted}, ran.stdout + ran.stderr


def test_outcomes_are_counted_one_by_one(tmp_path: Path) -> None:
    body = """
def test_fine(): pass
@pytest.mark.parametrize("odd", [1, 3])
def test_many(odd): assert odd % 2
def test_wrong(): assert 1 == 2, "said so"
@pytest.mark.skip(reason="why not")
def test_skipped(): pass
@pytest.mark.xfail(strict=True)
def test_expected(): assert False
@pytest.fixture
def broken(): raise RuntimeError("set-up")
def test_set_up(broken): pass
"""
    counts, output = run(tmp_path, body)
    assert counts == {"passed": 3, "failed": 1, "skipped": 1, "xfailed": 1, "error": 1}, output
    assert "said so" in output


def test_what_is_changed_inside_stays_inside(tmp_path: Path) -> None:
    before = Path("/etc/hosts").read_bytes()
    body = """
def test_change():
    open("/etc/hosts", "a").write("127.18.0.1 inside.lab\\n")
    assert os.getpid() < 50  # a process namespace of its own
"""
    counts, output = run(tmp_path, body)
    assert counts == {"passed": 1}, output
    assert Path("/etc/hosts").read_bytes() == before


@pytest.mark.parametrize(
    "death", ["os._exit(0)", "os._exit(3)", "os.kill(os.getpid(), signal.SIGKILL)"]
)
def test_a_child_that_dies_fails_its_test_and_all_that_follow(tmp_path: Path, death: str) -> None:
    body = f"""
def test_fine(): pass
def test_dies(): {death}
def test_never_run(): pass
"""
    counts, output = run(tmp_path, body)
    assert counts == {"passed": 1, "failed": 2}, output
    assert "ended with" in output


def test_a_hang_that_even_the_time_out_cannot_break_is_ended(tmp_path: Path) -> None:
    body = """
def test_hangs():
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    time.sleep(1000)
def test_never_run(): pass
"""
    counts, output = run(tmp_path, body, "--timeout=1")
    assert counts == {"failed": 2}, output
    assert "hung and was ended" in output


def test_an_ordinary_time_out_fails_one_test(tmp_path: Path) -> None:
    body = """
@pytest.mark.timeout(1)
def test_slow(): time.sleep(30)
def test_fine(): pass
"""
    counts, output = run(tmp_path, body)
    assert counts == {"passed": 1, "failed": 1}, output
    assert "Timeout" in output


def test_the_first_failure_ends_it_when_asked(tmp_path: Path) -> None:
    body = "def test_a(): assert False\ndef test_b(): pass\n"
    counts, output = run(tmp_path, body, "-x")
    assert counts == {"failed": 1}, output


def test_only_the_chosen_tests_run(tmp_path: Path) -> None:
    body = "def test_a(): assert False\ndef test_b(): pass\n"
    counts, output = run(tmp_path, body, "-k", "test_b")
    assert counts == {"passed": 1}, output


def test_no_process_is_left_of_what_a_test_started(tmp_path: Path) -> None:
    body = """
import subprocess
def test_leaves_one():
    subprocess.Popen(["sleep", "4321.5"], start_new_session=True)
"""
    counts, output = run(tmp_path, body)
    assert counts == {"passed": 1}, output
    everyone = [
        file.read_bytes()
        for file in Path("/proc").glob("[0-9]*/cmdline")
        if file.exists()  # it may end while we look
    ]
    assert not [words for words in everyone if b"4321.5" in words]


def test_ordinary_tests_before_and_after_an_isolated_module_are_set_up(tmp_path: Path) -> None:
    for name, head in (("a/test_1", ""), ("a/test_2", HEAD), ("b/test_3", "")):
        file = tmp_path / f"{name}.py"
        file.parent.mkdir(exist_ok=True)
        file.write_text(f"{head}def test_fine(): pass\n")
    counts, output = run(tmp_path, "")
    assert counts == {"passed": 3}, output


def test_why_a_test_was_skipped_is_told(tmp_path: Path) -> None:
    body = """
@pytest.mark.skip(reason="NOT TESTED: it is not here")
def test_skipped(): pass
"""
    counts, output = run(tmp_path, body, "-ra")
    assert counts == {"skipped": 1}
    assert "NOT TESTED: it is not here" in output
