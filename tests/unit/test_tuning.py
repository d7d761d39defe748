"""Kopf's settings on Tilt, our log, and leaving in words."""

import logging
from collections.abc import Iterator

import kopf
import pytest

from kubefwd_operator import tuning
from kubefwd_operator.core.errors import SettingsError


@pytest.fixture(autouse=True)
def _loggers() -> Iterator[None]:
    """Loggers belong to the process: put them back."""
    names = (tuning.PREFIX, "kopf", "kopf._cogs.clients.watching")
    loggers = [logging.getLogger(name) for name in names]
    before = [(one, one.level, list(one.handlers), one.propagate) for one in loggers]
    yield
    for one, level, handlers, propagate in before:
        one.setLevel(level)
        one.handlers[:], one.propagate = handlers, propagate


def test_no_setting_that_is_known_to_break_on_tilt() -> None:
    settings = kopf.OperatorSettings()
    tuning.tune(settings)
    assert not settings.posting.enabled
    assert settings.networking.error_backoffs  # empty is a busy loop
    assert settings.watching.server_timeout is None or isinstance(
        settings.watching.server_timeout, int
    )
    assert settings.persistence.finalizer.startswith("kubefwd-operator/")


@pytest.mark.parametrize(
    "logger, level, line",
    [
        ("kubefwd_operator.loop", logging.INFO, "said\n"),
        ("kubefwd_operator.loop", logging.WARNING, "warning: said\n"),
        ("kubefwd_operator.privileged.authority", logging.ERROR, "error: said\n"),
        ("kubefwd_operator.loop", logging.DEBUG, ""),
    ],
)
def test_lines_on_stdout(
    capsys: pytest.CaptureFixture[str], logger: str, level: int, line: str
) -> None:
    tuning.log_to_stdout()
    logging.getLogger(logger).log(level, "said")
    assert capsys.readouterr().out == line


def test_a_line_moves_no_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    """Tilt passes it on to a terminal, and some of it comes from a cluster."""
    tuning.log_to_stdout()
    logging.getLogger("kubefwd_operator.loop").info("a\x1b[2Jb\x9b\r%s\nrun this", "\x07c")
    assert capsys.readouterr().out == "a[2Jbc\nrun this\n"


@pytest.mark.parametrize(
    "logger, level, is_shown",
    [
        ("kopf.objects", logging.INFO, False),
        ("kopf._core.engines.activities", logging.INFO, False),
        ("kopf.objects", logging.WARNING, True),
        ("kopf._cogs.clients.watching", logging.ERROR, False),
    ],
)
def test_of_kopf_only_what_is_wrong(logger: str, level: int, is_shown: bool) -> None:
    tuning.log_to_stdout()
    assert logging.getLogger(logger).isEnabledFor(level) == is_shown


@pytest.mark.filterwarnings("ignore")  # leaving changes the filters of this test only
@pytest.mark.parametrize(
    "error, code, lines",
    [
        (SettingsError("one.\ntwo."), 2, ["error: one.", "error: two."]),
        (ZeroDivisionError("x"), 1, ["error: A defect of kubefwd-operator: it cannot start."]),
    ],
)
def test_leaving_in_words(
    capsys: pytest.CaptureFixture[str], error: Exception, code: int, lines: list[str]
) -> None:
    tuning.log_to_stdout()
    with pytest.raises(SystemExit) as caught, tuning.leaving_in_words():
        raise error
    assert caught.value.code == code
    said = capsys.readouterr().out
    assert [line for line in lines if line not in said] == []
    assert ("Traceback" in said) == (code == 1)
