"""Whether the installed copy of the helper is taken, and what is said when it is not."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubefwd_operator import installer
from kubefwd_operator.core.kubefwd import PinnedKubefwd
from kubefwd_operator.privileged.command import typed
from kubefwd_operator.privileged.installed import Installed, find, install_helper
from kubefwd_operator.privileged.surroundings import ROOT_FOLDER

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what belongs to root")
A, B = "a" * 64, "b" * 64


@pytest.fixture
def place() -> Iterator[Path]:
    """The helper of this checkout, installed."""
    folder = Path(tempfile.mkdtemp(dir=Path.home()))
    installer.install(folder / "ours", Path(ROOT_FOLDER))
    yield folder / "ours"
    shutil.rmtree(folder)


def test_a_copy_of_this_version_is_taken(place: Path) -> None:
    assert find(ROOT_FOLDER, str(place)) == Installed(f"{place}/root")


def test_where_there_is_none_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert find(ROOT_FOLDER, str(tmp_path / "none")) == Installed()


def test_the_kubefwd_beside_it_is_known_by_the_digest_that_root_wrote(place: Path) -> None:
    (place / "kubefwd").touch(0o755)
    (place / "kubefwd.sha256").write_text(f"{A}\n")
    assert find(ROOT_FOLDER, str(place)).kubefwd == PinnedKubefwd(f"{place}/kubefwd", A)


@pytest.mark.parametrize("row", ["more", "less", "other", "empty"])
def test_a_copy_of_another_version_is_not_taken(place: Path, row: str) -> None:
    if row == "more":
        (place / "root/helper/later.py").touch()
    elif row == "less":
        (place / "root/helper/worker.py").unlink()
    elif row == "other":
        (place / "root/__main__.py").write_text("other")
    else:
        shutil.rmtree(place / "root")
    found = find(ROOT_FOLDER, str(place))
    assert (found.root_folder, found.kubefwd) == ("", None)
    assert "is of another version" in found.fault
    assert f"{typed(install_helper())} again" in found.fault


@pytest.mark.parametrize("part", [".", "root", "root/helper", "root/helper/worker.py"])
@pytest.mark.parametrize("fault", ["of another", "for all", "a link"])
def test_a_copy_that_others_can_change_is_not_taken(place: Path, part: str, fault: str) -> None:
    path = place / part
    if fault == "of another":
        os.chown(path, 12345, 12345)
    elif fault == "for all":
        path.chmod(0o777)
    else:
        real = path.rename(path.with_name("moved"))
        path.symlink_to(real)
        os.chown(path, 12345, 12345, follow_symlinks=False)
    found = find(ROOT_FOLDER, str(place))
    assert found.root_folder == ""
    assert str(path) in found.fault


@pytest.mark.parametrize(
    "copy, wanted, path, said",
    [
        (Installed("/p/root"), None, None, ""),
        (Installed("/p/root", PinnedKubefwd("/p/k", A)), None, None, ""),
        (Installed("/p/root", PinnedKubefwd("/p/k", A)), PinnedKubefwd("/u/k", A), "/p/k", ""),
        (Installed("/p/root", PinnedKubefwd("/p/k", A)), PinnedKubefwd("/p/k", A), "/p/k", ""),
        (Installed("/p/root", PinnedKubefwd("/p/k", A)), PinnedKubefwd("/u/k", B), "/u/k", "/u/k"),
        (Installed("/p/root"), PinnedKubefwd("/u/k", A), "/u/k", "/u/k as it is now"),
        (Installed(fault="Bad."), PinnedKubefwd("/u/k", A), "/u/k", "Bad."),
        (Installed(), PinnedKubefwd("/u/k", A), "/u/k", ""),
    ],
    ids=["native", "native, more", "same", "itself", "updated", "without", "unfit", "none"],
)
def test_which_kubefwd_is_run(
    copy: Installed, wanted: PinnedKubefwd | None, path: str | None, said: str
) -> None:
    run = copy.instead_of(wanted)
    assert (run.path if run else None) == path
    assert (run.sha256 if run else None) == (wanted.sha256 if wanted else None)
    assert said in copy.unfit(wanted)
    assert bool(said) == bool(copy.unfit(wanted))
