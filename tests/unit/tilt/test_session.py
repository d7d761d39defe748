"""Which file, which entry, and what is said when there is none."""

import base64
import fcntl
import threading
import time
from pathlib import Path

import pytest
import yaml

from kubefwd_operator.core.errors import TiltError, TiltGone
from kubefwd_operator.tilt import session
from kubefwd_operator.tilt.session import TiltLocation, config_paths, read_access

HOME = Path("/home/dev")
DEFAULT = HOME / ".tilt-dev/config"


@pytest.mark.parametrize(
    "env, expected",
    [
        pytest.param({}, [DEFAULT], id="nothing set"),
        pytest.param({"KUBECONFIG": "/x"}, [DEFAULT], id="KUBECONFIG has no part in it"),
        pytest.param({"TILT_DEV_DIR": "/d"}, [Path("/d/config")], id="directory moved"),
        pytest.param({"WMDAEMON_HOME": "/w"}, [Path("/w/config")], id="its first old name"),
        pytest.param({"WINDMILL_DIR": "/w"}, [Path("/w/config")], id="its second old name"),
        pytest.param(
            {"WINDMILL_DIR": "/3", "WMDAEMON_HOME": "/2", "TILT_DEV_DIR": "/1"},
            [Path("/1/config")],
            id="the present name wins",
        ),
        pytest.param({"TILT_DEV_DIR": ""}, [DEFAULT], id="empty is unset"),
        pytest.param(
            {"TILT_CONFIG": "/a:/b c/d", "TILT_DEV_DIR": "/1"},
            [Path("/a"), Path("/b c/d")],
            id="a list of files beats directories",
        ),
    ],
)
def test_the_files_are_those_that_tilt_reads(env: dict[str, str], expected: list[Path]) -> None:
    assert config_paths(env, HOME) == tuple(expected)


def test_an_old_windmill_directory_is_used_when_it_is_there(tmp_path: Path) -> None:
    (tmp_path / ".windmill").mkdir()
    assert config_paths({}, tmp_path) == (tmp_path / ".windmill/config",)


@pytest.mark.parametrize(
    "port, context", [(10350, "tilt-default"), (10351, "tilt-10351"), (0, "tilt-0")]
)
def test_the_entry_is_named_after_the_web_port(port: int, context: str) -> None:
    assert TiltLocation((), port).context == context


def entry(name: str, server: str = "https://127.0.0.1:1", token: str = "t") -> dict[str, object]:
    authority = base64.b64encode(b"PEM").decode()
    return {
        "clusters": [
            {"name": name, "cluster": {"server": server, "certificate-authority-data": authority}}
        ],
        "users": [{"name": name, "user": {"token": token}}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
    }


def written(path: Path, *entries: dict[str, object]) -> Path:
    merged: dict[str, list[object]] = {}
    for one in entries:
        for section, items in one.items():
            assert isinstance(items, list)
            merged.setdefault(section, []).extend(items)
    path.write_text(yaml.safe_dump(merged | {"current-context": ""}))
    return path


def test_the_entry_is_picked_by_port_among_several(tmp_path: Path) -> None:
    file = written(tmp_path / "c", entry("tilt-default"), entry("tilt-7", "https://127.0.0.1:7"))
    access = read_access(TiltLocation((file,), 7))
    assert (access.server, access.ca, access.token) == ("https://127.0.0.1:7", "PEM", "t")


def test_the_first_file_that_has_the_entry_wins(tmp_path: Path) -> None:
    files = (
        tmp_path / "missing",
        written(tmp_path / "a", entry("tilt-7")),
        written(tmp_path / "b", entry("tilt-default", token="b")),
        written(tmp_path / "c", entry("tilt-default", token="c")),
    )
    assert read_access(TiltLocation(files)).token == "b"


def test_without_the_entry_tilt_is_gone_and_the_sentence_says_where_it_was_sought(
    tmp_path: Path,
) -> None:
    file = written(tmp_path / "c", entry("tilt-default"))
    with pytest.raises(TiltGone, match=r"port 10399.*tilt-10399.*/c.*tilt up"):
        read_access(TiltLocation((file,), 10399))


@pytest.mark.parametrize(
    "text", ["", "a: [", "[]", "just words", "clusters: null"], ids=lambda text: text or "empty"
)
def test_a_damaged_file_is_an_error_of_ours(tmp_path: Path, text: str) -> None:
    (tmp_path / "c").write_text(text)
    with pytest.raises(TiltError):
        read_access(TiltLocation((tmp_path / "c",)))


def test_a_damaged_certificate_is_an_error_of_ours(tmp_path: Path) -> None:
    file = written(tmp_path / "c", entry("tilt-default"))
    file.write_text(file.read_text().replace(base64.b64encode(b"PEM").decode(), "%%%"))
    with pytest.raises(TiltError, match="certificate"):
        read_access(TiltLocation((file,)))


def test_the_token_is_not_in_the_repr() -> None:
    access = session.TiltAccess("tilt-default", "https://x", "PEM", "secret")
    assert "secret" not in repr(access)
    assert "https://x" in repr(access)


def test_a_file_being_written_is_read_after_the_lock_is_free(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("")  # truncated, as Tilt does before it writes
    lock = (tmp_path / "config.lock").open("w")
    fcntl.flock(lock, fcntl.LOCK_EX)

    def finish() -> None:
        time.sleep(0.1)
        written(file, entry("tilt-default"))
        lock.close()

    writer = threading.Thread(target=finish)
    writer.start()
    try:
        assert read_access(TiltLocation((file,))).token == "t"
    finally:
        writer.join()


def test_a_lock_that_stays_taken_does_not_block_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "LOCK_PATIENCE", 0.05)
    file = written(tmp_path / "config", entry("tilt-default"))
    with (tmp_path / "config.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert read_access(TiltLocation((file,))).token == "t"
