"""Proxies from the environment, as a table: what Go's ProxyFromEnvironment would say."""

import pytest

from kubefwd_operator.cluster.proxy import environment_proxy

K8S = "https://k8s.corp.example:6443"
P = "http://proxy:3128"

ROWS = {
    "nothing set": (K8S, {}, ""),
    "https": (K8S, {"HTTPS_PROXY": P}, P),
    "lower case": (K8S, {"https_proxy": P}, P),
    "upper case first": (K8S, {"https_proxy": "http://other", "HTTPS_PROXY": P}, P),
    "no scheme": (K8S, {"HTTPS_PROXY": "proxy:3128"}, P),
    "http proxy is not for https": (K8S, {"HTTP_PROXY": P}, ""),
    "http": ("http://k8s", {"HTTP_PROXY": P}, P),
    "ALL_PROXY is not Go's": (K8S, {"ALL_PROXY": P}, ""),
    "localhost never": ("https://localhost:6443", {"HTTPS_PROXY": P}, ""),
    "loopback never": ("https://127.0.0.1:6443", {"HTTPS_PROXY": P}, ""),
    "IPv6 loopback never": ("https://[::1]:6443", {"HTTPS_PROXY": P}, ""),
    "everything excluded": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "*"}, ""),
    "host excluded": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "a, k8s.corp.example"}, ""),
    "lower-case no_proxy": (K8S, {"HTTPS_PROXY": P, "no_proxy": "k8s.corp.example"}, ""),
    "domain excluded": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "corp.example"}, ""),
    "dotted domain excluded": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": ".corp.example"}, ""),
    "starred domain excluded": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "*.corp.example"}, ""),
    "upper-case rule": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "CORP.example"}, ""),
    "dotted domain is not the host": (
        "https://corp.example",
        {"HTTPS_PROXY": P, "NO_PROXY": ".corp.example"},
        P,
    ),
    "part of a label is no domain": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "rp.example"}, P),
    "port matches": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "corp.example:6443"}, ""),
    "port differs": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": "corp.example:443"}, P),
    "default port": ("https://k8s", {"HTTPS_PROXY": P, "NO_PROXY": "k8s:443"}, ""),
    "address": ("https://10.1.2.3", {"HTTPS_PROXY": P, "NO_PROXY": "10.1.2.3"}, ""),
    "network": ("https://10.1.2.3", {"HTTPS_PROXY": P, "NO_PROXY": "10.0.0.0/8"}, ""),
    "other network": ("https://10.1.2.3", {"HTTPS_PROXY": P, "NO_PROXY": "10.9.0.0/16"}, P),
    "nonsense network": ("https://10.1.2.3", {"HTTPS_PROXY": P, "NO_PROXY": "10.9/x"}, P),
    "an address is no domain": ("https://10.1.2.3", {"HTTPS_PROXY": P, "NO_PROXY": "2.3"}, P),
    "IPv6 with port": (
        "https://[fd00::1]:6443",
        {"HTTPS_PROXY": P, "NO_PROXY": "[fd00::1]:6443"},
        "",
    ),
    "empty rules": (K8S, {"HTTPS_PROXY": P, "NO_PROXY": ",, "}, P),
}


@pytest.mark.parametrize("server, env, expected", ROWS.values(), ids=ROWS)
def test_proxy_of_the_environment(server: str, env: dict[str, str], expected: str) -> None:
    assert environment_proxy(server, env) == expected
