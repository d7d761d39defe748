"""The lines for sudoers: exact, the same as what is run, and as the real visudo reads them."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from kubefwd_operator.cli.look import Leaving
from kubefwd_operator.cli.sudoers import lines
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.privileged.installed import Installed
from kubefwd_operator.privileged.sudoers import helpers, line, objection
from kubefwd_operator.privileged.surroundings import Surroundings
from kubefwd_operator.privileged.ways import Launch, sudo_silent

SHA = "ab" * 32
VISUDO = shutil.which("visudo", path="/usr/sbin:/usr/bin:/sbin:/usr/local/sbin")
needs_visudo = pytest.mark.skipif(VISUDO is None, reason="NO VISUDO: lines were not checked by it")


@pytest.fixture
def safe() -> Iterator[Path]:
    """A helper in a folder that is root's alone."""
    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    (folder / "root").mkdir()
    for name in ("root/__main__.py", "kubefwd"):
        (folder / name).touch(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def here(safe: Path) -> Surroundings:
    return Surroundings(
        instance="tilt-10350",
        uid=1000,
        environ={},
        authorize=(),
        root_folder=f"{safe}/root",
        sudo="/usr/bin/sudo",
    )


@pytest.fixture
def kubefwd(safe: Path) -> PinnedKubefwd:
    return PinnedKubefwd(f"{safe}/kubefwd", SHA)


def test_the_line_is_exact_and_fixes_the_instance() -> None:
    argv = Surroundings("tilt-1", 1000, {}, (), root_folder="/p/root").helper()
    assert line("dev", 1000, argv) == (
        "dev ALL=(root) NOPASSWD:NOSETENV: /usr/bin/python3 -I -S -B -X "
        "pycache_prefix\\=/dev/null /p/root --instance tilt-1"
    )


@pytest.mark.parametrize(
    "user, who",
    [
        ("dev", "dev"),
        ("d_e-v1", "d_e-v1"),
        ("ALL", "#7"),
        ("a.b", "#7"),
        ("_x", "#7"),
        ("DOM\\x", "#7"),
    ],
)
def test_a_name_that_sudoers_may_read_otherwise_is_a_number(user: str, who: str) -> None:
    assert line(user, 7, ("/x",)).split()[0] == who


@pytest.mark.parametrize("hostnames", [(), ("dev.example.com", "a.b")], ids=["", "hostnames"])
@pytest.mark.parametrize("with_kubefwd", [False, True], ids=["native", "kubefwd"])
def test_what_is_allowed_is_what_sudo_n_runs(
    here: Surroundings, kubefwd: PinnedKubefwd, with_kubefwd: bool, hostnames: tuple[str, ...]
) -> None:
    pin = kubefwd if with_kubefwd else None
    here = replace(here, hostnames=hostnames)
    plan = sudo_silent.WAY.plan(replace(here, kubefwd=pin))
    assert isinstance(plan, Launch)
    assert plan.argv[:3] == ("/usr/bin/sudo", "-n", "--")
    assert helpers(here, kubefwd)[with_kubefwd] == plan.argv[3:]


@needs_visudo
def test_visudo_takes_the_lines(here: Surroundings, kubefwd: PinnedKubefwd, tmp_path: Path) -> None:
    file = tmp_path / "sudoers"
    here = replace(here, hostnames=("dev.example.com", "a.b"))
    printed = lines(here, Installed(here.root_folder, kubefwd))
    odd = line("a.b", 1000, ("/x", "c,d:e=f\\g"))
    file.write_text("\n".join([*printed, odd]) + "\n")
    file.chmod(0o440)
    checked = subprocess.run(
        [str(VISUDO), "-c", "-f", str(file)], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "parsed OK" in checked.stdout
    assert len(printed) == 4
    assert "*" not in "".join(printed)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to root")
@pytest.mark.parametrize("part", ["", "root", "root/__main__.py", "kubefwd"])
@pytest.mark.parametrize("fault", ["of another", "for the group", "for all"])
def test_no_line_is_printed_while_others_can_change_a_part_of_the_way(
    here: Surroundings, kubefwd: PinnedKubefwd, safe: Path, part: str, fault: str
) -> None:
    assert objection(here, kubefwd) == ""
    path = safe / part
    if fault == "of another":
        os.chown(path, 12345, 12345)
    else:
        path.chmod(0o775 if fault == "for the group" else 0o757)
    with pytest.raises(Leaving, match=f"^{path} ") as left:
        lines(here, Installed(here.root_folder, kubefwd))
    assert left.value.exit_code == 1


@pytest.mark.parametrize(
    "copy, fault, said",
    [
        (Installed(), "", "Run this first: .*bin/kubefwd-operator'? install-helper"),
        (Installed(fault="It is of another version."), "", "of another version"),
        (Installed("/p/root"), "No Python.", "No Python"),
    ],
    ids=["not installed", "unfit", "no interpreter"],
)
def test_without_a_fit_copy_there_is_no_line(
    here: Surroundings, copy: Installed, fault: str, said: str
) -> None:
    with pytest.raises(Leaving, match=said):
        lines(replace(here, fault=fault), copy)
