"""What root installs, and where it refuses to: component by component."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubefwd_operator.installer import PLACE, Refused, install, judge_owner, main, uninstall

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to root")


@pytest.fixture
def safe() -> Iterator[Path]:
    """Below a place that is root's alone, which tmp_path (in /tmp) is not."""
    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def place(safe: Path) -> Path:
    return safe / "local/lib/ours"


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """What a developer has: with caches and other things that are not for root."""
    for name in ("__main__.py", "helper/worker.py", "helper/__pycache__/worker.py", "helper/x.so"):
        path = tmp_path / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
        path.chmod(0o600)
        os.chown(path, 12345, 12345)
    return tmp_path / "root"


def files(folder: Path) -> dict[str, tuple[int, int]]:
    """Owner and mode of all that is in a folder, the folder included."""
    found = {".": folder, **{str(path.relative_to(folder)): path for path in folder.rglob("*")}}
    return {
        name: (path.stat().st_uid, path.stat().st_mode & 0o7777) for name, path in found.items()
    }


def test_the_modules_alone_are_copied_and_are_roots(place: Path, source: Path) -> None:
    install(place, source)
    assert files(place) == {
        ".": (0, 0o755),
        "root": (0, 0o755),
        "root/__main__.py": (0, 0o644),
        "root/helper": (0, 0o755),
        "root/helper/worker.py": (0, 0o644),
    }
    assert judge_owner(str(place / "root/helper/worker.py")) == ""
    assert (place / "root/helper/worker.py").read_text() == "helper/worker.py"


@pytest.fixture
def kubefwd(tmp_path: Path) -> Path:
    program = tmp_path / "kubefwd"
    program.write_bytes(b"\x7fELF" * 1000)
    program.chmod(0o755)
    return program


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_kubefwd_goes_with_it_and_an_install_without_takes_it_away(
    place: Path, source: Path, kubefwd: Path
) -> None:
    said = main(["install", "--kubefwd", str(kubefwd), "--sha256", sha256(kubefwd)], place, source)
    assert str(kubefwd) in said
    assert (place / "kubefwd").read_bytes() == kubefwd.read_bytes()
    assert files(place)["kubefwd"] == (0, 0o755)
    assert (place / "kubefwd.sha256").read_text() == f"{sha256(kubefwd)}\n"
    assert main(["install"], place, source) == f"The helper is installed in {place}."
    assert sorted(path.name for path in place.iterdir()) == ["root"]


@pytest.mark.parametrize(
    "row, why",
    [
        ("a link", "is a link"),
        ("a folder", "is not an executable file"),
        ("a fifo", "is not an executable file"),
        ("not executable", "is not an executable file"),
        ("missing", "cannot be read"),
        ("changed", "has changed meanwhile"),
    ],
)
def test_what_is_no_kubefwd_is_refused_and_nothing_changes(
    place: Path, source: Path, kubefwd: Path, row: str, why: str
) -> None:
    install(place, source)
    before, digest = files(place), sha256(kubefwd)
    program = kubefwd.with_name("other")
    if row == "a link":
        program.symlink_to(kubefwd)
    elif row == "a folder":
        program.mkdir()
    elif row == "a fifo":
        os.mkfifo(program, 0o755)
    elif row == "not executable":
        program.write_bytes(b"")
    elif row == "changed":
        program.write_bytes(b"other")
        program.chmod(0o755)
    with pytest.raises(Refused, match=why):
        install(place, source, str(program), digest)
    assert files(place) == before
    assert [path.name for path in place.parent.iterdir()] == ["ours"]


@pytest.mark.parametrize("part", ["local", "local/lib"])
@pytest.mark.parametrize("fault", ["of another", "for the group", "for all"])
def test_a_folder_on_the_way_that_others_can_change_is_refused_by_name(
    place: Path, source: Path, safe: Path, part: str, fault: str
) -> None:
    place.parent.mkdir(parents=True)
    if fault == "of another":
        os.chown(safe / part, 12345, 12345)
    else:
        (safe / part).chmod(0o775 if fault == "for the group" else 0o757)
    why = "does not belong to root" if fault == "of another" else "can be changed by others"
    for act in (lambda: install(place, source), lambda: uninstall(place)):
        with pytest.raises(Refused, match=f"^{safe / part} {why}"):
            act()
    assert list(place.parent.iterdir()) == []


def test_missing_folders_are_made_only_below_what_is_roots(
    place: Path, source: Path, safe: Path
) -> None:
    safe.chmod(0o777)
    with pytest.raises(Refused, match=f"^{safe} can be changed by others"):
        install(place, source)
    assert list(safe.iterdir()) == []


def test_a_link_in_its_place_is_not_followed(place: Path, source: Path, safe: Path) -> None:
    place.parent.mkdir(parents=True)
    (safe / "elsewhere").mkdir()
    place.symlink_to(safe / "elsewhere")
    for act in (lambda: install(place, source), lambda: uninstall(place)):
        with pytest.raises(Refused, match="is not a folder"):
            act()
    assert list((safe / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("left", [".ours.new", ".ours.old"])
def test_what_an_interrupted_run_has_left_is_removed(place: Path, source: Path, left: str) -> None:
    (place.parent / left / "root").mkdir(parents=True)
    install(place, source)
    assert [path.name for path in place.parent.iterdir()] == ["ours"]
    (place.parent / left / "root").mkdir(parents=True)
    assert main(["uninstall"], place, source) == f"{place} is removed."
    assert list(place.parent.iterdir()) == []
    assert main(["uninstall"], place, source) == f"There is nothing in {place}."


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["remove"],
        ["install", "--kubefwd", "/bin/true"],
        ["install", "--kubefwd", "bin/true", "--sha256", "a" * 64],
        ["install", "--kubefwd", "/bin/true", "--sha256", "A" * 64],
        ["uninstall", "--kubefwd", "/bin/true", "--sha256", "a" * 64],
        ["install", "install"],
    ],
)
def test_other_arguments_are_refused(place: Path, source: Path, arguments: list[str]) -> None:
    with pytest.raises(Refused, match=r"^usage: "):
        main(arguments, place, source)
    assert not place.parent.exists()


def test_the_real_place_is_absolute_and_below_a_folder_of_the_system() -> None:
    assert Path(PLACE).is_absolute()
    assert Path(PLACE).name == "kubefwd-operator"
