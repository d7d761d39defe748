"""How root is started: nothing is read but its own folder, nothing is written into it."""

import ast
import os
import py_compile
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.contract.helper.harness import PYTHON, ROOT

pytestmark = pytest.mark.contract
USAGE = b"usage: --instance ID"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of root's folder, without caches, that another user can read."""
    target = tmp_path / "root"
    shutil.copytree(ROOT, target, ignore=shutil.ignore_patterns("__pycache__"))
    for parent in (tmp_path, *tmp_path.parents[:3]):
        parent.chmod(0o755)
    return target


def _run(
    folder: Path, *arguments: str, python: list[str] = PYTHON, user: int = 0
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*python, str(folder), *arguments],
        env={},
        user=user,
        group=user,
        extra_groups=[],
        capture_output=True,
        timeout=30,
        check=False,
    )


def _plant(folder: Path, seal: str) -> None:
    """Plant a cache of names.py that Python takes for a fresh one."""
    source = folder / "helper/names.py"
    kept, times = source.read_bytes(), source.stat()
    attack = f"open({seal!r}, 'w').close(); raise SystemExit('planted')\n".encode()
    source.write_bytes(attack + b"#" * (len(kept) - len(attack)))
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))
    python = subprocess.run(
        ["/usr/bin/python3", "-c", "import sys; print(sys.implementation.cache_tag)"],
        capture_output=True,
        check=True,
        text=True,
    )
    cache = folder / f"helper/__pycache__/names.{python.stdout.strip()}.pyc"
    subprocess.run(["/usr/bin/python3", "-c", py_compile_call(source, cache)], check=True, env={})
    source.write_bytes(kept)
    os.utime(source, ns=(times.st_atime_ns, times.st_mtime_ns))


def py_compile_call(source: Path, cache: Path) -> str:
    mode = py_compile.PycInvalidationMode.TIMESTAMP.value
    return (
        "import py_compile as p; p.compile("
        f"{str(source)!r}, {str(cache)!r}, invalidation_mode=p.PycInvalidationMode({mode}))"
    )


def test_nothing_is_written_into_the_folder(copy: Path) -> None:
    before = sorted(copy.rglob("*"))
    assert USAGE in _run(copy).stderr
    assert sorted(copy.rglob("*")) == before


def test_a_planted_cache_is_not_run(copy: Path, tmp_path: Path) -> None:
    seal = tmp_path / "seal"
    _plant(copy, str(seal))
    assert USAGE in _run(copy).stderr
    assert not seal.exists()
    # The plant is a good one: without the option it would run.
    _run(copy, python=["/usr/bin/python3", "-I", "-S", "-B"])
    assert seal.exists()


@pytest.mark.parametrize(
    "flags",
    [
        pytest.param([], id="no flag"),
        pytest.param(["-I", "-S", "-B"], id="no pycache_prefix"),
        pytest.param(["-I", "-S", "-B", "-X", "pycache_prefix=/tmp"], id="another pycache_prefix"),
        pytest.param(["-I", "-S", "-X", "pycache_prefix=/dev/null"], id="writing caches"),
        pytest.param(["-I", "-B", "-X", "pycache_prefix=/dev/null"], id="with site packages"),
        pytest.param(["-S", "-B", "-X", "pycache_prefix=/dev/null"], id="not isolated"),
    ],
)
def test_other_flags_are_refused(copy: Path, flags: list[str]) -> None:
    ran = _run(copy, "--instance", "a", "--uid", "0", python=["/usr/bin/python3", *flags])
    assert ran.returncode == 1
    assert b"must be started as" in ran.stderr


def test_it_refuses_to_be_anything_but_root(copy: Path) -> None:
    ran = _run(copy, "--instance", "a", "--uid", "0", user=65534)
    assert ran.returncode == 1
    assert b"as root" in ran.stderr


def test_the_folder_is_not_searched_once_all_is_imported(copy: Path) -> None:
    (copy / "helper/worker.py").write_text(
        "import sys\nPaths = lambda *_: None\ndef run(*_):\n    print(sys.path)\n    return 0\n"
    )
    ran = _run(copy)
    assert str(copy).encode() not in ran.stdout
    assert b"python3" in ran.stdout


def test_what_was_inherited_is_dropped() -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); from helper import worker; import os\n"
        "worker._harmless()\n"
        "print(dict(os.environ), os.getcwd(), oct(os.umask(0)), file=sys.stderr)"
    )
    environ = {"LD_PRELOAD": "", "PATH": "/tmp", "SUDO_UID": "0"}
    ran = subprocess.run([*PYTHON, "-c", code], env=environ, capture_output=True, check=True)
    assert ran.stderr == b"{} / 0o77\n"


def test_no_function_imports_anything() -> None:
    for file in ROOT.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
                inside = [
                    one for one in ast.walk(node) if isinstance(one, ast.Import | ast.ImportFrom)
                ]
                assert not inside, (file, ast.unparse(inside[0]))
