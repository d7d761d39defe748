"""Doctor beside a running Tilt: it looks at the cluster and the namespaces that Tilt has."""

import json
from typing import Any

import pytest
from tests.lab import tools
from tests.lab.forwarding import is_ready, wait_answer
from tests.lab.tilt import Tilt
from tests.lab.user import Dev

pytestmark = pytest.mark.engines("native", "kubefwd")


def doctor(dev: Dev, *words: object) -> tuple[int, dict[str, str]]:
    """Run the installed tool; give its exit code, and each check's levels and sentences."""
    program = dev.home / ".cache/kubefwd-operator/bin/kubefwd-operator"
    path = f"{tools.tilt_path().parent}:{dev.environment['PATH']}"
    ran = dev.run(program, "doctor", "--json", *words, env={"PATH": path}, check=False)
    found: dict[str, Any] = json.loads(ran.stdout)
    checks = {
        check["name"]: "\n".join(f"{one['level']}: {one['message']}" for one in check["findings"])
        for check in found["checks"]
    }
    return ran.returncode, checks


def test_all_is_well_while_it_forwards(tilt: Tilt, dev: Dev) -> None:
    wait_answer("web.storefront")
    tilt.wait_status(is_ready)
    prompts = dev.prompts
    code, checks = doctor(dev, "--port", tilt.port)
    assert code == 0, checks
    assert checks["operator"].startswith("ok: Ready: ")
    assert "The running operator has root (sudo -A)." in checks["way to root"]
    assert "(v0" in checks["cluster"] or "(v1" in checks["cluster"]
    assert "; Tilt uses it)" in checks["cluster"]
    assert "ok: In storefront you may list services" in checks["cluster"]
    assert dev.prompts == prompts
    wait_answer("web.storefront")


def test_after_tilt_there_is_no_kubeconfig(tilt: Tilt, dev: Dev) -> None:
    """The lab's developer has one for Tilt only, so that is what is missing then."""
    tilt.stop()
    code, checks = doctor(dev, "--port", tilt.port)
    assert code == 2
    assert "ok: None runs: No Tilt runs on port" in checks["operator"]
    assert checks["cluster"].startswith("fail: There is no kubeconfig: ")
