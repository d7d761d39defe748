"""Who the user is, where his operator listens, and what the path to it may look like."""

import contextlib
import os
import pwd
import socket
import struct
from pathlib import Path

import pytest

from kubefwd_operator.root.helper import peer
from kubefwd_operator.root.helper.peer import User, identify, parse_uid, peer_uid
from kubefwd_operator.root.helper.protocol import Refusal

UID = os.getuid()
NOBODY = pwd.getpwnam("nobody").pw_uid
ROOT = {"SUDO_UID": "0"}
LINK = r"Not a directory|symbolic links"


@pytest.mark.parametrize(
    "arguments, environ, uid",
    [
        (["--instance", "tilt-10350"], {"SUDO_UID": str(NOBODY)}, NOBODY),
        (["--instance", "tilt-10350"], {"PKEXEC_UID": "0"}, 0),
        (["--instance", "tilt-10350", "--uid", "0"], {}, 0),
        (["--instance", "a" * 32, "--uid", "0"], {}, 0),
        # The environment is sudo's own and counts more than argv.
        (["--instance", "a", "--uid", "0"], {"SUDO_UID": str(NOBODY)}, NOBODY),
    ],
)
def test_the_user_is(arguments: list[str], environ: dict[str, str], uid: int) -> None:
    user = identify(arguments, environ)
    assert (user.uid, user.instance) == (uid, arguments[1])
    assert user.home == pwd.getpwuid(uid).pw_dir
    assert user.owner == f"{uid}.{arguments[1]}"


@pytest.mark.parametrize(
    "arguments, environ",
    [
        pytest.param([], ROOT, id="no instance"),
        pytest.param(["--instance"], ROOT, id="no id"),
        pytest.param(["--instance", ""], ROOT, id="empty id"),
        pytest.param(["--instance", "a" * 33], ROOT, id="long id"),
        pytest.param(["--instance", "../../etc"], ROOT, id="path"),
        pytest.param(["--instance", "a/b"], ROOT, id="slash"),
        pytest.param(["--instance", "A"], ROOT, id="capital"),
        pytest.param(["--instance", "a\n"], ROOT, id="newline"),
        pytest.param(["--instance", "a", "more"], ROOT, id="more"),
        pytest.param(["--instance", "a --uid 0"], {}, id="two in one"),
        pytest.param(["--uid", "0", "--instance", "a"], {}, id="another order"),
        pytest.param(["--instance", "a"], {}, id="no uid"),
        pytest.param(["--instance", "a"], {**ROOT, "PKEXEC_UID": "0"}, id="both"),
        pytest.param(["--instance", "a"], {"SUDO_UID": ""}, id="empty uid"),
        pytest.param(["--instance", "a"], {"SUDO_UID": "-1"}, id="negative uid"),
        pytest.param(["--instance", "a"], {"SUDO_UID": "root"}, id="name for a uid"),
        pytest.param(["--instance", "a"], {"SUDO_UID": "0\n"}, id="uid with a newline"),
        pytest.param(["--instance", "a"], {"SUDO_UID": "٠"}, id="a digit that is not ASCII"),
        pytest.param(["--instance", "a"], {"SUDO_UID": "4294967294"}, id="nobody has it"),
        pytest.param(["--instance", "a"], {"SUDO_UID": "9999999999"}, id="too large for a uid"),
    ],
)
def test_the_user_is_not_certain(arguments: list[str], environ: dict[str, str]) -> None:
    with pytest.raises(Refusal):
        identify(arguments, environ)


SHA = "0123456789abcdef" * 4


def test_a_kubefwd_may_be_authorised_with_it() -> None:
    path = "/opt/with a space/kubefwd"
    user = identify(["--instance", "a", "--kubefwd", path, "--sha256", SHA], ROOT)
    assert (user.kubefwd, user.sha256) == (path, SHA)
    told = identify(["--instance", "a", "--uid", "0", "--kubefwd", path, "--sha256", SHA], {})
    assert (told.uid, told.kubefwd) == (0, path)
    plain = identify(["--instance", "a"], ROOT)
    assert (plain.kubefwd, plain.sha256) == ("", "")


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--kubefwd", "/k"], id="no hash"),
        pytest.param(["--sha256", SHA], id="no path"),
        pytest.param(["--kubefwd", "k", "--sha256", SHA], id="a relative path"),
        pytest.param(["--kubefwd", "", "--sha256", SHA], id="an empty path"),
        pytest.param(["--kubefwd", "/" + "k" * 1024, "--sha256", SHA], id="a long path"),
        pytest.param(["--kubefwd", "/k\nx", "--sha256", SHA], id="two lines"),
        pytest.param(["--kubefwd", "/k\x1b[2J", "--sha256", SHA], id="an escape"),
        pytest.param(["--kubefwd", "/k", "--sha256", SHA[:-1]], id="a short hash"),
        pytest.param(["--kubefwd", "/k", "--sha256", SHA.upper()], id="capitals in a hash"),
        pytest.param(["--kubefwd", "/k", "--sha256", SHA, "--verbose"], id="more"),
        pytest.param(["--sha256", SHA, "--kubefwd", "/k"], id="another order"),
    ],
)
def test_a_kubefwd_is_not_certain(words: list[str]) -> None:
    with pytest.raises(Refusal, match="usage"):
        identify(["--instance", "a", *words], ROOT)


@pytest.mark.parametrize(
    "words, suffixes",
    [
        pytest.param([], (), id="none"),
        pytest.param(["--hostnames", "dev.example.com"], ("dev.example.com",), id="one"),
        pytest.param(["--hostnames", "a.b,c.d.e"], ("a.b", "c.d.e"), id="two"),
        pytest.param(
            ["--kubefwd", "/k", "--sha256", SHA, "--hostnames", "a.b"], ("a.b",), id="and kubefwd"
        ),
    ],
)
def test_where_hostnames_may_end_is_authorised_with_it(
    words: list[str], suffixes: tuple[str, ...]
) -> None:
    assert identify(["--instance", "a", *words], ROOT).suffixes == suffixes


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["--hostnames"], id="no value"),
        pytest.param(["--hostnames", ""], id="empty"),
        pytest.param(["--hostnames", "com"], id="one label"),
        pytest.param(["--hostnames", "a.b,"], id="a comma at the end"),
        pytest.param(["--hostnames", "a.b,com"], id="one label of two"),
        pytest.param(["--hostnames", ".com"], id="an empty label"),
        pytest.param(["--hostnames", "A.B"], id="capitals"),
        pytest.param(["--hostnames", "a.b c.d"], id="a blank"),
        pytest.param(["--hostnames", "a.b\n"], id="a newline"),
        pytest.param(["--hostnames", "*.b"], id="a wildcard"),
        pytest.param(["--hostnames", ",".join(["a.bc"] * 101)], id="too many"),
        pytest.param(["--hostnames", "a." * 10 + "b"], id="too many labels"),
        pytest.param(["--hostnames", "a" * 64 + ".b"], id="a long label"),
        pytest.param(["--hostnames", "a.b", "--hostnames", "c.d"], id="twice"),
        pytest.param(["--hostnames", "a.b", "--uid", "0"], id="another order"),
    ],
)
def test_where_hostnames_may_end_is_not_certain(words: list[str]) -> None:
    with pytest.raises(Refusal, match="usage"):
        identify(["--instance", "a", *words], ROOT)


@pytest.fixture
def user(tmp_path: Path) -> User:
    (tmp_path / "home").mkdir()
    return User(UID, str(tmp_path / "home"), "tilt-10350")


@pytest.fixture
def run_user(tmp_path: Path) -> Path:
    (tmp_path / "run" / str(UID)).mkdir(parents=True, mode=0o700)
    return tmp_path / "run"


def _make(*folders: Path) -> Path:
    for folder in folders:
        folder.mkdir(mode=0o700, parents=True)
    return folders[-1]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def _reached(user: User, run_user: Path, folder: Path) -> bool:
    """Say whether it connects to who listens in that folder, and to nobody else."""
    before, here = _descriptors(), Path.cwd()
    with socket.socket(socket.AF_UNIX) as server:
        os.chdir(folder)  # a socket's path is short
        server.bind("helper.sock")
        server.listen()
        server.setblocking(False)
        try:
            with peer.connect(user, str(run_user)):
                server.accept()[0].close()
        except BlockingIOError:
            return False
        finally:
            assert Path.cwd() == Path("/")
            assert _descriptors() == before + 1, "a descriptor has leaked"
            os.chdir(here)
        return True


def test_the_user_s_runtime_directory_comes_first(user: User, run_user: Path) -> None:
    below = run_user / str(UID) / "kubefwd-operator"
    made = _make(below, below / "tilt-10350")
    assert _reached(user, run_user, made)


@pytest.mark.parametrize("mode", [0o755, 0o770, None])
def test_without_a_private_one_it_is_below_the_home(
    user: User, run_user: Path, mode: int | None
) -> None:
    if mode is None:
        (run_user / str(UID)).rmdir()
    else:
        (run_user / str(UID)).chmod(mode)
    made = _make(Path(user.home) / ".local/state/kubefwd-operator/tilt-10350")
    assert _reached(user, run_user, made)


def test_nothing_there_is_an_error_of_the_system(user: User, run_user: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _reached(user, run_user, Path(user.home))


@pytest.mark.parametrize("link", [".local", ".local/state", ".local/state/kubefwd-operator"])
def test_a_link_below_the_home_is_not_followed(user: User, run_user: Path, link: str) -> None:
    (run_user / str(UID)).rmdir()
    home = Path(user.home)
    _make(home / ".local/state/kubefwd-operator/tilt-10350")
    (home / link).rename(home / "moved")
    (home / link).symlink_to(home / "moved")
    made = (home / ".local/state/kubefwd-operator/tilt-10350").resolve()
    with pytest.raises(OSError, match=LINK):
        _reached(user, run_user, made)


def test_the_instance_is_no_link_either(user: User, run_user: Path) -> None:
    made = _make(run_user / str(UID) / "kubefwd-operator" / "real")
    (run_user / str(UID) / "kubefwd-operator" / "tilt-10350").symlink_to("real")
    with pytest.raises(OSError, match=LINK):
        _reached(user, run_user, made)


@pytest.mark.skipif(UID != 0, reason="only root can make links of another user")
@pytest.mark.parametrize("owner, followed", [(0, True), (NOBODY, False)])
def test_a_link_above_the_home_must_be_root_s(
    tmp_path: Path, run_user: Path, owner: int, followed: bool
) -> None:
    (run_user / str(UID)).rmdir()
    made = _make(tmp_path / "data/me/.local/state/kubefwd-operator/tilt-10350")
    (tmp_path / "homes").symlink_to("data")
    os.chown(tmp_path / "homes", owner, owner, follow_symlinks=False)
    user = User(UID, str(tmp_path / "homes/me"), "tilt-10350")
    if followed:
        assert _reached(user, run_user, made)
        return
    with pytest.raises(OSError, match=LINK):
        _reached(user, run_user, made)


def test_a_run_directory_that_others_can_write_is_refused(user: User, run_user: Path) -> None:
    made = _make(run_user / str(UID) / "kubefwd-operator/tilt-10350")
    made.chmod(0o777)
    with pytest.raises(Refusal, match="only the user"):
        _reached(user, run_user, made)


@pytest.mark.skipif(UID != 0, reason="only root can make another user's directory")
def test_another_user_s_run_directory_is_refused(user: User, run_user: Path) -> None:
    made = _make(run_user / "0" / "kubefwd-operator/tilt-10350")
    os.chown(made, NOBODY, NOBODY)
    with pytest.raises(Refusal, match="only the user"):
        _reached(user, run_user, made)


def test_it_connects_wherever_it_is_called_from_and_changes_back(
    user: User, run_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _make(run_user / str(UID) / "kubefwd-operator/tilt-10350")
    monkeypatch.chdir(made)  # and back when the test is over
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("helper.sock")
        server.listen()
        with peer.connect(user, str(run_user)) as client:
            assert peer.peer_uid(client) == UID
    assert Path.cwd() == Path("/")


def test_a_path_longer_than_a_socket_s_may_be_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = _make(tmp_path / ("h" * 100) / ("i" * 100))
    made = _make(home / ".local/state/kubefwd-operator/tilt-10350")
    monkeypatch.chdir(made)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("helper.sock")
        server.listen()
        peer.connect(User(UID, str(home), "tilt-10350"), str(tmp_path / "none")).close()


def test_a_full_queue_does_not_hold_us(
    user: User, run_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(_make(run_user / str(UID) / "kubefwd-operator/tilt-10350"))
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket(socket.AF_UNIX))
        server.bind("helper.sock")
        server.listen(0)
        stack.enter_context(peer.connect(user, str(run_user)))
        with pytest.raises(OSError, match=r"temporarily unavailable|timed out"):
            peer.connect(user, str(run_user))


def test_the_credentials_on_the_other_side_must_be_the_user_s(
    user: User, run_user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _make(run_user / str(UID) / "kubefwd-operator/tilt-10350")
    monkeypatch.chdir(made)
    monkeypatch.setattr(peer, "peer_uid", lambda _: UID + 1)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("helper.sock")
        server.listen()
        with pytest.raises(Refusal, match="not of uid"):
            peer.connect(user, str(run_user))
    assert Path.cwd() == Path("/")


@pytest.mark.parametrize(
    "credentials",
    [
        pytest.param(struct.pack("=iII", 4711, 501, 100), id="Linux: pid, uid, gid"),
        pytest.param(struct.pack("=IIh2x16I", 0, 501, 3, *range(16)), id="BSD: version, uid, ..."),
    ],
)
def test_the_uid_is_read_from_the_system_s_credentials(credentials: bytes) -> None:
    assert parse_uid(credentials) == 501


class Asked(socket.socket):
    """A socket of another system: it notes what it is asked for."""

    def getsockopt(self, *option: int) -> bytes:  # type: ignore[override]
        self.option = option
        return struct.pack("=IIh2x16I", 0, 501, 3, *range(16))


@pytest.mark.parametrize(
    "platform, option",
    [("linux", (socket.SOL_SOCKET, socket.SO_PEERCRED, 12)), ("darwin", (0, 1, 128))],
)
def test_the_credentials_are_where_the_system_has_them(
    platform: str, option: tuple[int, int, int]
) -> None:
    with Asked(socket.AF_UNIX) as sock:
        assert peer_uid(sock, platform) == 501
        assert sock.option == option


def test_no_credentials_are_no_uid() -> None:
    with pytest.raises(struct.error):
        parse_uid(b"")
