"""A scenario is a folder with its own Tiltfile; each module runs in a namespace of its own.

The tests of a module are root in a namespace with a private /etc, /run, host name, process tree
and loopback (no other network), beside the user `dev`, who has a password. Whatever they do to
/etc/hosts, sudoers or processes ends with the module. So a scenario may simply:

    tests/e2e/shop/Tiltfile    k8s_yaml('storefront.yaml')
    tests/e2e/shop/test_shop.py
        def test_names_answer(tilt, dev, cluster):
            tilt.wait_status(is_ready)
            assert get("web.storefront").json()["service"] == "web"
            assert dev.prompts == 1

The Tiltfile finds CHECKOUT, CONTEXT and `allow_k8s_contexts(CONTEXT)` already there, so it can load
the extension with `v1alpha1.extension_repo(name='kubefwd', url='file://' + CHECKOUT)`. The files of
`tests/lab/services` are there as well, unless its folder has one of the same name. The fixtures
`tilt`, `cluster`, `dev`, `lab`, `start_tilt` and `start_cluster` are in `tests/lab/fixtures.py`,
waiting is `tests/lab/eventual.py`, what a developer sees of the forwarding `forwarding.py`, what
pods can be told `backends.py` and `stages.py`, what can go wrong on the way to them `endpoint.py`.
`pytest.mark.browser` builds the page.
"""

from collections.abc import Generator

import pytest
from tests.lab.tilt import Tilt
from tests.lab.user import isolated

SHOWN = 20_000  # characters of Tilt's log in the report of a failure


@pytest.fixture(autouse=True, scope="session")
def _only_in_a_namespace() -> None:
    """Refuse to run a scenario on a machine that was not made for it."""
    if not isolated():
        pytest.fail("scenarios change /etc/hosts and sudoers: they run in a namespace only")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Function,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show what Tilt and the operator have said when a scenario fails."""
    report = yield
    tilt = item.funcargs.get("tilt")
    if report.failed and isinstance(tilt, Tilt):
        report.sections.append(("Tilt's log", tilt.run_output[-SHOWN:]))
    return report
