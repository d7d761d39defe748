"""The order of name services, as glibc reads it."""

from pathlib import Path

import pytest
from tests.unit.doctor.kit import FAIL, OK, WARN, case, told

from kubefwd_operator.doctor import names
from kubefwd_operator.doctor.finding import Level
from kubefwd_operator.doctor.names import judge_order

FEDORA = "hosts: files myhostname resolve [!UNAVAIL=return] dns"


@pytest.mark.parametrize(
    "text, level, words",
    [
        pytest.param("hosts: files dns", OK, "in time", id="files first"),
        pytest.param("# hosts: dns\nhosts:\tfiles\tdns # x", OK, "in time", id="tabs, comments"),
        pytest.param(FEDORA, OK, "in time", id="Fedora"),
        pytest.param("hosts: files mdns4_minimal [NOTFOUND=return] dns", OK, "", id="Debian"),
        pytest.param("hosts: mdns4_minimal [NOTFOUND=return] files dns", OK, "",
                     id="mdns4_minimal is for .local only"),
        pytest.param("hosts: mymachines resolve [!UNAVAIL=return] files dns", OK,
                     "systemd-resolved looks", id="systemd's own"),
        pytest.param("hosts: dns files", WARN, "write the line as: hosts: files dns",
                     id="dns first"),
        pytest.param("hosts: dns [SUCCESS=return] files", WARN, "before",
                     id="the default, spelled"),
        pytest.param("hosts: dns [NOTFOUND=return] files", FAIL, "dns has the last word",
                     id="dns ends it"),
        pytest.param("hosts: dns [!UNAVAIL=return] files", FAIL, "last word", id="a not ends it"),
        pytest.param("hosts: dns [!NOTFOUND=return] files", WARN, "before",
                     id="a not that goes on"),
        pytest.param("hosts: dns", FAIL, "hosts: files dns", id="no files"),
        pytest.param("hosts: myhostname", FAIL, "not asked", id="neither"),
        pytest.param("passwd: files", OK, "files dns", id="no line"),
        pytest.param(None, OK, "comes first", id="no file"),
    ],
)  # fmt: skip
def test_order(text: str | None, level: Level, words: str) -> None:
    told(judge_order(text), level, words)


def test_a_resolved_that_leaves_hosts_out() -> None:
    told(judge_order("hosts: resolve [!UNAVAIL=return] files", resolved_reads=False), FAIL)
    told(judge_order(FEDORA, resolved_reads=False), OK)


def test_resolveds_settings_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    main, folder = tmp_path / "resolved.conf", tmp_path / "resolved.conf.d"
    monkeypatch.setattr(names, "RESOLVED", (main, folder))
    assert names._resolved_reads()
    main.write_text("[Resolve]\nReadEtcHosts=no\n")
    assert not names._resolved_reads()
    folder.mkdir()
    (folder / "a.conf").write_text("[Resolve]\nReadEtcHosts=yes\n")
    assert names._resolved_reads()


async def test_this_machine() -> None:
    assert len(await names.order(case())) == 1
