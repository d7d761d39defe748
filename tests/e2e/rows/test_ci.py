"""`tilt ci` beside a red row of ours."""

import shlex
from pathlib import Path

from tests.lab import tools
from tests.lab.fixtures import Lab


def waits_for_red(row: str) -> str:
    """Make a resource of the main Tiltfile that is done when that row is red and has said why."""
    tilt = shlex.quote(str(tools.tilt_path()))
    light = f"{tilt} get uiresource {row} -o jsonpath={{.status.runtimeStatus}} | grep -q error"
    said = f"{tilt} logs {row} | grep -q NamespaceNotFound"
    script = f"until {light} && {said}; do sleep 0.2; done"
    return f"local_resource('waits', {['sh', '-c', script]!r}, allow_parallel=True)\n"


def test_tilt_ci_ends_well_although_a_row_is_red(lab: Lab) -> None:
    tiltfile = (Path(__file__).parent / "Tiltfile").read_text()
    tilt = lab.tilt(tiltfile + waits_for_red("kubefwd:ns:nowhere"), name="ci")
    said = tilt.run("ci", "--port", str(tilt.port), "--timeout", "100s", timeout=110)
    assert "namespace nowhere  NamespaceNotFound" in said
    assert "│ NamespaceNotFound: The cluster has no namespace 'nowhere'" in said
