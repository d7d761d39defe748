"""The list of public top-level domains."""

import pytest

from kubefwd_operator.core.names import is_label
from kubefwd_operator.core.tlds import TLDS


@pytest.mark.parametrize(
    "name", ["com", "org", "dev", "app", "shop", "web", "de", "io", "ai", "zip"]
)
def test_well_known_domains_are_listed(name: str) -> None:
    assert name in TLDS


@pytest.mark.parametrize(
    "name", ["storefront", "billing", "default", "kube-system", "svc", "local"]
)
def test_ordinary_namespaces_are_not(name: str) -> None:
    assert name not in TLDS


def test_each_could_be_a_namespace() -> None:
    assert len(TLDS) > 1200
    assert all(is_label(name) for name in TLDS)
