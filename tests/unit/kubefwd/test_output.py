"""What kubefwd says: what is logged of it, and what is learnt from it."""

import logging

import pytest

from kubefwd_operator.engines.kubefwd.output import OFTEN, QUIET, Output
from kubefwd_operator.engines.kubefwd.rows import Forward

TIMED_OUT = "Runtime: error creating error stream for port {} -> {}: Timeout occurred"


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def output(clock: Clock, caplog: pytest.LogCaptureFixture) -> Output:
    caplog.set_level(logging.DEBUG)
    return Output(logging.getLogger("test"), wall=clock)


@pytest.mark.parametrize(
    "line, level, message",
    [
        ("INFO[15:04:05] Starting in idle mode", "DEBUG", "Starting in idle mode"),
        ("WARN[15:04:05] WARNING: No Running Pods", "INFO", "WARNING: No Running Pods"),
        ("ERRO[15:04:05] API server error: in use", "WARNING", "API server error: in use"),
        ("FATA[15:04:05] Error in get rawConfig", "ERROR", "Error in get rawConfig"),
        ("DEBU[15:04:05] Removed", "DEBUG", "Removed"),
        ("panic: runtime error", "INFO", "panic: runtime error"),
    ],
)
def test_a_line_is_logged_by_its_weight(
    output: Output, caplog: pytest.LogCaptureFixture, line: str, level: str, message: str
) -> None:
    output.hear(line)
    (record,) = caplog.records
    assert (record.levelname, record.getMessage()) == (level, f"kubefwd: {message}")


def test_the_same_again_is_no_news_for_a_while(
    output: Output, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for second in range(3):
        output.hear(f"ERRO[15:04:0{second}] PortForward error on shop/web-{second}: gone")
    clock.now += QUIET
    output.hear("ERRO[16:04:05] PortForward error on shop/web-9: gone")
    levels = [record.levelname for record in caplog.records]
    assert levels == ["WARNING", "DEBUG", "DEBUG", "WARNING"]


@pytest.mark.parametrize(
    "line, last",
    [
        ("INFO[15:04:05] hello", ""),
        ("WARN[15:04:05] careful", ""),
        ("FATA[15:04:05] Error backing up hostfile", "Error backing up hostfile"),
        ("panic: runtime error", "panic: runtime error"),
    ],
)
def test_its_last_words_are_kept(output: Output, line: str, last: str) -> None:
    output.hear(line)
    assert output.last == last


def test_what_a_forward_failed_of_is_kept_by_pod(output: Output) -> None:
    output.hear("ERRO[15:04:05] PortForward error on shop/web-1: error upgrading connection: no")
    assert output.failure(("shop", "web-1")) == "error upgrading connection: no"
    assert output.failure(("shop", "web-2")) == ""
    output.forget()
    assert output.failure(("shop", "web-1")) == ""


def row(pod: str, *, port: int = 80, pod_port: int = 8080, started: float = 0) -> Forward:
    return Forward("web", "shop", pod, "127.1.27.1", port, pod_port, "Active", started)


@pytest.mark.parametrize(
    "said, rows, pods",
    [
        pytest.param([], [row("a")], [], id="nothing said"),
        pytest.param([(80, 8080)], [row("a")], ["a"], id="the only one that fits"),
        pytest.param([(80, 8080)], [row("a"), row("b", port=81)], ["a"], id="another port"),
        pytest.param([(80, 8080)], [row("a"), row("b", pod_port=1)], ["a"], id="another pod port"),
        pytest.param([(80, 8080)], [row("a", started=2000)], [], id="made anew since"),
        pytest.param([(80, 8080)], [row("a"), row("b")], [], id="once, and two fit"),
        pytest.param([(80, 8080)] * OFTEN, [row("a"), row("b")], ["a", "b"], id="often"),
        pytest.param([(81, 8080)], [row("a")], [], id="of nobody's port"),
    ],
)
def test_half_open_pods(
    output: Output, said: list[tuple[int, int]], rows: list[Forward], pods: list[str]
) -> None:
    for ports in said:
        output.hear(f"ERRO[15:04:05] {TIMED_OUT.format(*ports)}")
    assert output.half_open(rows) == {("shop", pod) for pod in pods}
    output.forget()
    assert not output.half_open(rows)
